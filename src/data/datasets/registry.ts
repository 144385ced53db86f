// The data sets that configs can name.
import { z } from 'zod';

import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import type { Dataset } from '../dataset.ts';
import { FashionMnist } from './fashion-mnist.ts';
import { SyntheticImages } from './synthetic.ts';

const count = z.number().int().positive();

export const datasets = new Registry<Dataset>('data set', {
  FashionMnist: entry(
    z.strictObject({
      split: z.enum(['train', 'test']),
      root: z.string().exactOptional(),
      limit: count.exactOptional(),
    }),
    (options) => new FashionMnist(options),
    {
      summary: '70,000 grey images of clothing, 28x28, ten classes.',
      paper: 'Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747',
    },
  ),
  SyntheticImages: entry(
    z.strictObject({
      samples: count.exactOptional(),
      numClasses: count.exactOptional(),
      shape: z.tuple([count, count, count]).exactOptional(),
      noise: z.number().nonnegative().exactOptional(),
      seed: z.number().int().exactOptional(),
    }),
    (options) => new SyntheticImages(options),
    { summary: 'Made-up patterns with noise, for tests.' },
  ),
});

export function buildDataset(config: TypedConfig, where?: string): Dataset {
  return datasets.build(config, where);
}
