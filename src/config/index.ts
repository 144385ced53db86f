// Configs: typed in TypeScript, checked again when read.
export { defineBase, defineConfig, defineStage, defineStages } from './define.ts';
export type * from './define.ts';
export { checkConfig, experimentSchema } from './experiment.ts';
export type { CheckedConfig, CheckedStage, StageInit } from './experiment.ts';
export { loadConfig, loadConfigObject } from './load.ts';
export type { LoadConfigOptions, LoadedConfig } from './load.ts';
export { isExportAddress } from '../intercept/index.ts';
export { namedNetworks } from './own-networks.ts';
export { withOptionPaths } from './read-tree.ts';
export type { PythonReader } from './read-tree.ts';
export { ConfigError, printTree, toPlain } from './tree/index.ts';
export type { ConfigMistake, DictNode, Origin, TreeNode } from './tree/index.ts';
export { withEntries } from './user-entries.ts';
export { cellFolder, defineSweep, isFor, isPicked, loadSweep, pickedOf, seedAxis, strange } from './sweep/index.ts';
export type * from './sweep/index.ts';
