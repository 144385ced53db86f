// Pooling to a given size, whatever comes in: `(N, C, H, W)` to `(N, C, *outputSize)`.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { whole } from '../arguments.ts';

/** One number for both axes, or `[height, width]`; null leaves an axis as it is. */
export type OutputSize = number | null | readonly [height: number | null, width: number | null];

/** Window `i` of `n` reaches from `floor(i H / n)` to `ceil((i + 1) H / n)`. */
abstract class AdaptivePool2d extends Module {
  readonly outputSize: readonly [number | null, number | null];

  /** @throws {RetortError} for sizes that are neither whole numbers nor null. */
  constructor(outputSize: OutputSize) {
    super();
    const where = `${this.constructor.name}: outputSize`;
    const sizes = typeof outputSize === 'object' && outputSize !== null ? outputSize : [outputSize, outputSize];
    if (sizes.length !== 2) {
      throw new RetortError(`${where}: a number or [height, width] was expected, got [${sizes.join(', ')}]`);
    }
    const checked = sizes.map((size) => (size === null ? null : whole(where, size)));
    this.outputSize = [checked[0]!, checked[1]!];
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
