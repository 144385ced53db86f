// OpenMMLab's Python configs, read without running Python and translated into experiments of ours.
export { builtinConfig, builtinNames } from './bases/index.ts';
export { packageFolders, readPythonConfig } from './python/index.ts';
export type {
  MissingBase,
  PackageFile,
  PackageTree,
  PythonConfig,
  ReadPythonOptions,
  ResolvePackage,
} from './python/index.ts';
export { pythonReader, readOpenMMLab } from './read.ts';
export type { OpenMMLabConfig, PythonReaderOptions, ReadOpenMMLabOptions } from './read.ts';
export type { Registries, ReferConfig, ReferredConfig, RegistryName, SchemaTable } from './translate/context.ts';
export { requireClean, showFinding, showUnknown } from './translate/findings.ts';
export type { Finding, UnknownName } from './translate/findings.ts';
export { translateOpenMMLab } from './translate/translate.ts';
export type { TranslateOptions, Translation } from './translate/translate.ts';
