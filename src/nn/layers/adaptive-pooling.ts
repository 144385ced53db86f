// Pooling to a given size, whatever comes in: `(N, C, H, W)` to `(N, C, *outputSize)`.
import { z } from 'zod';

import { checkOptions, count, entry } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';

/** One number for both axes, or `[height, width]`; null leaves an axis as it is. */
export type OutputSize = number | null | readonly [height: number | null, width: number | null];

const side = count.nullable();
const sizes = {
  /** Height and width that go out: one number for both, or `[height, width]`; null leaves an axis as it is. */
  outputSize: z.union([side, z.tuple([side, side]).readonly()], {
    error: 'expected a positive integer or null, or [height, width] of them',
  }),
};
/** The positional arguments, by the names that configs give them. */
export interface AdaptivePoolSizes extends OptionsFrom<typeof sizes> {}

/** Window `i` of `n` reaches from `floor(i H / n)` to `ceil((i + 1) H / n)`. */
abstract class AdaptivePool2d extends Module {
  static readonly schema = z.strictObject(sizes);
  readonly outputSize: readonly [number | null, number | null];

  /** @throws {RetortError} for sizes that are neither positive integers nor null. */
  constructor(outputSize: OutputSize) {
    super();
    const checked = checkOptions(AdaptivePool2d.schema, { outputSize }, this.constructor.name).outputSize;
    this.outputSize = typeof checked === 'number' || checked === null ? [checked, checked] : checked;
  }

  /** The output size for this input. */
  protected sizeFor(input: Tensor): readonly number[] {
    const [height, width] = this.outputSize;
    if (height !== null && width !== null) return this.outputSize as readonly [number, number];
    const shape = input.shape;
    return [height ?? shape.at(-2) ?? 1, width ?? shape.at(-1) ?? 1];
  }

  protected override describe(): string {
    const [height, width] = this.outputSize;
    return `outputSize=${height === width ? height : `[${height}, ${width}]`}`;
  }
}

/** The mean of each of `outputSize` windows, which may overlap. */
export class AdaptiveAvgPool2d extends AdaptivePool2d {
  override forward(input: Tensor): Tensor {
    return ops.adaptiveAvgPool2d(input, this.sizeFor(input));
  }
}

/** The largest value of each of `outputSize` windows, which may overlap. */
export class AdaptiveMaxPool2d extends AdaptivePool2d {
  override forward(input: Tensor): Tensor {
    return ops.adaptiveMaxPool2d(input, this.sizeFor(input))[0];
  }
}

export const adaptiveAvgPool2d = entry(
  AdaptiveAvgPool2d.schema as Explained<typeof AdaptiveAvgPool2d.schema, AdaptivePoolSizes>,
  ({ outputSize }) => new AdaptiveAvgPool2d(outputSize),
  { summary: 'Means of windows, to a given size.' },
);
export const adaptiveMaxPool2d = entry(
  AdaptiveMaxPool2d.schema as Explained<typeof AdaptiveMaxPool2d.schema, AdaptivePoolSizes>,
  ({ outputSize }) => new AdaptiveMaxPool2d(outputSize),
  { summary: 'Largest values of windows, to a given size.' },
);
