// Heads: features to scores and losses.
export { ClsHead } from './cls-head.ts';
export type { ClsHeadOptions } from './cls-head.ts';
export { DeiTClsHead } from './deit-cls-head.ts';
export type { DeiTClsHeadOptions } from './deit-cls-head.ts';
export { LinearClsHead } from './linear-cls-head.ts';
export type { LinearClsHeadOptions } from './linear-cls-head.ts';
export * from './losses/index.ts';
export { StackedLinearClsHead } from './stacked-linear-cls-head.ts';
export type { StackedLinearClsHeadOptions } from './stacked-linear-cls-head.ts';
export { VisionTransformerClsHead } from './vision-transformer-cls-head.ts';
export type { VisionTransformerClsHeadOptions } from './vision-transformer-cls-head.ts';
