// Reads a config of OpenMMLab (mmengine) as it is, with all it inherits from, without running Python.
import { dirname, resolve } from 'node:path';

import { RetortError } from '../../errors.ts';
import { realPath } from '../../files.ts';
import {
  Budget,
  ConfigError,
  errorAt,
  fileLimits,
  joinBases,
  mergeTrees,
  nodeAt,
  showOrigin,
} from '../../config/tree/index.ts';
import type { DictNode, Origin } from '../../config/tree/index.ts';
import { basesOf } from './bases.ts';
import type { BaseName } from './bases.ts';
import { Evaluator } from './evaluate.ts';
import { canonical, checkExists, displayName, isWithin, readText, statOf } from './files.ts';
import type { PackageFile, ResolvePackage } from './files.ts';
import { parsePython } from './parse.ts';
import { withScope } from './scope.ts';
import { freeze, thaw } from './values.ts';
import type { DictValue } from './values.ts';

/** Options of {@link readPythonConfig}. */
export interface ReadPythonOptions {
  /** The folder that bases may not leave. Default: the current folder if the file lies in it, else the file's own. */
  root?: string;
  /** Read bases wherever they are. Default false. */
  allowOutside?: boolean;
  /** Finds bases such as `mmcls::_base_/default_runtime.py`; see `packageFolders`. Default: there are none. */
  resolvePackage?: ResolvePackage;
  /** What to do about a `pkg::` base that is not found: `'error'` (default), or `'collect'` and go on without it. */
  missingBases?: 'error' | 'collect';
  /** For `{{$NAME:default}}`. Default: the environment of the process. Names that look like secrets are refused. */
  env?: Readonly<Record<string, string | undefined>>;
}

/** A `pkg::path` that was not found, and where it was named. */
export interface MissingBase {
  readonly pkg: string;
  readonly path: string;
  readonly origin: Origin;
}

/** What {@link readPythonConfig} returns. */
export interface PythonConfig {
  /** The merged config. */
  readonly tree: DictNode;
  /** Every file that was read, the config itself first. */
  readonly files: readonly string[];
  /** Empty, unless `missingBases` is `'collect'`. */
  readonly missing: readonly MissingBase[];
  /** What is allowed and still looks wrong, and what the config's authors say (`_deprecation_`). */
  readonly warnings: readonly string[];
}

/**
 * The config in a Python file, merged over its bases as mmengine does it: dicts key by key, all else replaced, `_delete_=True`
 * drops what the base says, `_scope_` marks what comes from another package, top-level names that begin with `__` are left out.
 * Ints and floats stay what they are, and each value knows the file, line and column it was written at. Nothing is executed.
 * @throws {RetortError} with file, line, column and what stands there, for anything but plain assignments; for bases that are
 * missing, in a cycle, outside of `root`, or that set the same key; and for configs made to exhaust their reader.
 */
export function readPythonConfig(file: string, options: ReadPythonOptions = {}): PythonConfig {
  const path = canonical(file);
  checkExists(path);
  const root = resolve(options.root ?? (isWithin(process.cwd(), path) ? process.cwd() : dirname(path)));
  if (statOf(root)?.isDirectory() !== true)
    throw new RetortError(`readPythonConfig: root: no such folder: ${root}`, { code: 'not-found' });
  const reader = new Reader(options);
  if (!reader.mayRead(path, root)) {
    throw new RetortError(`${displayName(path)} lies outside of ${root}, the folder given as root`);
  }
  const tree = reader.read({ file: path, root });
  const { files, missing, warnings } = reader;
  return { tree, files: [...files], missing, warnings };
}

class Reader {
  readonly files = new Set<string>();
  readonly missing: MissingBase[] = [];
  readonly warnings: string[] = [];
  readonly #options: ReadPythonOptions;
  readonly #budget = new Budget();
  /** The files being read, each a base of the one before it, links followed. */
  readonly #open: string[] = [];
  #reads = 0;
  #characters = 0;

  constructor(options: ReadPythonOptions) {
    this.#options = options;
  }

  mayRead(file: string, root: string): boolean {
    return this.#options.allowOutside === true || isWithin(root, file);
  }

  /** The tree of a file that is there, over its bases. */
  read(at: PackageFile): DictNode {
    const name = displayName(at.file);
    const text = readText(at.file);
    this.#characters += text.length;
    if (++this.#reads > fileLimits.files) {
      throw new RetortError(`${name}: more than ${fileLimits.files} files in one config`, { code: 'invalid-config' });
    }
    if (this.#characters > fileLimits.together)
      throw new RetortError(`${name}: the files of this config are too long`, { code: 'invalid-config' });
    this.files.add(at.file);
    this.#open.push(realPath(at.file));
    const origin: Origin = { file: name, line: 0, column: 0 };
    const surroundings = { path: at.file, env: this.#options.env ?? process.env };
    const missingBefore = this.missing.length;

    const { bases, rest, ignored } = basesOf(parsePython(text, name), { budget: this.#budget, surroundings });
    for (const origin of ignored) this.warnings.push(`${showOrigin(origin)}: only the first _base_ of a file counts`);
    const trees = bases.map((base) => this.#base(base, at)).filter((tree) => tree !== undefined);
    const base = thaw({ ...joinBases(trees), origin }, this.#budget);
    const incomplete = this.missing.length > missingBefore;
    const evaluator = new Evaluator({ base, incomplete, budget: this.#budget, surroundings });
    try {
      evaluator.run(rest);
    } catch (error) {
      throw withoutBases(error, this.missing.slice(missingBefore));
    }
    const own: DictValue = { kind: 'dict', value: evaluator.names, origin };
    this.#deprecation(own);
    for (const name of own.value.keys()) if (name.startsWith('__')) own.value.delete(name);

    this.#open.pop();
    // The base is frozen only now: what the file changed through `_base_` counts.
    return mergeTrees(freeze(base, this.#budget), freeze(own, this.#budget));
  }

  /** The tree of a base; nothing where it is missing and that is no error. */
  #base({ name, origin }: BaseName, from: PackageFile): DictNode | undefined {
    if (!name.includes('::'))
      return this.#readBase({ file: resolve(dirname(from.file), name), root: from.root }, origin);
    const [pkg, path, ...more] = name.split('::');
    if (!/^\w+$/.test(pkg!) || !path || path.startsWith('/') || more.length > 0) {
      throw errorAt(origin, `"${name}" is not a base; expected package::path`);
    }
    const found = this.#options.resolvePackage?.(pkg!, path);
    if (found !== undefined) return withScope('tree' in found ? found.tree : this.#readBase(found, origin), pkg!);
    if (this.#options.missingBases !== 'collect') {
      throw errorAt(origin, `unknown base ${name}`, `say which folder the configs of ${pkg} are in: --pkg ${pkg}=DIR`);
    }
    this.missing.push({ pkg: pkg!, path, origin });
    return undefined;
  }

  #readBase({ file, root }: PackageFile, origin: Origin): DictNode {
    if (!this.mayRead(file, root)) {
      throw errorAt(origin, `the base ${displayName(file)} lies outside of ${root}`, 'allow it with a wider root');
    }
    checkExists(file, `${showOrigin(origin)}: `);
    if (this.#open.length >= fileLimits.depth) {
      throw errorAt(origin, `more than ${fileLimits.depth} bases within each other`);
    }
    const again = this.#open.indexOf(realPath(file));
    if (again >= 0) {
      const cycle = [...this.#open.slice(again), this.#open[again]!].map(displayName).join(' -> ');
      throw errorAt(origin, `a config cannot be its own base: ${cycle}`);
    }
    return this.read({ file: canonical(file), root });
  }

  #deprecation(own: DictValue): void {
    const node = own.value.get('_deprecation_');
    if (node === undefined) return;
    const [expected, reference] = ['expected', 'reference'].map((key) => nodeAt(node, [key]));
    const use = expected?.kind === 'str' ? `; use ${expected.value}` : '';
    const see = reference?.kind === 'str' ? `; see ${reference.value}` : '';
    this.warnings.push(`${showOrigin(node.origin)}: this config is deprecated${use}${see}`);
    own.value.delete('_deprecation_');
  }
}

/** An error in a file that was read without some of its bases says so. */
function withoutBases(error: unknown, missing: readonly MissingBase[]): unknown {
  if (missing.length === 0 || !(error instanceof RetortError)) return error;
  const names = missing.map(({ pkg, path }) => `${pkg}::${path}`).join(', ');
  const without = `this file was read without its bases ${names}`;
  const help = error.help === undefined ? without : `${error.help}; ${without}`;
  const options = { code: error.code, cause: error, help };
  return error instanceof ConfigError
    ? new ConfigError(error.what, error.mistakes, options)
    : new RetortError(error.what, options);
}
