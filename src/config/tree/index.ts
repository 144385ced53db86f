// Configs as trees: values with the place they come from, and laying one config over another.
export { Budget } from './budget.ts';
export { camelKey } from './camel-key.ts';
export { applyCfgOptions } from './cfg-options.ts';
export { fileLimits, maxDepth, maxNodes, measure, tooDeep, tooLarge } from './limits.ts';
export type { Size } from './limits.ts';
export { joinBases, mergeTrees } from './merge.ts';
export type { MergeOptions } from './merge.ts';
export { checkKey, ConfigError, dictNode, errorAt, kindName, placeOf, showOrigin } from './node.ts';
export type { ConfigMistake, DictNode, ListNode, Origin, ScalarNode, TreeKind, TreeNode, TupleNode } from './node.ts';
export { parseOptionValue } from './option-value.ts';
export { nodeAt, originOf, showPath } from './path.ts';
export type { TreePath } from './path.ts';
export { printTree } from './print-tree.ts';
export type { PrintTreeOptions } from './print-tree.ts';
export { toPlain } from './to-plain.ts';
export type { PlainValue } from './to-plain.ts';
export { treeOf } from './tree-of.ts';
