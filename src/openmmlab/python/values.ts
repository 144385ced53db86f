// Values while a config is evaluated. They are tree nodes whose containers can be changed and shared, because Python's can:
// after `student = _base_.model`, `student.depth = 18` changes the base's model too.
import { measure } from '../../config/tree/index.ts';
import type { DictNode, Origin, ScalarNode, TreeNode } from '../../config/tree/index.ts';
import type { Budget } from '../../config/tree/budget.ts';

export type SequenceValue = { readonly kind: 'list' | 'tuple'; readonly value: Value[]; readonly origin: Origin };
export type DictValue = { readonly kind: 'dict'; readonly value: Map<string, Value>; readonly origin: Origin };
export type Value = ScalarNode | SequenceValue | DictValue;

/** An own, changeable copy of a tree; nothing is shared in it. */
export function thaw(tree: DictNode, budget: Budget): DictValue {
  budget.spend(measure(tree).nodes, tree.origin);
  return copy(tree) as DictValue;
}

/** The tree of a value, as it is now. @throws {RetortError} for a container that holds itself, and for more than 100,000 values. */
export function freeze(root: DictValue, budget: Budget): DictNode {
  budget.spend(measure(root).nodes, root.origin);
  const known = new Map<Value, TreeNode>();
  const visit = (value: Value): TreeNode => {
    if (value.kind !== 'dict' && value.kind !== 'list' && value.kind !== 'tuple') return value;
    const before = known.get(value);
    if (before !== undefined) return before;
    const node: TreeNode =
      value.kind === 'dict'
        ? { ...value, value: new Map(Array.from(value.value, ([key, item]) => [key, visit(item)])) }
        : { ...value, value: value.value.map(visit) };
    known.set(value, node);
    return node;
  };
  return visit(root) as DictNode;
}

function copy(node: TreeNode): Value {
  if (node.kind === 'list' || node.kind === 'tuple') return { ...node, value: node.value.map(copy) };
  if (node.kind !== 'dict') return node;
  return { ...node, value: new Map(Array.from(node.value, ([key, value]) => [key, copy(value)])) };
}
