// The generators that configs can name.
import { Module } from '../../nn/index.ts';
import { Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import type { BaseGenerator } from './base-generator.ts';
import { daflGenerator } from './dafl-generator.ts';
import { fastDFKDGenerator } from './fast-dfkd-generator.ts';
import { zsktGenerator } from './zskt-generator.ts';

const table = { DAFLGenerator: daflGenerator, ZSKTGenerator: zsktGenerator, FastDFKDGenerator: fastDFKDGenerator };

/** The generators that configs can name, each with the schema of its options. */
export const generators = new Registry<BaseGenerator, typeof table>('generator', table);

/**
 * A generator from `{ type: 'DAFLGenerator', imgSize: 32, latentDim: 100, hiddenChannels: 128 }`; a module is taken as it is.
 * @throws {RetortError} for unknown types (with the nearest names) and wrong options (all at once).
 */
export function buildGenerator(config: TypedConfig, where?: string): BaseGenerator;
export function buildGenerator<M extends Module>(config: TypedConfig | M, where?: string): BaseGenerator | M;
export function buildGenerator(config: TypedConfig | Module, where?: string): Module {
  return config instanceof Module ? config : generators.build(config, where);
}
