// The networks that configs can name, and the parts they are made of.
import { z } from 'zod';

import { Module } from '../nn/index.ts';
import type { LossModel } from '../nn/index.ts';
import { entry, Registry } from '../registry/index.ts';
import type { TypedConfig } from '../registry/index.ts';
import { ResNet, ResNetCifar } from './backbones/index.ts';
import { ImageClassifier } from './classifiers/index.ts';
import type { Backbone, Head, Neck } from './classifiers/index.ts';
import { LinearClsHead } from './heads/index.ts';
import { GlobalAveragePooling } from './necks/index.ts';

const count = z.number().int().positive();
const counts = z.array(z.number().int());
const part = z.looseObject({ type: z.string() });

const resnet = z.strictObject({
  depth: count,
  stageBlocks: counts.exactOptional(),
  inChannels: count.exactOptional(),
  stemChannels: count.exactOptional(),
  baseChannels: count.exactOptional(),
  numStages: count.exactOptional(),
  strides: counts.exactOptional(),
  outIndices: counts.exactOptional(),
  style: z.enum(['pytorch', 'caffe']).exactOptional(),
  zeroInitResidual: z.boolean().exactOptional(),
  normEval: z.boolean().exactOptional(),
});
const resnetPaper = 'He, Zhang, Ren, Sun 2016, arXiv 1512.03385';

export const backbones = new Registry<Backbone>('backbone', {
  ResNet: entry(resnet, (options) => new ResNet(options), { summary: 'Residual network.', paper: resnetPaper }),
  ResNet_CIFAR: entry(resnet, (options) => new ResNetCifar(options), {
    summary: 'Residual network for small images: 3x3 stem, no pooling.',
    paper: resnetPaper,
  }),
});

export const necks = new Registry<Neck>('neck', {
  GlobalAveragePooling: entry(z.strictObject({}), () => new GlobalAveragePooling(), {
    summary: 'Mean over all places.',
  }),
});

export const heads = new Registry<Head>('head', {
  LinearClsHead: entry(
    z.strictObject({
      numClasses: count,
      inChannels: count,
      loss: z
        .strictObject({
          type: z.literal('CrossEntropyLoss').exactOptional(),
          lossWeight: z.number().exactOptional(),
          labelSmoothing: z.number().min(0).max(1).exactOptional(),
        })
        .exactOptional(),
    }),
    ({ loss: { type: _type, ...loss } = {}, ...options }) => new LinearClsHead({ ...options, loss }),
    { summary: 'Linear classifier with cross entropy.' },
  ),
});

export const models = new Registry<LossModel>('model', {
  ImageClassifier: entry(
    z.strictObject({ backbone: part, neck: part.exactOptional(), head: part }),
    ({ backbone, neck, head }) =>
      new ImageClassifier({
        backbone: backbones.build(backbone),
        ...(neck === undefined ? {} : { neck: necks.build(neck) }),
        head: heads.build(head),
      }),
    { summary: 'Backbone, neck and head from images to classes.' },
  ),
});

/**
 * A network from `{ type: 'ImageClassifier', backbone, neck, head }`; a module is taken as it is.
 * @throws {RetortError} for unknown types (with the nearest names) and wrong options (all at once).
 */
export function buildModel(config: TypedConfig | LossModel, where?: string): LossModel {
  return config instanceof Module ? config : models.build(config, where);
}
