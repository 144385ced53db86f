// Layers.
export {
  ELU,
  GELU,
  Hardsigmoid,
  Hardswish,
  LeakyReLU,
  ReLU,
  ReLU6,
  Sigmoid,
  SiLU,
  Softplus,
  Tanh,
} from './activations.ts';
export type { ELUOptions, GELUOptions, InplaceOptions, LeakyReLUOptions, SoftplusOptions } from './activations.ts';
export { AdaptiveAvgPool2d, AdaptiveMaxPool2d } from './adaptive-pooling.ts';
export type { OutputSize } from './adaptive-pooling.ts';
export type { Pair } from '../arguments.ts';
export { BatchNorm, BatchNorm1d, BatchNorm2d } from './batch-norm.ts';
export type { BatchNormOptions } from './batch-norm.ts';
export { buildLayer, layerNames, layers } from './registry.ts';
export type { LayerConfig } from './registry.ts';
export { ConvTranspose2d } from './conv-transpose2d.ts';
export type { ConvTranspose2dOptions } from './conv-transpose2d.ts';
export { Conv2d } from './conv2d.ts';
export { Conv2dAdaptivePadding } from './conv2d-adaptive-padding.ts';
export type { Conv2dAdaptivePaddingOptions } from './conv2d-adaptive-padding.ts';
export type { Conv2dOptions, PaddingMode } from './conv2d.ts';
export { DropPath } from './drop-path.ts';
export type { DropPathOptions } from './drop-path.ts';
export { Dropout, Dropout2d } from './dropout.ts';
export type { DropoutOptions } from './dropout.ts';
export { Embedding } from './embedding.ts';
export type { EmbeddingOptions } from './embedding.ts';
export { Flatten } from './flatten.ts';
export type { FlattenOptions } from './flatten.ts';
export { GroupNorm } from './group-norm.ts';
export type { GroupNormOptions } from './group-norm.ts';
export { InstanceNorm2d } from './instance-norm.ts';
export type { InstanceNormOptions } from './instance-norm.ts';
export { LayerNorm, LayerNorm2d } from './layer-norm.ts';
export type { LayerNormOptions } from './layer-norm.ts';
export { Linear } from './linear.ts';
export type { LinearOptions } from './linear.ts';
export { AvgPool2d, MaxPool2d } from './pooling.ts';
export type { AvgPool2dOptions, MaxPool2dOptions } from './pooling.ts';
export { PReLU } from './prelu.ts';
export type { PReLUOptions } from './prelu.ts';
export { LogSoftmax, Softmax } from './softmax.ts';
export type { SoftmaxOptions } from './softmax.ts';
export { Upsample } from './upsample.ts';
export type { UpsampleOptions } from './upsample.ts';
