// A strided 1x1 kernel on images in channels_last: libtorch's own gradient of it is wrong for few channels, ours is not.
import { expect, it } from 'vitest';

import { manualSeed, ops, randn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Conv2d } from './conv2d.ts';

/** Output and gradients of input, weight and bias for the loss `sum(output * weights)`. */
function results(conv: Conv2d, images: Tensor, weights: Tensor): Tensor[] {
  const input = images.detach().requiresGrad_();
  for (const parameter of conv.parameters()) parameter.grad = null;
  const output = conv.forward(input);
  ops.sum(output.mul(weights)).backward();
  return [output, input.grad!, conv.weight.grad!, conv.bias!.grad!];
}

it.each([
  { inChannels: 3, stride: 2, size: 28 },
  { inChannels: 4, stride: 2, size: 56 },
  { inChannels: 8, stride: 2, size: 56 },
  { inChannels: 8, stride: [3, 1] as const, size: 29 },
  { inChannels: 15, stride: 2, size: 15 },
  { inChannels: 16, stride: 2, size: 28 },
])('%o: gradients of a 1x1 kernel in channels_last are those in float64', ({ inChannels, stride, size }) => {
  tidy(() => {
    manualSeed(0);
    const conv = new Conv2d(inChannels, 8, { kernelSize: 1, stride });
    const images = randn([4, inChannels, size, size]);
    const weights = tidy(() => randn([...conv.forward(images).shape]));
    conv.to({ memoryFormat: 'channels_last' });
    const last = results(
      conv,
      images.contiguous({ memoryFormat: 'channels_last' }),
      weights.contiguous({ memoryFormat: 'channels_last' }),
    );
    conv.to({ dtype: 'float64' });
    // Not through `forward`: libtorch's own strided convolution, which float64 computes without oneDNN.
    const input = images.to({ dtype: 'float64' }).requiresGrad_();
    for (const parameter of conv.parameters()) parameter.grad = null;
    const output = ops.conv2d(input, conv.weight, conv.bias, conv.stride);
    ops.sum(output.mul(weights.to({ dtype: 'float64' }))).backward();
    const exact = [output, input.grad!, conv.weight.grad!, conv.bias!.grad!];
    for (const [i, value] of last.entries()) {
      expect(value.shape).toEqual(exact[i]!.shape);
      const difference = value.to({ dtype: 'float64' }).sub(exact[i]!).abs().max().item();
      expect(difference / exact[i]!.abs().max().item()).toBeLessThan(1e-5);
    }
  });
});

it('takes one image without a batch axis', () => {
  tidy(() => {
    const conv = new Conv2d(4, 8, { kernelSize: 1, stride: 2 });
    expect(conv.forward(randn([4, 9, 8])).shape).toEqual([8, 5, 4]);
  });
});
