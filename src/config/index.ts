// Configs: typed in TypeScript, checked again when read.
export { defineBase, defineConfig, defineStage, defineStages } from './define.ts';
export type * from './define.ts';
export { checkConfig, experimentSchema } from './experiment.ts';
export type { CheckedConfig, CheckedStage, StageInit } from './experiment.ts';
export { loadConfig } from './load.ts';
export type { LoadConfigOptions, LoadedConfig } from './load.ts';
export { withOptionPaths } from './read-tree.ts';
export type { PythonReader } from './read-tree.ts';
export { buildUserEntries, withEntries } from './user-entries.ts';
