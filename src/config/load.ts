// Loads a config, of a file or of an object, with everything it builds on, and checks all of it in one pass.
import { dirname, extname, resolve } from 'node:path';

import { readsOf } from '../registry/index.ts';
import type { ConfigOptionsOf, Mistake, Tables } from '../registry/index.ts';
import { inspectConfig, optionsOfConfig } from './experiment.ts';
import type { CheckedStage, Look } from './experiment.ts';
import { LiveValues, shownLive } from './live-values.ts';
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
   * Whether data files may name scripts, in `base` and `imports`; a list: these ones. Default false: JSON, YAML and Python configs run
   * nothing.
   */
  allowScripts?: boolean | readonly string[] | undefined;
  /**
   * What a config may name, by kind. Default: `type` and the options beside it are not checked, and files of `imports` are not
   * looked at.
   */
  tables?: Tables | undefined;
  optionsOf?: ConfigOptionsOf | undefined;
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
  return checked({ name: file, own: shownPath(path), path, folder: dirname(path) }, { tree, live }, options);
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
  return checked({ name, own: name, path: '', folder: resolve(folder) }, { tree, live }, options);
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

async function checked(
  { name, own: ownName, path, folder }: Source,
  { tree: read, live }: { tree: DictNode; live: LiveValues },
  { cfgOptions = [], allowScripts, tables, optionsOf, look }: LoadConfigOptions,
): Promise<LoadedConfig> {
  const merged = applyCfgOptions(read, withOptionPaths(cfgOptions));
  const written = live.putBack(toPlain(merged)) as Record<string, unknown>;
  const imports = importsOf(written);
  const refused = scriptsOfData(merged).filter(({ script }) => !isAllowed(script, allowScripts));
  const { own, mistakes: strange } =
    tables === undefined || refused.length > 0
      ? { own: {}, mistakes: tables === undefined ? [] : refused }
      : await loadUserEntries(imports, tables);
  const known = withEntries(tables ?? {}, own);
  const tree =
    tables === undefined ? merged : withSchemaPaths(merged, { value: written, tables: known, own: ownName, folder });
  const value = tree === merged ? written : (live.putBack(toPlain(tree)) as Record<string, unknown>);
  const { mistakes, stages } = inspectConfig(value, { tables: known, optionsOf }, look);
  // Names that a file adds which cannot be loaded are not known: that they are missing follows from that.
  const wrong = strange.length === 0 ? mistakes : mistakes.filter((one) => one.path.at(-1) !== 'type');
  if (strange.length + wrong.length > 0) throw listed({ name, own: ownName }, [...strange, ...wrong], tree);
  return {
    path,
    stages,
    value,
    imports,
    own,
    print: (how) => printTree(shown(tree), how),
    data: live.size === 0 ? value : undefined,
  };
}

/**
 * The tree with the relative paths made absolute that schemas say are some, in options of users' entries too: they begin in the folder
 * of the file in which they were written, those of data in a Python config and those of the command line in the current folder.
 */
function withSchemaPaths(
  tree: DictNode,
  { value, tables, own, folder }: { value: unknown; tables: Tables; own: string; folder: string },
): DictNode {
  let changed = tree;
  for (const option of optionsOfConfig(value, tables)) {
    const reads = readsOf(option.schema);
    if (reads !== 'checkpoint' && reads !== 'folder' && reads !== 'file') continue;
    const node = nodeAt(tree, option.path);
    if (node?.kind !== 'str' || node.value !== option.value || !isRelative(node.value)) continue;
    const { file } = node.origin;
    const here = file.startsWith('--cfg-options') || (extname(file) === '.py' && reads !== 'checkpoint');
    const from = here ? '.' : file === own ? folder : dirname(file);
    const absolute = { ...node, value: resolve(from, node.value) };
    let change: TreeNode = absolute;
    for (const key of option.path.toReversed()) {
      change = { kind: 'dict', value: new Map([[String(key), change]]), origin: node.origin };
    }
    changed = mergeTrees(changed, change as DictNode, { listKeys: true });
  }
  return changed;
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
