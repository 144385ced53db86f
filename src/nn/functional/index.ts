// Functions without state: tensors by position, all else in options.
export { plainAttention, scaledDotProductAttention } from './attention.ts';
export type { AttentionOptions } from './attention.ts';
export {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  expectationTerms,
  klDiv,
  klTerms,
  nllLoss,
} from './classification.ts';
export type { BinaryCrossEntropyOptions, CrossEntropyOptions, KLDivOptions, NLLLossOptions } from './classification.ts';
export { cosineSimilarity, dropout, logSoftmax, normalize, relu, softmax, softplus } from './elementwise.ts';
export type { CosineSimilarityOptions, FunctionalDropoutOptions, NormalizeOptions } from './elementwise.ts';
export { interpolate, interpolateSchema, resizeSchema } from './interpolate.ts';
export type { InterpolateOptions, InterpolationMode, ResizeOptions } from './interpolate.ts';
export { reduced } from './reduction.ts';
export type { Reduction, ReductionOptions } from './reduction.ts';
export { l1Loss, mseLoss, smoothL1Loss } from './regression.ts';
export type { SmoothL1LossOptions } from './regression.ts';
export { oneHot, pad } from './reshaping.ts';
export type { OneHotOptions, PadOptions } from './reshaping.ts';
