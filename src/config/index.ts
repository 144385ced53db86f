// Configs: typed in TypeScript, checked again when read.
export { defineConfig } from './define.ts';
export type { ExperimentConfig } from './define.ts';
export { checkConfig } from './experiment.ts';
export type { CheckedConfig, CheckedStage, LoaderConfig, StageInit } from './experiment.ts';
export { loadConfig } from './load.ts';
export type { LoadedConfig } from './load.ts';
