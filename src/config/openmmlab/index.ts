// OpenMMLab's experiments as experiments of ours.
export { builtinConfig, builtinNames } from './bases/index.ts';
export type { Registries, ReferConfig, ReferredConfig, RegistryName, SchemaTable } from './context.ts';
export { requireClean, showFinding, showUnknown } from './findings.ts';
export type { Finding, UnknownName } from './findings.ts';
export { readOpenMMLab } from './read.ts';
export type { OpenMMLabConfig, ReadOpenMMLabOptions } from './read.ts';
export { translateOpenMMLab } from './translate.ts';
export type { TranslateOptions, Translation } from './translate.ts';
