// A layer by its name, from a plain config: `{ type: 'Conv2d', inChannels: 3, outChannels: 8, kernelSize: 3 }`.
import { didYouMean, RetortError } from '../../errors.ts';
import { Identity } from '../containers.ts';
import type { Layer } from '../module.ts';
import {
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
import type { ELUOptions, GELUOptions, InplaceOptions, LeakyReLUOptions, SoftplusOptions } from './activations.ts';
import { AdaptiveAvgPool2d, AdaptiveMaxPool2d } from './adaptive-pooling.ts';
import { BatchNorm1d, BatchNorm2d } from './batch-norm.ts';
import type { BatchNormOptions } from './batch-norm.ts';
import { ConvTranspose2d } from './conv-transpose2d.ts';
import type { ConvTranspose2dOptions } from './conv-transpose2d.ts';
import { Conv2d } from './conv2d.ts';
import type { Conv2dOptions } from './conv2d.ts';
import { Dropout, Dropout2d } from './dropout.ts';
import type { DropoutOptions } from './dropout.ts';
import { Embedding } from './embedding.ts';
import type { EmbeddingOptions } from './embedding.ts';
import { Flatten } from './flatten.ts';
import type { FlattenOptions } from './flatten.ts';
import { GroupNorm } from './group-norm.ts';
import type { GroupNormOptions } from './group-norm.ts';
import { LayerNorm } from './layer-norm.ts';
import type { LayerNormOptions } from './layer-norm.ts';
import { Linear } from './linear.ts';
import type { LinearOptions } from './linear.ts';
import { AvgPool2d, MaxPool2d } from './pooling.ts';
import type { AvgPool2dOptions, MaxPool2dOptions } from './pooling.ts';
import { PReLU } from './prelu.ts';
import type { PReLUOptions } from './prelu.ts';
import { LogSoftmax, Softmax } from './softmax.ts';
import type { SoftmaxOptions } from './softmax.ts';
import { Upsample } from './upsample.ts';
import type { UpsampleOptions } from './upsample.ts';

/** The name of a layer's class and, beside it, its arguments, positional ones by their names. */
export interface LayerConfig {
  readonly type: string;
  readonly [option: string]: unknown;
}

interface Recipe {
  make: new (...args: never[]) => Layer;
  /** The positional arguments, in order. */
  sizes: readonly string[];
  options: readonly string[];
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- given by the caller: checks the options' names
function recipe<Options = never>(
  make: Recipe['make'],
  sizes: readonly string[] = [],
  options: readonly (keyof Options & string)[] = [],
): Recipe {
  return { make, sizes, options };
}

const inplace = ['inplace'] as const;
const pool = ['stride', 'padding', 'ceilMode'] as const;
const norm = ['eps', 'momentum', 'affine', 'trackRunningStats'] as const;
const conv = ['kernelSize', 'stride', 'padding', 'dilation', 'groups', 'bias'] as const;

const recipes: Readonly<Record<string, Recipe>> = {
  AdaptiveAvgPool2d: recipe(AdaptiveAvgPool2d, ['outputSize']),
  AdaptiveMaxPool2d: recipe(AdaptiveMaxPool2d, ['outputSize']),
  AvgPool2d: recipe<AvgPool2dOptions>(AvgPool2d, ['kernelSize'], [...pool, 'countIncludePad', 'divisorOverride']),
  BatchNorm1d: recipe<BatchNormOptions>(BatchNorm1d, ['numFeatures'], norm),
  BatchNorm2d: recipe<BatchNormOptions>(BatchNorm2d, ['numFeatures'], norm),
  Conv2d: recipe<Conv2dOptions>(Conv2d, ['inChannels', 'outChannels'], [...conv, 'paddingMode']),
  ConvTranspose2d: recipe<ConvTranspose2dOptions>(
    ConvTranspose2d,
    ['inChannels', 'outChannels'],
    [...conv, 'outputPadding'],
  ),
  Dropout: recipe<DropoutOptions>(Dropout, [], ['p', 'inplace']),
  Dropout2d: recipe<DropoutOptions>(Dropout2d, [], ['p', 'inplace']),
  ELU: recipe<ELUOptions>(ELU, [], ['alpha', 'inplace']),
  Embedding: recipe<EmbeddingOptions>(Embedding, ['numEmbeddings', 'embeddingDim'], ['paddingIdx', 'scaleGradByFreq']),
  Flatten: recipe<FlattenOptions>(Flatten, [], ['startDim', 'endDim']),
  GELU: recipe<GELUOptions>(GELU, [], ['approximate']),
  GroupNorm: recipe<GroupNormOptions>(GroupNorm, ['numGroups', 'numChannels'], ['eps', 'affine']),
  Hardsigmoid: recipe<InplaceOptions>(Hardsigmoid, [], inplace),
  Hardswish: recipe<InplaceOptions>(Hardswish, [], inplace),
  Identity: recipe(Identity),
  LayerNorm: recipe<LayerNormOptions>(LayerNorm, ['normalizedShape'], ['eps', 'elementwiseAffine']),
  LeakyReLU: recipe<LeakyReLUOptions>(LeakyReLU, [], ['negativeSlope', 'inplace']),
  Linear: recipe<LinearOptions>(Linear, ['inFeatures', 'outFeatures'], ['bias']),
  LogSoftmax: recipe<SoftmaxOptions>(LogSoftmax, [], ['dim']),
  MaxPool2d: recipe<MaxPool2dOptions>(MaxPool2d, ['kernelSize'], [...pool, 'dilation']),
  PReLU: recipe<PReLUOptions>(PReLU, [], ['numParameters', 'init']),
  ReLU: recipe<InplaceOptions>(ReLU, [], inplace),
  ReLU6: recipe<InplaceOptions>(ReLU6, [], inplace),
  SiLU: recipe<InplaceOptions>(SiLU, [], inplace),
  Sigmoid: recipe(Sigmoid),
  Softmax: recipe<SoftmaxOptions>(Softmax, [], ['dim']),
  Softplus: recipe<SoftplusOptions>(Softplus, [], ['beta', 'threshold']),
  Tanh: recipe(Tanh),
  Upsample: recipe<UpsampleOptions>(
    Upsample,
    [],
    ['size', 'scaleFactor', 'mode', 'alignCorners', 'recomputeScaleFactor'],
  ),
};

/** What {@link buildLayer} knows. */
export function layerNames(): string[] {
  return Object.keys(recipes);
}

/**
 * Builds a layer: `buildLayer({ type: 'Linear', inFeatures: 4, outFeatures: 2, bias: false })` is `new Linear(4, 2, { bias: false })`.
 * @throws {RetortError} for an unknown type or option, with the nearest name, and for what the layer itself refuses.
 */
export function buildLayer({ type, ...config }: LayerConfig): Layer {
  const found = Object.hasOwn(recipes, type) ? recipes[type] : undefined;
  if (found === undefined) {
    throw new RetortError(`buildLayer: "${String(type)}" is no layer; ${didYouMean(String(type), layerNames())}`);
  }
  const { make, sizes, options } = found;
  const known = [...sizes, ...options];
  for (const key of Object.keys(config)) {
    if (!known.includes(key)) throw new RetortError(`${type}: "${key}" is no option; ${didYouMean(key, known)}`);
  }
  const rest = Object.fromEntries(Object.entries(config).filter(([key]) => !sizes.includes(key)));
  return new make(...([...sizes.map((name) => config[name]), rest] as never[]));
}
