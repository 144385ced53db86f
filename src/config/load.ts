// Loads a config file with everything it builds on, and checks all of it in one pass.
import { resolve } from 'node:path';

import { RetortError } from '../errors.ts';
import type { ConfigOptionsOf, Mistake, Tables } from '../registry/index.ts';
import { inspectConfig } from './experiment.ts';
import type { CheckedStage, Look } from './experiment.ts';
import { LiveValues, shownLive } from './live-values.ts';
import { isAllowed, isDataFile, readTree, refuseScript, requireFile, withOptionPaths } from './read-tree.ts';
import type { PythonReader } from './read-tree.ts';
import { shown as shownPath } from './run-script.ts';
import { applyCfgOptions, nodeAt, originOf, printTree, showOrigin, toPlain } from './tree/index.ts';
import type { DictNode, TreeNode } from './tree/index.ts';
import { loadUserEntries, withEntries } from './user-entries.ts';

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

export interface LoadedConfig {
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

/** @throws {RetortError} when the file is missing, cannot be read, or its content is wrong (all mistakes at once). */
export async function loadConfig(file: string, options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const { cfgOptions = [], readPython, allowScripts, tables, optionsOf, look } = options;
  const path = resolve(file);
  requireFile(path, `config ${file}`);
  const live = new LiveValues();
  const read = await readTree(path, { live, readPython, allowScripts });
  const tree = applyCfgOptions(read, withOptionPaths(cfgOptions));
  const value = live.putBack(toPlain(tree)) as Record<string, unknown>;
  const imports = importsOf(value);
  const refused = scriptsOfData(tree).filter(({ script }) => !isAllowed(script, allowScripts));
  const { own, mistakes: strange } =
    tables === undefined || refused.length > 0
      ? { own: {}, mistakes: tables === undefined ? [] : refused }
      : await loadUserEntries(imports, tables);
  const { mistakes, stages } = inspectConfig(value, { tables: withEntries(tables ?? {}, own), optionsOf }, look);
  // Names that a file adds which cannot be loaded are not known: that they are missing follows from that.
  const wrong = strange.length === 0 ? mistakes : mistakes.filter((one) => one.path.at(-1) !== 'type');
  if (strange.length + wrong.length > 0) throw listed(file, [...strange, ...wrong], tree);
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
      return [
        {
          path: [...part, 'imports', i],
          text: message.replaceAll('\n', '\n    '),
          script: typeof value === 'string' ? value : '',
        },
      ];
    });
  });
}

/** All mistakes, each with where it was written, as far as that is more than the config's own name. */
function listed(file: string, mistakes: readonly Mistake[], tree: DictNode): RetortError {
  const lines = mistakes.map(({ path, text }) => {
    const origin = originOf(tree, path);
    const known = origin.line > 0 || (origin.file !== '' && origin.file !== shownPath(resolve(file)));
    const place = showOrigin(origin);
    if (!known || text.includes(place)) return text;
    return text.replace(/\n|$/, (end) => ` (${place})${end}`);
  });
  return new RetortError(`${file}:\n    ${lines.join('\n    ')}`);
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
