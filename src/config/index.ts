// Configs: typed in TypeScript, checked again when read.
export { checkConfig, defineConfig } from './experiment.ts';
export type { CheckedConfig, ExperimentConfig, LoaderConfig } from './experiment.ts';
export { loadConfig } from './load.ts';
export type { LoadedConfig } from './load.ts';
