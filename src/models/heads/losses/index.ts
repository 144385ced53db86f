// Losses of heads.
export { HeadCrossEntropyLoss } from './cross-entropy-loss.ts';
export type { HeadCrossEntropyLossOptions } from './cross-entropy-loss.ts';
export { LabelSmoothLoss } from './label-smooth-loss.ts';
export type { LabelSmoothLossOptions } from './label-smooth-loss.ts';
export type { HeadLoss, HeadLossCall, Reduction } from './reduce.ts';
export { buildHeadLoss, headLosses } from './registry.ts';
export type { HeadLossOption } from './registry.ts';
