// OpenMMLab's Python configs, read without running Python.
export { packageFolders } from './files.ts';
export type { PackageFile, PackageTree, ResolvePackage } from './files.ts';
export { parsePython } from './parse.ts';
export { printPython } from './print-python.ts';
export { readPythonConfig } from './read.ts';
export type { MissingBase, PythonConfig, ReadPythonOptions } from './read.ts';
export type { Expr, Statement } from './syntax.ts';
