// ResNet with three 3x3 convolutions as its stem (C), and also with average pooling on the ways around (D).
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import { count } from '../schema.ts';
import { ResNet } from './resnet.ts';
import { resnetShape } from './resnet-options.ts';
import type { ResNetOptions } from './resnet-options.ts';

const schema = z.strictObject({ depth: count, ...resnetShape }).omit({ avgDown: true });
const paper = 'He, Zhang, Zhang et al. 2018, arXiv 1812.01187';

/**
 * He, Zhang, Zhang et al.: Bag of Tricks for Image Classification, 2018, arXiv 1812.01187: a {@link ResNet} with `deepStem`.
 *
 * @example
 * ```ts
 * const backbone = new ResNetV1c({ depth: 18 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 512, 2, 2)
 * ```
 */
export class ResNetV1c extends ResNet {
  static override readonly schema = schema;

  constructor(options: Omit<ResNetOptions, 'deepStem' | 'avgDown'>) {
    checkOptions(schema, options, new.target.name);
    super({ ...options, deepStem: true });
  }
}

/**
 * The same with `avgDown`.
 *
 * @example
 * ```ts
 * const backbone = new ResNetV1d({ depth: 18 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 512, 2, 2)
 * ```
 */
export class ResNetV1d extends ResNet {
  static override readonly schema = schema;

  constructor(options: Omit<ResNetOptions, 'deepStem' | 'avgDown'>) {
    checkOptions(schema, options, new.target.name);
    super({ ...options, deepStem: true, avgDown: true });
  }
}

export const resnetV1cEntry = entry(ResNetV1c, {
  summary: 'ResNet with three 3x3 convolutions in its stem.',
  paper,
});
export const resnetV1dEntry = entry(ResNetV1d, {
  summary: 'The same with average pooling on the ways around blocks.',
  paper,
});
