// How a classifier is built from the configs of its parts.
import { z } from 'zod';

import type { Module } from '../../nn/index.ts';
import { entry, pathTo, typedOf } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { randomBatchAugmentOptions } from '../augments/random-batch-augment.ts';
import type { Backbone, Head, Neck } from '../parts.ts';
import { initCfg } from '../schema.ts';
import { clsDataPreprocessorOptions } from './cls-data-preprocessor.ts';
import { ImageClassifier } from './image-classifier.ts';

/** Builds parts from their configs; those built already are taken as they are. */
export interface PartBuilders {
  backbone(config: TypedConfig | Backbone): Backbone;
  neck(config: TypedConfig | Neck): Neck;
  head(config: TypedConfig | Head): Head;
}

const part = <M extends Module>(kind: string) =>
  typedOf<TypedConfig | M>(kind, { expected: 'expected { type, ...options }, or one that is built' });

const schema = z.strictObject({
  backbone: part<Backbone>('backbone').describe('From images to features.'),
  neck: part<Neck>('neck').nullable().exactOptional().describe('Between both. Default null: none.'),
  head: part<Head>('head').describe('From features to classes, with the loss on labels.'),
  pretrained: pathTo('checkpoint').nullable().exactOptional().describe('Weights of the whole network to begin with.'),
  trainCfg: randomBatchAugmentOptions.partial().nullable().exactOptional(),
  dataPreprocessor: clsDataPreprocessorOptions.nullable().exactOptional(),
  initCfg: initCfg.exactOptional(),
});

export const imageClassifierEntry = (build: PartBuilders) =>
  entry(
    schema,
    ({ backbone, neck, head, ...options }) =>
      new ImageClassifier({
        ...options,
        backbone: build.backbone(backbone),
        neck: neck === null || neck === undefined ? null : build.neck(neck),
        head: build.head(head),
      }),
    { summary: 'Backbone, neck and head from images to classes.' },
  );
