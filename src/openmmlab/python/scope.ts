// `_scope_`: which package's classes a dict of a `pkg::` base names.
import type { DictNode, TreeNode } from '../../config/tree/index.ts';

/**
 * The same tree with `_scope_` set to `scope` in each outermost dict that has a `type`, unless it says a scope itself. Dicts
 * within those inherit it when they are built.
 */
export function withScope(tree: DictNode, scope: string): DictNode {
  return visit(tree, scope) as DictNode;
}

function visit(node: TreeNode, scope: string): TreeNode {
  if (node.kind === 'list' || node.kind === 'tuple')
    return { ...node, value: node.value.map((item) => visit(item, scope)) };
  if (node.kind !== 'dict') return node;
  if (!node.value.has('type')) {
    return { ...node, value: new Map(Array.from(node.value, ([key, value]) => [key, visit(value, scope)])) };
  }
  const said = node.value.get('_scope_');
  if (said !== undefined && said.kind !== 'none') return node;
  return { ...node, value: new Map(node.value).set('_scope_', { kind: 'str', value: scope, origin: node.origin }) };
}
