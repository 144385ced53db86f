// Heads: features to scores and losses.
export { CrossEntropyLoss } from './cross-entropy-loss.ts';
export type { CrossEntropyLossOptions } from './cross-entropy-loss.ts';
export { LinearClsHead } from './linear-cls-head.ts';
export type { LinearClsHeadOptions } from './linear-cls-head.ts';
