// A convolution that is padded as TensorFlow's 'SAME' is: by what the size of the image asks for, with the odd row and column last.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Conv2d } from './conv2d.ts';
import type { Conv2dOptions } from './conv2d.ts';

export interface Conv2dAdaptivePaddingOptions extends Omit<Conv2dOptions, 'padding'> {}

/**
 * A {@link Conv2d} from `(N, inChannels, H, W)` to `(N, outChannels, ceil(H / stride), ceil(W / stride))`, whatever the kernel: with
 * `total = max(0, (ceil(H / stride) - 1) stride + dilation (kernelSize - 1) + 1 - H)` rows around the image, `floor(total / 2)` of
 * them above it; the same for columns. Where the stride is 2 and the size even, one more comes after the image than before it, so
 * weights that were trained with it do not fit a symmetric padding, nor the other way around.
 */
export class Conv2dAdaptivePadding extends Conv2d {
  /** @throws {RetortError} see {@link Conv2d}. */
  constructor(inChannels: number, outChannels: number, options: Conv2dAdaptivePaddingOptions) {
    super(inChannels, outChannels, { ...options, padding: 0 });
  }

  override convolve(input: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
    const [height = 1, width = 1] = input.shape.slice(-2);
    const [top, bottom] = this.#around(0, height);
    const [left, right] = this.#around(1, width);
    const even = top === bottom && left === right;
    if (even && top === 0 && left === 0) return super.convolve(input, weight, bias);
    if (even && this.paddingMode === 'zeros') {
      return ops.conv2d(input, weight, bias, this.stride, [top, left], this.dilation, this.groups);
    }
    const mode = this.paddingMode === 'zeros' ? 'constant' : this.paddingMode;
    return super.convolve(ops.pad(input, [left, right, top, bottom], mode), weight, bias);
  }

  /** What is put before and after an axis (0 height, 1 width) of so many pixels. */
  #around(axis: 0 | 1, size: number): [before: number, after: number] {
    const stride = this.stride[axis];
    const covered = (Math.ceil(size / stride) - 1) * stride + this.dilation[axis] * (this.kernelSize[axis] - 1) + 1;
    const total = Math.max(0, covered - size);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  }
}
