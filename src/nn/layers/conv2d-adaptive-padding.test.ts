// Padding as TensorFlow's 'SAME': numbers of timm's Conv2dSame; folded norms; other paddings than zeros.
import { expect, it } from 'vitest';

import { noGrad, ops, randn, tidy } from '../../torch/index.ts';
import { ConvModule, foldNorms } from '../index.ts';
import { Conv2dAdaptivePadding } from './conv2d-adaptive-padding.ts';

it.each([
  [{ kernelSize: 3, stride: 2 }, [5, 6], [3, 3], [187, 265, 199, 699, 789, 519, 493, 535, 325]],
  [{ kernelSize: 5, stride: 2 }, [6, 4], [3, 2], [2340, 1700, 4470, 3130, 1960, 1260]],
  [{ kernelSize: 1, stride: 2 }, [5, 4], [3, 2], [0, 2, 8, 10, 16, 18]],
  [{ kernelSize: 2, stride: 3, dilation: 2 }, [7, 6], [3, 2], [50, 71, 216, 246, 94, 103]],
  [
    { kernelSize: 3 },
    [4, 5],
    [4, 5],
    [100, 163, 202, 241, 160, 243, 366, 411, 456, 291, 408, 591, 636, 681, 426, 224, 310, 331, 352, 208],
  ],
])('%j on an image of %j', (options, [height, width], shape, expected) => {
  tidy(() => {
    const conv = new Conv2dAdaptivePadding(1, 1, { ...options, bias: false });
    const { kernelSize } = options;
    noGrad(() => conv.weight.copy_(ops.arange(1, kernelSize ** 2 + 1).view([1, 1, kernelSize, kernelSize])));
    const output = conv.forward(ops.arange(height! * width!, { dtype: 'float32' }).view([1, 1, height!, width!]));
    expect(output.shape).toEqual([1, 1, ...shape]);
    expect(output.reshape([-1]).toArray()).toEqual(expected);
  });
});

it('is a convolution of ConvModule, under its norm as well', () => {
  tidy(() => {
    const block = new ConvModule(2, 4, {
      ...{ kernelSize: 3, stride: 2, padding: 7 },
      convCfg: { type: 'Conv2dAdaptivePadding', paddingMode: 'replicate' },
      normCfg: { type: 'BN' },
    }).eval();
    const images = randn([2, 2, 8, 6]);
    const padded = ops.pad(images, [0, 1, 0, 1], 'replicate');
    const expected = ops
      .conv2d(padded, block.conv.weight, null, [2, 2])
      .div(Math.sqrt(1 + 1e-5))
      .relu();
    noGrad(() => {
      expect(block.forward(images)).toBeAllClose(expected, { rtol: 1e-5, atol: 1e-6 });
      expect(foldNorms(() => block.forward(images))).toBeAllClose(expected, { rtol: 1e-5, atol: 1e-6 });
    });
  });
});
