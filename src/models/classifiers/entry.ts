// How a classifier is built from the configs of its parts.
import { z } from 'zod';

import { Module } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
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

const part = <M extends Module>() =>
  z.custom<TypedConfig | M>(
    (value) => value instanceof Module || (typeof value === 'object' && value !== null),
    'expected { type, ...options }, or one that is built',
  );

const schema = z.strictObject({
  backbone: part<Backbone>(),
  neck: part<Neck>().nullable().exactOptional(),
  head: part<Head>(),
  pretrained: z.string().nullable().exactOptional(),
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
