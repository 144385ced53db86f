// The layers that configs can name: `{ type: 'Conv2d', inChannels: 3, outChannels: 8, kernelSize: 3 }`.
import { z } from 'zod';

import { entry, Registry } from '../../registry/index.ts';
import type { ConfigsOf, TableOf, TypedConfig } from '../../registry/index.ts';
import { Identity } from '../containers.ts';
import type { Layer } from '../module.ts';
import {
  elu,
  gelu,
  hardsigmoid,
  hardswish,
  leakyRelu,
  relu,
  relu6,
  sigmoid,
  silu,
  softplus,
  tanh,
} from './activations.ts';
import { adaptiveAvgPool2d, adaptiveMaxPool2d } from './adaptive-pooling.ts';
import { batchNorm1d, batchNorm2d } from './batch-norm.ts';
import { convTranspose2d } from './conv-transpose2d.ts';
import { conv2d } from './conv2d.ts';
import { dropPath } from './drop-path.ts';
import { dropout, dropout2d } from './dropout.ts';
import { embedding } from './embedding.ts';
import { flatten } from './flatten.ts';
import { groupNorm } from './group-norm.ts';
import { instanceNorm2d } from './instance-norm.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import { avgPool2d, maxPool2d } from './pooling.ts';
import { prelu } from './prelu.ts';
import { logSoftmax, softmax } from './softmax.ts';
import { upsample } from './upsample.ts';

const identity = entry(z.strictObject({}) as z.ZodType<object>, (): Layer => new Identity(), {
  summary: 'What comes in, as it is.',
});

const table = {
  AdaptiveAvgPool2d: adaptiveAvgPool2d,
  AdaptiveMaxPool2d: adaptiveMaxPool2d,
  AvgPool2d: avgPool2d,
  BatchNorm1d: batchNorm1d,
  BatchNorm2d: batchNorm2d,
  Conv2d: conv2d,
  ConvTranspose2d: convTranspose2d,
  DropPath: dropPath,
  Dropout: dropout,
  Dropout2d: dropout2d,
  ELU: elu,
  Embedding: embedding,
  Flatten: flatten,
  GELU: gelu,
  GroupNorm: groupNorm,
  Hardsigmoid: hardsigmoid,
  Hardswish: hardswish,
  Identity: identity,
  InstanceNorm2d: instanceNorm2d,
  LayerNorm: layerNorm,
  LeakyReLU: leakyRelu,
  Linear: linear,
  LogSoftmax: logSoftmax,
  MaxPool2d: maxPool2d,
  PReLU: prelu,
  ReLU: relu,
  ReLU6: relu6,
  SiLU: silu,
  Sigmoid: sigmoid,
  Softmax: softmax,
  Softplus: softplus,
  Tanh: tanh,
  Upsample: upsample,
};

/** The layers of this library, by the names of their classes. */
export const layers = new Registry<Layer, typeof table>('layer', table);

/** The name of a layer's class and, beside it, its arguments, positional ones by their names. */
export type LayerConfig = ConfigsOf<TableOf<typeof layers, 'layer'>>;

/** Names of layers that {@link buildLayer} knows. */
export function layerNames(): string[] {
  return layers.names();
}

/**
 * Builds a layer: `buildLayer({ type: 'Linear', inFeatures: 4, outFeatures: 2, bias: false })` is `new Linear(4, 2, { bias: false })`.
 * @throws {RetortError} for an unknown type, with the nearest name, and wrong options, all of them at once.
 */
export function buildLayer(config: TypedConfig): Layer {
  return layers.build(config);
}
