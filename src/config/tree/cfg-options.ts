// `--cfg-options a.b.c=value`: single values of a config, changed from the command line.
import { maxDepth, tooDeep } from './limits.ts';
import { mergeTrees } from './merge.ts';
import { checkKey, errorAt } from './node.ts';
import type { DictNode, Origin, TreeNode } from './node.ts';
import { parseOptionValue } from './option-value.ts';

/**
 * The tree with options over it, each `key.key=value`; of two for one key the later counts. A key of digits is the index of a
 * list item. Values are written as `parseOptionValue` says.
 *
 * `applyCfgOptions(tree, ['optimizer.lr=0.1', 'model.backbone.out_indices=(0, 1)', 'pipeline.0.type=Load'])`
 * @throws {RetortError} for an option without a key or `=`, a value that cannot be read, a list item that is not there.
 */
export function applyCfgOptions(tree: DictNode, options: readonly string[]): DictNode {
  const changes = new Map<string, TreeNode>();
  const origin = { file: '--cfg-options', line: 0, column: 0 };
  for (const option of options) set(changes, option);
  return mergeTrees(tree, { kind: 'dict', value: changes, origin }, { listKeys: true });
}

function set(changes: Map<string, TreeNode>, option: string): void {
  const shown = option.length > 80 ? `${option.slice(0, 77)}...` : option;
  const origin: Origin = { file: `--cfg-options ${shown}`, line: 0, column: 0 };
  const equals = option.indexOf('=');
  const keys = option.slice(0, Math.max(equals, 0)).trim().split('.');
  if (equals < 0 || keys.includes('')) {
    throw errorAt(origin, 'expected key=value or key.key=value', 'put quotes around an option that holds spaces');
  }
  if (keys.length > maxDepth) throw tooDeep(origin);
  for (const key of keys) checkKey(key, origin);
  let target = changes;
  for (const key of keys.slice(0, -1)) {
    let inner = target.get(key);
    if (inner === undefined) {
      inner = { kind: 'dict', value: new Map(), origin };
      target.set(key, inner);
    }
    if (inner.kind !== 'dict') throw errorAt(origin, `"${key}" has been given a value (${inner.origin.file})`);
    target = inner.value as Map<string, TreeNode>;
  }
  target.set(keys.at(-1)!, parseOptionValue(option.slice(equals + 1), origin));
}
