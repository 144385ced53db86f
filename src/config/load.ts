// Loads a config file with everything it builds on, and checks it.
import { resolve } from 'node:path';

import { checkConfig } from './experiment.ts';
import type { CheckedStage } from './experiment.ts';
import { LiveValues, shownLive } from './live-values.ts';
import { readTree, requireFile, withOptionPaths } from './read-tree.ts';
import type { PythonReader } from './read-tree.ts';
import { applyCfgOptions, printTree, toPlain } from './tree/index.ts';
import type { DictNode, TreeNode } from './tree/index.ts';

export interface LoadConfigOptions {
  /** Values in place of the file's, each `key.key=value`; paths in them begin in the current folder. */
  cfgOptions?: readonly string[] | undefined;
  /** Reads Python configs; without it they are refused. */
  readPython?: PythonReader | undefined;
}

export interface LoadedConfig {
  path: string;
  /** What is trained, one after the other; without stages one of the name `''`. */
  stages: readonly CheckedStage[];
  /** The merged config, as an object. */
  value: Readonly<Record<string, unknown>>;
  /** Files that add entries to registries. */
  imports: readonly string[];
  /** The merged config as text, each value with the file it comes from. */
  print(options?: { origins?: boolean }): string;
  /** The merged config as JSON can hold it; undefined where it holds classes, functions or modules. */
  data: Readonly<Record<string, unknown>> | undefined;
}

/** @throws {RetortError} when the file is missing, cannot be read, or its content is wrong (all mistakes at once). */
export async function loadConfig(file: string, options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const path = resolve(file);
  requireFile(path, `config ${file}`);
  const live = new LiveValues();
  const read = await readTree(path, { live, readPython: options.readPython });
  const tree = applyCfgOptions(read, withOptionPaths(options.cfgOptions ?? []));
  const plain = toPlain(tree);
  const value = live.putBack(plain) as Record<string, unknown>;
  const stages = checkConfig(value, file);
  return {
    path,
    stages,
    value,
    imports: stages.flatMap(({ config }) => config.imports ?? []).filter((one, i, all) => all.indexOf(one) === i),
    print: (how) => printTree(shown(tree), how),
    data: live.size === 0 ? value : undefined,
  };
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
