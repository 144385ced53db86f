// What a config file says: the algorithm, the data, the optimiser, the schedule.
import { z } from 'zod';

import type { TypedConfig } from '../registry/index.ts';
import { validate } from '../registry/index.ts';

const typed = z.looseObject({ type: z.string() });

const loader = z.strictObject({
  dataset: typed,
  batchSize: z.number().int().positive(),
  /** Applied to each batch in order. */
  transforms: z.array(typed).exactOptional(),
});

const schema = z.strictObject({
  /** `{ type: 'SingleTeacherDistill', architecture, teacher, teacherCkpt, distiller }`, or another algorithm. */
  model: typed,
  trainData: loader,
  valData: loader,
  optimizer: typed,
  /** Applied together, in order. `by` says what they count: optimiser steps or epochs (default). */
  schedulers: z
    .array(z.looseObject({ type: z.string(), by: z.enum(['step', 'epoch']).exactOptional() }))
    .exactOptional(),
  epochs: z.number().int().positive(),
  seed: z.number().int().nonnegative().default(0),
  /** Memory format of networks and images. Default `'channels_last'`, the fastest for convolutions on CPU. */
  memoryFormat: z.enum(['contiguous', 'channels_last']).default('channels_last'),
  maxGradNorm: z.number().positive().exactOptional(),
  valInterval: z.number().int().positive().exactOptional(),
});

export interface LoaderConfig {
  dataset: TypedConfig;
  batchSize: number;
  transforms?: readonly TypedConfig[];
}

export interface ExperimentConfig {
  model: TypedConfig;
  trainData: LoaderConfig;
  valData: LoaderConfig;
  optimizer: TypedConfig;
  schedulers?: readonly (TypedConfig & { by?: 'step' | 'epoch' })[];
  epochs: number;
  /** Seed of initial weights, order and augmentation. Default 0. */
  seed?: number;
  memoryFormat?: 'contiguous' | 'channels_last';
  maxGradNorm?: number;
  valInterval?: number;
}

export type CheckedConfig = z.output<typeof schema>;

/** Gives a config its type, in a TypeScript file: `export default defineConfig({ ... })`. */
export function defineConfig(config: ExperimentConfig): ExperimentConfig {
  return config;
}

/** Checks a config and fills in defaults. @throws {RetortError} that lists every mistake. */
export function checkConfig(config: unknown, where: string): CheckedConfig {
  return validate(schema, config, where);
}
