// ResNets whose options have names of their own: ResNeXt, with groups in its bottlenecks, and both with squeeze and excitation.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import { count, flag } from '../schema.ts';
import { ResNet } from './resnet.ts';
import { resnetShape } from './resnet-options.ts';
import type { ResNetOptions } from './resnet-options.ts';

const schema = z.strictObject({ depth: count, deepStem: flag.exactOptional(), ...resnetShape });

/** Options of {@link ResNeXt}. */
export interface ResNeXtOptions extends ResNetOptions {
  /** Groups of each 3x3 convolution. Default 32. */
  groups?: number;
  /** Channels of each group in the first stage; each further stage doubles them. Default 4. */
  widthPerGroup?: number;
}

/** Options of {@link SEResNet}. */
export interface SEResNetOptions extends ResNetOptions {
  /** Channels between the layers of squeeze and excitation are so many times fewer. Default 16. */
  seRatio?: number;
}

/** Options of {@link SEResNeXt}. */
export interface SEResNeXtOptions extends ResNeXtOptions, SEResNetOptions {}

const squeezed = { seRatio: 16 };
const grouped = { groups: 32, widthPerGroup: 4 };

/** @throws {RetortError} for depths of basic blocks, which have no groups. */
function checkDepth(name: string, depth: number): void {
  if (depth < 50) throw new RetortError(`${name}: depth: expected 50, 101 or 152, got ${depth}`);
}

/**
 * Depth 50, 101 or 152. Xie, Girshick, Dollar, Tu, He 2017, arXiv 1611.05431.
 *
 * @example
 * ```ts
 * const backbone = new ResNeXt({ depth: 50 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 2048, 2, 2)
 * ```
 */
export class ResNeXt extends ResNet {
  static override readonly schema = schema;

  /** @throws {RetortError} as {@link ResNet}, and for depths of basic blocks. */
  constructor(options: ResNeXtOptions) {
    checkOptions(schema, options, new.target.name);
    checkDepth(new.target.name, options.depth);
    super({ ...grouped, ...options });
  }
}

/**
 * A {@link ResNet} with squeeze and excitation in its blocks.
 * Hu, Shen, Albanie, Sun, Wu 2018, arXiv 1709.01507.
 *
 * @example
 * ```ts
 * const backbone = new SEResNet({ depth: 50 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 2048, 2, 2)
 * ```
 */
export class SEResNet extends ResNet {
  static override readonly schema = schema;

  /** @throws {RetortError} as {@link ResNet}. */
  constructor(options: SEResNetOptions) {
    checkOptions(schema, options, new.target.name);
    super({ ...squeezed, ...options });
  }
}

/**
 * Depth 50, 101 or 152: a {@link ResNeXt} with squeeze and excitation in its blocks. Hu, Shen, Albanie, Sun, Wu 2018, arXiv 1709.01507.
 *
 * @example
 * ```ts
 * const backbone = new SEResNeXt({ depth: 50 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 2048, 2, 2)
 * ```
 */
export class SEResNeXt extends ResNet {
  static override readonly schema = schema;

  /** @throws {RetortError} as {@link ResNet}, and for depths of basic blocks. */
  constructor(options: SEResNeXtOptions) {
    checkOptions(schema, options, new.target.name);
    checkDepth(new.target.name, options.depth);
    super({ ...grouped, ...squeezed, ...options });
  }
}

const paper = 'Hu, Shen, Albanie et al. 2018, arXiv 1709.01507';

export const resnextEntry = entry(ResNeXt, {
  summary: 'ResNet with groups in its bottlenecks.',
  paper: 'Xie et al. 2017, arXiv 1611.05431',
});
export const seResNetEntry = entry(SEResNet, { summary: 'ResNet with squeeze and excitation.', paper });
export const seResNeXtEntry = entry(SEResNeXt, { summary: 'ResNeXt with squeeze and excitation.', paper });
