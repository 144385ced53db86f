// Reads a config file and those it builds on into one tree: TypeScript, JavaScript, JSON, YAML; Python through a reader that is
// handed in. `base` names the files below: objects are merged key by key, everything else is replaced.
import { dirname, extname, isAbsolute, relative, resolve } from 'node:path';

import { parse as parseYaml } from 'yaml';

import { RetortError } from '../errors.ts';
import { readText, statOf } from '../files.ts';
import { importTapped } from '../intercept/index.ts';
import type { LiveValues } from './live-values.ts';
import { dictNode, errorAt, joinBases, mergeTrees, treeOf } from './tree/index.ts';
import type { DictNode, TreeNode } from './tree/index.ts';

/** Reads a Python config into a tree of ours. */
export type PythonReader = (path: string) => DictNode;

export interface ReadTreeOptions {
  live: LiveValues;
  readPython?: PythonReader | undefined;
}

const maxDepth = 20;
const maxBytes = 10 * 1024 * 1024;
/** Options whose values are paths, taken from the file they are written in. */
const pathKeys = new Set(['teacherCkpt', 'ckptPath', 'checkpoint', 'pretrained', 'imports']);
/** Paths of data: the same, but OpenMMLab's configs mean the current folder. */
const dataKeys = new Set(['root', 'annFile']);
/** Options whose values may be addresses, `./ops.ts#attention`, with a path of that kind. */
const addressKeys = new Set(['source', 'funcPath', 'methodPath']);

/** @throws {RetortError} for a file that is missing, too large, of another kind or wrong, and for bases that go round in a circle. */
export async function readTree(
  path: string,
  options: ReadTreeOptions,
  above: readonly string[] = [],
): Promise<DictNode> {
  if (above.includes(path)) {
    throw new RetortError(
      `${path} is a base of itself, through ${above.slice(above.indexOf(path) + 1).join(', ') || 'nothing'}`,
    );
  }
  if (above.length >= maxDepth) throw new RetortError(`${path}: more than ${maxDepth} bases within each other`);
  const folder = dirname(path);
  const own = withPaths(await readOne(path, options), { folder, dataFolder: extname(path) === '.py' ? '.' : folder });
  const base = own.value.get('base');
  if (base === undefined) return own;
  // Stages are merged over the whole later on, and then their `_delete_` counts: merging here would drop it.
  const stages = own.value.get('stages');
  const rest = dictNode(
    [...own.value].filter(([key]) => key !== 'base' && key !== 'stages'),
    own.origin,
  );
  const trees: DictNode[] = [];
  for (const name of namesOf(base)) {
    const file = resolve(dirname(path), name);
    requireFile(file, `${path}: base "${name}"`);
    trees.push(await readTree(file, options, [...above, path]));
  }
  const whole = mergeTrees(joinBases(trees), rest);
  return stages === undefined ? whole : dictNode([...whole.value, ['stages', stages]], whole.origin);
}

function namesOf(base: TreeNode): string[] {
  const items = base.kind === 'list' || base.kind === 'tuple' ? base.value : [base];
  return items.map((item) => {
    if (item.kind === 'str') return item.value;
    throw errorAt(item.origin, 'base must be a path or a list of paths', "write base: ['./common.ts']");
  });
}

/** @throws {RetortError} when there is no such file, or it is too large for a config. */
export function requireFile(path: string, what: string): void {
  const found = statOf(path);
  if (found === undefined) throw new RetortError(`${what}: there is no such file`, { help: `looked for ${path}` });
  if (!found.isFile()) throw new RetortError(`${what}: ${path} is no file`);
  if (found.size > maxBytes) {
    throw new RetortError(`${what}: ${path} has ${found.size} bytes, a config has at most ${maxBytes}`);
  }
}

async function readOne(path: string, { live, readPython }: ReadTreeOptions): Promise<DictNode> {
  const kind = extname(path);
  if (kind === '.py') {
    if (readPython === undefined)
      throw new RetortError(`${path}: Python configs are read by the command \`retort\` only`);
    return readPython(path);
  }
  const value = await valueOf(path, kind);
  const tree = treeOf(live.takeOut(value), { file: shown(path), line: 0, column: 0 });
  if (tree.kind === 'dict') return tree;
  throw new RetortError(`${path}: a config is an object, got ${Array.isArray(value) ? 'a list' : typeof value}`);
}

async function valueOf(path: string, kind: string): Promise<unknown> {
  switch (kind) {
    case '.json':
    case '.yaml':
    case '.yml':
      try {
        const text = readText(path);
        return kind === '.json' ? (JSON.parse(text) as unknown) : (parseYaml(text) as unknown);
      } catch (cause) {
        if (cause instanceof RetortError) throw cause;
        throw new RetortError(`${path}: ${(cause as Error).message}`, { cause });
      }
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs': {
      const loaded = (await importTapped(path)) as { default?: unknown };
      if (loaded.default !== undefined) return loaded.default;
      throw new RetortError(`${path} has no default export`, { help: 'write `export default defineConfig({ ... })`' });
    }
    default:
      throw new RetortError(`${path}: a config is a .ts, .js, .json, .yaml or .py file, got "${kind}"`);
  }
}

/** A path as a person in the current folder would write it. */
function shown(path: string): string {
  const from = relative('.', path);
  return from.startsWith('..') ? path : from;
}

interface PathsFrom {
  folder: string;
  /** Where paths of data begin. */
  dataFolder: string;
}

/** The tree with relative paths made absolute. */
function withPaths(tree: DictNode, from: PathsFrom): DictNode {
  const visit = (node: TreeNode, key: string, type?: string): TreeNode => {
    if (node.kind === 'dict') {
      const named = node.value.get('type');
      const own = named?.kind === 'str' ? named.value : undefined;
      return dictNode(
        [...node.value].map(([name, item]) => [name, visit(item, name, own)]),
        node.origin,
      );
    }
    if (node.kind === 'list' || node.kind === 'tuple')
      return { ...node, value: node.value.map((item) => visit(item, key, type)) };
    if (node.kind !== 'str') return node;
    const address = addressKeys.has(key) && /^\.\.?\/.*#/.test(node.value);
    const folder = address ? from.folder : folderOf(key, node.value, { from, type });
    return folder === undefined ? node : { ...node, value: resolve(folder, node.value) };
  };
  return visit(tree, '') as DictNode;
}

/** Where the relative path under a key begins; undefined for what is no relative path. */
function folderOf(key: string, value: string, { from, type }: { from: PathsFrom; type?: string | undefined }) {
  if (value === '' || isAbsolute(value) || /^[a-z][\w+.-]*:\/\//i.test(value)) return undefined;
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
    const folder = folderOf(key.trim(), value, { from: { folder: '.', dataFolder: '.' } });
    if (folder === undefined) return option;
    const mark = value.includes('"') ? "'" : '"';
    return `${path}=${mark}${resolve(folder, value)}${mark}`;
  });
}
