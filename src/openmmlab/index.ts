// OpenMMLab's experiments as experiments of ours.
export { builtinConfig, builtinNames } from './bases/index.ts';
export type { Registries, ReferConfig, ReferredConfig, RegistryName, SchemaTable } from './translate/context.ts';
export { requireClean, showFinding, showUnknown } from './translate/findings.ts';
export type { Finding, UnknownName } from './translate/findings.ts';
export { readOpenMMLab } from './read.ts';
export type { OpenMMLabConfig, ReadOpenMMLabOptions } from './read.ts';
export { translateOpenMMLab } from './translate/translate.ts';
export type { TranslateOptions, Translation } from './translate/translate.ts';
