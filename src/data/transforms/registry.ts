// The transforms that configs can name.
import { z } from 'zod';

import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { Normalize } from './normalize.ts';
import { RandomCrop } from './random-crop.ts';
import { RandomHorizontalFlip } from './random-horizontal-flip.ts';
import type { Transform } from './transform.ts';

const channels = z.array(z.number());

export const transforms = new Registry<Transform>('transform', {
  Normalize: entry(z.strictObject({ mean: channels, std: channels }), (options) => new Normalize(options), {
    summary: '(x / 255 - mean) / std per channel.',
  }),
  RandomCrop: entry(z.strictObject({ padding: z.number() }), (options) => new RandomCrop(options), {
    summary: 'Pad with black, cut out at a random place.',
  }),
  RandomHorizontalFlip: entry(
    z.strictObject({ p: z.number().exactOptional() }),
    (options) => new RandomHorizontalFlip(options),
    { summary: 'Mirror with a chance.' },
  ),
});

export function buildTransform(config: TypedConfig, where?: string): Transform {
  return transforms.build(config, where);
}
