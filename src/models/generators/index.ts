// Generators: latent vectors to images, for distillation without data.
export { BaseGenerator } from './base-generator.ts';
export type { GeneratorOptions } from './base-generator.ts';
export { DAFLGenerator } from './dafl-generator.ts';
export type { DAFLGeneratorOptions } from './dafl-generator.ts';
export { FastDFKDGenerator } from './fast-dfkd-generator.ts';
export { buildGenerator, generators } from './registry.ts';
export { ZSKTGenerator } from './zskt-generator.ts';
