// Loads a config, of a file or of an object, with everything it builds on, and checks all of it in one pass.
import { dirname, extname, resolve } from 'node:path';

import type { RetortError } from '../errors.ts';
import { isPlain } from '../check.ts';
import { readsOf } from '../registry/index.ts';
import type { ConfigOptionsOf, Mistake, Path, Tables } from '../registry/index.ts';
import { inspectConfig, optionsOfConfig } from './experiment.ts';
import type { CheckedStage, Look } from './experiment.ts';
import { LiveValues, shownLive } from './live-values.ts';
import { ownNetworks } from './own-networks.ts';
import type { IsNetwork, OwnNetworks } from './own-networks.ts';
import {
  isAllowed,
  isDataFile,
  isRelative,
  readObjectTree,
  readTree,
  refuseScript,
  requireFile,
  withOptionPaths,
} from './read-tree.ts';
import type { PythonReader } from './read-tree.ts';
import { shown as shownPath } from './run-script.ts';
import {
  applyCfgOptions,
  ConfigError,
  mergeTrees,
  nodeAt,
  originOf,
  placeOf,
  printTree,
  showOrigin,
  showPath,
  toPlain,
} from './tree/index.ts';
import type { ConfigMistake, DictNode, TreeNode } from './tree/index.ts';
import { loadUserEntries, withEntries } from './user-entries.ts';

/** Options of {@link loadConfig}. */
export interface LoadConfigOptions {
  /** Values in place of the file's, each `key.key=value`; paths in them begin in the current folder. */
  cfgOptions?: readonly string[] | undefined;
  /** Reads Python configs; without it they are refused. */
  readPython?: PythonReader | undefined;
  /**
   * Whether data files may name scripts, in `base`, `imports` and addresses of networks; a list: these ones. Default false: JSON, YAML and Python configs run
   * nothing.
   */
  allowScripts?: boolean | readonly string[] | undefined;
  /**
   * What a config may name, by kind. Default: `type` and the options beside it are not checked, and files of `imports` are not
   * looked at.
   */
  tables?: Tables | undefined;
  optionsOf?: ConfigOptionsOf | undefined;
  /** What is a class of networks. Default: every class. */
  isNetwork?: IsNetwork | undefined;
  /** Looks for more mistakes, which are reported with all others. */
  look?: Look | undefined;
}

/** A config that was read and checked. */
export interface LoadedConfig {
  /** The file's path; `''` for an object. */
  path: string;
  /** What is trained, one after the other; without stages one of the name `''`. */
  stages: readonly CheckedStage[];
  /** The merged config, as an object. */
  value: Readonly<Record<string, unknown>>;
  /** Files that add entries to registries. */
  imports: readonly string[];
  /** Files that addresses of networks lead to, such as `./my-net.ts#MyNet`. */
  networkFiles: readonly string[];
  /** What those files add, by kind. */
  own: Tables;
  /** The merged config as text, each value with the file it comes from. */
  print(options?: { origins?: boolean }): string;
  /** The merged config as JSON can hold it; undefined where it holds classes, functions or modules. */
  data: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The config in a file (`.ts`, `.mts`, `.js`, `.mjs`, `.json`, `.yaml`; `.py` with a reader), merged over its bases and checked.
 * @throws {ConfigError} with all mistakes at once when its content is wrong, or cannot be read.
 * @throws {RetortError} when the file is missing or cannot be run.
 */
export async function loadConfig(file: string, options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const path = resolve(file);
  requireFile(path, `config ${file}`);
  const live = new LiveValues();
  const { readPython, allowScripts } = options;
  const tree = await readTree(path, { live, readPython, allowScripts });
  return checkTree({ name: file, own: shownPath(path), path, folder: dirname(path) }, { tree, live }, options);
}

/**
 * The same for an object, as `defineConfig` and `defineStages` give it: relative paths in it begin in `folder`.
 * @throws {ConfigError} with all mistakes at once; {RetortError} for a base that is missing or cannot be run.
 */
export async function loadConfigObject(
  value: unknown,
  folder: string,
  options: LoadConfigOptions = {},
): Promise<LoadedConfig> {
  const live = new LiveValues();
  const { readPython, allowScripts } = options;
  const name = 'config';
  const tree = await readObjectTree({ value, name, folder: resolve(folder) }, { live, readPython, allowScripts });
  return checkTree({ name, own: name, path: '', folder: resolve(folder) }, { tree, live }, options);
}

interface Source {
  /** What the errors begin with. */
  name: string;
  /** How origins name it. */
  own: string;
  path: string;
  /** Where its relative paths begin. */
  folder: string;
}

/** Checks a tree that was read and merged; `live` has what is no data in it. @throws {ConfigError} with all mistakes at once. */
export async function checkTree(
  { name, own: ownName, path, folder }: Source,
  { tree: read, live }: { tree: DictNode; live: LiveValues },
  { cfgOptions = [], allowScripts, tables, optionsOf, isNetwork = isClass, look }: LoadConfigOptions,
): Promise<LoadedConfig> {
  const merged = applyCfgOptions(read, withOptionPaths(cfgOptions));
  const plain = toPlain(merged);
  const written = live.putBack(plain) as Record<string, unknown>;
  const imports = importsOf(written);
  const refused = scriptsOfData(merged).filter(({ script }) => !isAllowed(script, allowScripts));
  const { own: imported, mistakes: strange } =
    tables === undefined || refused.length > 0
      ? { own: {}, mistakes: tables === undefined ? [] : refused }
      : await loadUserEntries(imports, tables, isNetwork);
  const networks: OwnNetworks =
    tables === undefined
      ? { config: written, own: {}, files: [], mistakes: [] }
      : await ownNetworks(written, {
          folder,
          isNetwork,
          tables: withEntries(tables, imported),
          refused: (place, file) => refusedNetwork(merged, { place, file, allowScripts }),
        });
  const own = withEntries(imported, networks.own);
  const known = withEntries(tables ?? {}, own);
  const paths =
    tables === undefined ? [] : schemaPaths(merged, { value: networks.config, tables: known, own: ownName, folder });
  const tree = paths.reduce(withPath, merged);
  const value = paths.reduce(putPath, written) as Record<string, unknown>;
  const { mistakes, stages } = inspectConfig(
    paths.reduce(putPath, networks.config),
    { tables: known, optionsOf },
    look,
  );
  strange.push(...networks.mistakes);
  // Names that a file adds which cannot be loaded are not known: that they are missing follows from that.
  const wrong = strange.length === 0 ? mistakes : mistakes.filter((one) => one.path.at(-1) !== 'type');
  if (strange.length + wrong.length > 0) throw listed({ name, own: ownName }, [...strange, ...wrong], tree);
  return {
    path,
    stages,
    value,
    imports,
    networkFiles: networks.files,
    own,
    print: (how) => printTree(shown(tree), how),
    data: live.isIn(plain) ? undefined : value,
  };
}

const isClass = (value: unknown): boolean => typeof value === 'function' && /^class\b/.test(String(value));

/** Why a network's file may not be run: a data file names it, and that was not allowed. */
function refusedNetwork(
  tree: DictNode,
  { place, file, allowScripts }: { place: Path; file: () => string } & Pick<LoadConfigOptions, 'allowScripts'>,
): RetortError | undefined {
  const { file: from } = originOf(tree, place);
  if (!isDataFile(from) || from.startsWith('--cfg-options')) return undefined;
  if (allowScripts === true || (Array.isArray(allowScripts) && isAllowed(file(), allowScripts))) return undefined;
  return refuseScript('this is a script');
}

/** An option that leads to a file, made absolute. */
interface AbsolutePath {
  place: Path;
  node: TreeNode & { kind: 'str' };
}

/**
 * The relative paths that schemas say are some, in options of users' entries too, made absolute: they begin in the folder of the file
 * in which they were written, those of data in a Python config and those of the command line in the current folder.
 */
function schemaPaths(
  tree: DictNode,
  { value, tables, own, folder }: { value: unknown; tables: Tables; own: string; folder: string },
): AbsolutePath[] {
  return [...optionsOfConfig(value, tables)].flatMap((option): AbsolutePath[] => {
    const reads = readsOf(option.schema);
    if (reads === undefined || reads === 'function' || reads === 'method') return [];
    const node = nodeAt(tree, option.path);
    if (node?.kind !== 'str' || node.value !== option.value || !isRelative(node.value)) return [];
    const { file } = node.origin;
    const here = file.startsWith('--cfg-options') || (extname(file) === '.py' && reads !== 'checkpoint');
    const from = here ? '.' : file === own ? folder : dirname(file);
    return [{ place: option.path, node: { ...node, value: resolve(from, node.value) } }];
  });
}

/** The tree with a path in its place. */
function withPath(tree: DictNode, { place, node }: AbsolutePath): DictNode {
  let change: TreeNode = node;
  for (const key of place.toReversed()) {
    change = { kind: 'dict', value: new Map([[String(key), change]]), origin: node.origin };
  }
  return mergeTrees(tree, change as DictNode, { listKeys: true });
}

/** The value with a path in its place; what is not on the way there stays the same object. */
function putPath(value: unknown, { place, node }: AbsolutePath): unknown {
  const put = (one: unknown, [key, ...rest]: Path): unknown => {
    if (key === undefined) return node.value;
    if (Array.isArray(one)) return one.map((item, i) => (i === Number(key) ? put(item, rest) : item));
    return isPlain(one) ? { ...one, [key]: put(one[key], rest) } : one;
  };
  return put(value, place);
}

/** The files of `imports`, at the top and in stages, as far as they are any. */
function importsOf({ imports, stages }: Record<string, unknown>): string[] {
  const lists = [
    imports,
    ...(Array.isArray(stages) ? stages.map((stage) => (stage as { imports?: unknown } | null)?.imports) : []),
  ];
  const files = lists.flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []));
  return [...new Set(files.filter((one) => typeof one === 'string'))];
}

/** The scripts that data files name in `imports`, at the top or in a stage: mistakes, unless they are allowed. */
function scriptsOfData(tree: DictNode): (Mistake & { script: string })[] {
  const stages = nodeAt(tree, ['stages']);
  const parts = stages?.kind === 'list' ? stages.value.map((_, i) => ['stages', i]) : [];
  return [[], ...parts].flatMap((part) => {
    const node = nodeAt(tree, [...part, 'imports']);
    if (node?.kind !== 'list' && node?.kind !== 'tuple') return [];
    return node.value.flatMap(({ origin, value }, i) => {
      if (!isDataFile(origin.file) || origin.file.startsWith('--cfg-options')) return [];
      const { message } = refuseScript('imports: this is a script');
      const script = typeof value === 'string' ? value : '';
      return [{ path: [...part, 'imports', i], text: message.replaceAll('\n', '\n    '), script }];
    });
  });
}

/** All mistakes, each with where it was written, as far as that is more than the config's own name. */
function listed(
  { name, own }: Pick<Source, 'name' | 'own'>,
  mistakes: readonly Mistake[],
  tree: DictNode,
): ConfigError {
  const lines: string[] = [];
  const all: ConfigMistake[] = [];
  for (const { path, text } of mistakes) {
    const origin = originOf(tree, path);
    const known = origin.line > 0 || (origin.file !== '' && origin.file !== own);
    const place = showOrigin(origin);
    all.push({ message: text, path: showPath(path), ...placeOf(origin) });
    lines.push(!known || text.includes(place) ? text : text.replace(/\n|$/, (end) => ` (${place})${end}`));
  }
  return new ConfigError(`${name}:\n    ${lines.join('\n    ')}`, all);
}

/** The tree with live values by their names. */
function shown(tree: DictNode): TreeNode {
  const visit = (node: TreeNode): TreeNode => {
    if (node.kind === 'dict')
      return { ...node, value: new Map([...node.value].map(([key, item]) => [key, visit(item)])) };
    if (node.kind === 'list' || node.kind === 'tuple') return { ...node, value: node.value.map(visit) };
    return node.kind === 'str' ? { ...node, value: shownLive(node.value) } : node;
  };
  return visit(tree);
}
