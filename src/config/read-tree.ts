// Reads a config file and those it builds on into one tree: TypeScript, JavaScript, JSON, YAML; Python through a reader that is
// handed in. `base` names the files below: objects are merged key by key, everything else is replaced.
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';

import { nearest, RetortError } from '../errors.ts';
import { statOf } from '../files.ts';
import { isExportAddress } from '../intercept/index.ts';
import type { LiveValues } from './live-values.ts';
import { isNetworkPlace } from './own-networks.ts';
import { readJson } from './read-json.ts';
import { readConfigText } from './read-text.ts';
import { readYaml } from './read-yaml.ts';
import { runScript, shown, siblingsOf } from './run-script.ts';
import {
  Budget,
  dictNode,
  errorAt,
  fileLimits,
  joinBases,
  kindName,
  measure,
  mergeTrees,
  showOrigin,
  treeOf,
} from './tree/index.ts';
import type { DictNode, Origin, TreeNode } from './tree/index.ts';

/** Reads a Python config into a tree of ours. */
export type PythonReader = (path: string) => DictNode;

export interface ReadTreeOptions {
  live: LiveValues;
  readPython?: PythonReader | undefined;
  /** Whether data files may name scripts, as bases and in `imports`: to read them is to run those. A list: these. Default false. */
  allowScripts?: boolean | readonly string[] | undefined;
}

/** Bytes of a JSON config: machines write long ones. */
const maxJsonBytes = 4 * 1024 * 1024;
/**
 * Options of ours whose values are paths, taken from the file they are written in: what is of which type is not known before all files
 * are merged. Those of users' entries are found by their schemas then (`pathTo`).
 */
const pathKeys = new Set(['teacherCkpt', 'ckptPath', 'checkpoint', 'checkpointPath', 'pretrained', 'imports']);
/** Paths of data: the same, but OpenMMLab's configs mean the current folder. */
const dataKeys = new Set(['root', 'annFile']);
/** The option whose value may be an address, `./ops.ts#attention`, with a path of that kind. */
const addressKey = 'source';
const scripts = new Set(['.ts', '.mts', '.js', '.mjs']);
const dataFiles = new Set(['.json', '.yaml', '.yml', '.py']);

/** Why a script that a data file names is not run. */
export function refuseScript(what: string): RetortError {
  return new RetortError(`${what}; a .json, .yaml or .py config is data and runs nothing`, {
    code: 'script-refused',
    help: 'if you trust it: --allow-scripts (allowScripts: true); or write the config in TypeScript',
  });
}

/** Whether a script that a data file names may be run. */
export function isAllowed(script: string, allowed: ReadTreeOptions['allowScripts'] = false): boolean {
  return typeof allowed === 'boolean' ? allowed : allowed.some((one) => resolve(one) === resolve(script));
}

/** Whether a file is read without running anything. */
export function isDataFile(path: string): boolean {
  return dataFiles.has(extname(path));
}

/**
 * The merged tree of a config. What is data runs nothing: JSON, YAML and Python build on data only, unless `allowScripts`.
 * @throws {RetortError} for a file that is missing, too large, of another kind or wrong, and for bases that go round in a circle.
 */
export function readTree(path: string, options: ReadTreeOptions): Promise<DictNode> {
  return new TreeReader(options).read(path, []);
}

/** A config that a program holds as an object. */
export interface ConfigObject {
  /** What `defineConfig` and `defineStages` give; it may hold what is no data. */
  readonly value: unknown;
  /** What it is called in messages. */
  readonly name: string;
  /** Where its relative paths begin. */
  readonly folder: string;
}

/** The same for an object, which may build on files of every kind, as a TypeScript config may. */
export function readObjectTree(config: ConfigObject, options: ReadTreeOptions): Promise<DictNode> {
  return new TreeReader(options).readObject(config);
}

/** Reads the files of one config, or of one sweep: each once, within one budget. */
export class TreeReader {
  readonly #options: ReadTreeOptions;
  readonly #budget = new Budget();
  /** Each file is read once, whoever builds on it. */
  readonly #known = new Map<string, DictNode>();

  constructor(options: ReadTreeOptions) {
    this.#options = options;
  }

  /** @param above the files that build on this one, outermost first */
  async read(path: string, above: readonly string[]): Promise<DictNode> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    if (this.#known.size + above.length >= fileLimits.files) {
      throw new RetortError(`${shown(path)}: more than ${fileLimits.files} files in one config`, {
        code: 'invalid-config',
      });
    }
    const own = await this.readAlone(path);
    const tree = withNetworks(await this.#overBases(own, path, above));
    // What is below is copied to be merged over, key by key.
    this.#budget.spend(measure(tree).nodes * (own === tree ? 1 : 4), tree.origin);
    this.#known.set(path, tree);
    return tree;
  }

  async readObject(config: ConfigObject): Promise<DictNode> {
    return this.overBases(this.treeOf(config), join(config.folder, config.name));
  }

  /** The tree of an object by itself, with its paths absolute. */
  treeOf({ value, name, folder }: ConfigObject): DictNode {
    const tree = asDict(treeOf(this.#options.live.takeOut(value), { file: name, line: 0, column: 0 }), name);
    return withPaths(tree, { folder, dataFolder: folder });
  }

  /** The tree of a file by itself, with its paths absolute: `base` is not followed. */
  async readAlone(path: string): Promise<DictNode> {
    const folder = dirname(path);
    return withPaths(await this.#readOne(path), { folder, dataFolder: extname(path) === '.py' ? '.' : folder });
  }

  /** A config that is a part of what stands in a file (or would, if it were in one), over what its own `base` names. */
  async overBases(own: DictNode, file: string): Promise<DictNode> {
    return withNetworks(await this.#overBases(own, file, []));
  }

  /** A config that a file names, by a path that begins in `folder`; where that file may not run scripts, no script. */
  async readNamed(named: string, { from, place }: { from: string; place: string }): Promise<DictNode> {
    const file = resolve(dirname(from), named);
    const origin = { file: shown(from), line: 0, column: 0 };
    this.#checkBase(file, { name: named, origin, from, above: [], what: place });
    return this.read(file, []);
  }

  async #overBases(own: DictNode, path: string, above: readonly string[]): Promise<DictNode> {
    const base = own.value.get('base');
    if (base === undefined) return own;
    // Stages are merged over the whole later on, and then their `_delete_` counts: merging here would drop it.
    const stages = own.value.get('stages');
    const rest = dictNode(
      [...own.value].filter(([key]) => key !== 'base' && key !== 'stages'),
      own.origin,
    );
    const trees: DictNode[] = [];
    for (const { name, origin } of namesOf(base)) {
      const file = resolve(dirname(path), name);
      this.#checkBase(file, { name, origin, from: path, above: [...above, path] });
      trees.push(await this.read(file, [...above, path]));
    }
    const whole = mergeTrees(joinBases(trees), rest);
    return stages === undefined ? whole : dictNode([...whole.value, ['stages', stages]], whole.origin);
  }

  #checkBase(
    file: string,
    { name, origin, from, above, what = 'base' }: BaseName & { from: string; above: readonly string[]; what?: string },
  ): void {
    const kind = extname(file);
    const where = `${origin.line === 0 ? shown(from) : showOrigin(origin)}: ${what} "${name}"`;
    requireFile(file, where);
    if (!scripts.has(kind) && !dataFiles.has(kind)) {
      throw new RetortError(`${where}: expected a .ts, .js, .json, .yaml or .py file, got "${kind}"`, {
        code: 'unsupported',
      });
    }
    if (above.includes(file)) {
      const circle = [...above.slice(above.indexOf(file)), file].map(shown).join(' -> ');
      throw new RetortError(`${where}: a config cannot be its own base: ${circle}`, { code: 'invalid-config' });
    }
    if (above.length >= fileLimits.depth) {
      throw new RetortError(`${where}: more than ${fileLimits.depth} bases within each other`, {
        code: 'invalid-config',
      });
    }
    if (isDataFile(from) && scripts.has(kind) && !isAllowed(file, this.#options.allowScripts)) {
      throw refuseScript(`${where} is a script, and to read it is to run it`);
    }
  }

  async #readOne(path: string): Promise<DictNode> {
    const kind = extname(path);
    const name = shown(path);
    if (kind === '.py') {
      const { readPython } = this.#options;
      if (readPython !== undefined) return readPython(path);
      throw new RetortError(`${name}: loadConfig reads Python configs with a reader only`, {
        help: 'use load of retort-kd/runner, or hand in readPython: pythonReader of retort-kd/openmmlab',
      });
    }
    if (!dataFiles.has(kind)) {
      if (!scripts.has(kind)) {
        throw new RetortError(`${name}: expected a .ts, .js, .json, .yaml or .py file, got "${kind}"`, {
          code: 'unsupported',
        });
      }
      const value = await runScript(path, { name, example: 'export default defineConfig({ ... })' });
      return asDict(treeOf(this.#options.live.takeOut(value), { file: name, line: 0, column: 0 }), name);
    }
    const json = kind === '.json';
    const text = readConfigText(path, name, json ? maxJsonBytes : fileLimits.bytes);
    // So that all the files of a config together take about as long as one Python config may.
    this.#budget.spend(Math.ceil(text.length / (json ? 4 : 1 / 4)), { file: name, line: 0, column: 0 });
    const tree = asDict(json ? readJson(text, name) : readYaml(text, name, this.#budget), name);
    measure(tree);
    return tree;
  }
}

interface BaseName {
  readonly name: string;
  readonly origin: Origin;
}

function namesOf(base: TreeNode): BaseName[] {
  const items = base.kind === 'list' || base.kind === 'tuple' ? base.value : [base];
  return items.map((item) => {
    if (item.kind === 'str') return { name: item.value, origin: item.origin };
    throw errorAt(item.origin, 'base must be a path or a list of paths', "write base: ['./common.ts']");
  });
}

function asDict(tree: TreeNode, name: string): DictNode {
  if (tree.kind === 'dict') return tree;
  throw new RetortError(`${name}: expected an object, got ${kindName(tree.kind)}`, { code: 'invalid-config' });
}

/** Longer paths are none. */
const maxPath = 1000;

/** @throws {RetortError} when there is no such file. */
export function requireFile(path: string, what: string): void {
  if (path.length > maxPath) throw new RetortError(`${what.slice(0, 200)}...: a path of ${path.length} characters`);
  const found = path.includes('\0') ? undefined : statOf(path);
  if (found === undefined) {
    const near = nearest(basename(path), siblingsOf(path)).map((name) => `"${name}"`);
    const help = near.length === 0 ? `looked for ${path}` : `did you mean ${near.join(' or ')}? (looked for ${path})`;
    throw new RetortError(`${what}: no such file`, { code: 'not-found', help });
  }
  if (!found.isFile()) throw new RetortError(`${what}: ${path} is not a file`, { code: 'not-found' });
}

interface PathsFrom {
  folder: string;
  /** Where paths of data begin. */
  dataFolder: string;
}

/** The tree with relative paths made absolute. */
function withPaths(tree: DictNode, from: PathsFrom): DictNode {
  const visit = (node: TreeNode, key: string, around = '', type?: string): TreeNode => {
    if (node.kind === 'dict') {
      const named = node.value.get('type');
      const own = named?.kind === 'str' ? named.value : undefined;
      return dictNode(
        [...node.value].map(([name, item]) => [name, visit(item, name, key, own)]),
        node.origin,
      );
    }
    if (node.kind === 'list' || node.kind === 'tuple')
      return { ...node, value: node.value.map((item) => visit(item, key, around, type)) };
    if (node.kind !== 'str') return node;
    const address = key === addressKey ? /^\.\.?\/.*#/.test(node.value) : isNetworkAddress(node.value, key, around);
    const folder = address ? from.folder : folderOf(key, node.value, { from, type });
    return folder === undefined ? node : { ...node, value: resolve(folder, node.value) };
  };
  return visit(tree, '') as DictNode;
}

/** The tree with `{ type: './my-net.ts#MyNet' }` for each network that is an address alone: what builds on it can add options. */
export function withNetworks(tree: DictNode): DictNode {
  const visit = (node: TreeNode, key: string, around: string): TreeNode => {
    if (node.kind === 'str' && isNetworkPlace(key, around) && isExportAddress(node.value)) {
      return dictNode([['type', node]], node.origin);
    }
    if (node.kind !== 'dict') return node;
    return { ...node, value: new Map([...node.value].map(([name, item]) => [name, visit(item, name, key)])) };
  };
  const model = tree.value.get('model');
  if (model === undefined) return tree;
  return { ...tree, value: new Map([...tree.value, ['model', visit(model, 'model', '')]]) };
}

/** Whether this is the relative address of a network, `./my-net.ts#MyNet`. */
function isNetworkAddress(value: string, key: string, around: string): boolean {
  return (key === 'type' || isNetworkPlace(key, around)) && /^\.\.?\//.test(value) && isExportAddress(value);
}

/** Whether a text is a relative path, where it is one at all. */
export function isRelative(value: string): boolean {
  return !(value === '' || isAbsolute(value) || /^[a-z][\w+.-]*:\/\//i.test(value));
}

/** Where the relative path under a key begins; undefined for what is no relative path. */
function folderOf(key: string, value: string, { from, type }: { from: PathsFrom; type?: string | undefined }) {
  if (!isRelative(value)) return undefined;
  if (key === 'annFile' && type === 'ImageNet') return undefined; // it lies inside `root`
  return pathKeys.has(key) ? from.folder : dataKeys.has(key) ? from.dataFolder : undefined;
}

/** Options of the command line, `key.key=value`, with relative paths made absolute: they begin in the current folder. */
export function withOptionPaths(options: readonly string[]): string[] {
  return options.map((option) => {
    const [, path, key, text] = /^([^=]*?([^=.]+))=(.*)$/s.exec(option) ?? [];
    if (key === undefined || text === undefined || text === 'None') return option;
    const quoted = /^(["'])(.*)\1$/s.exec(text.trim())?.[2];
    if (quoted === undefined && /^\s*[[(]|,/.test(text)) return option; // a list
    const value = quoted ?? text.trim();
    const [around = '', last = ''] = path!.trim().split('.').slice(-2);
    const address = isNetworkAddress(value, last === '' ? around : last, around);
    const folder = address ? '.' : folderOf(key.trim(), value, { from: { folder: '.', dataFolder: '.' } });
    if (folder === undefined) return option;
    const mark = value.includes('"') ? "'" : '"';
    return `${path}=${mark}${resolve(folder, value)}${mark}`;
  });
}
