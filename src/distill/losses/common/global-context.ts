// Global context of a map: one vector of all its positions, transformed and added to each of them.
// Cao, Xu, Lin, Wei, Hu: GCNet, arXiv 1904.11492.
import { Conv2d, init, LayerNorm, ReLU, Sequential } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';

/** `x + add(sum_places softmax(mask(x)) x)`: `(N, C, H, W)` to the same. */
export function withContext(map: Tensor, mask: Conv2d, add: Sequential): Tensor {
  const weights = mask.forward(map).flatten(2).softmax(2); // (N, 1, H W)
  const context = map.flatten(2).matmul(weights.transpose(1, 2)); // (N, C, 1)
  return map.add(add.forward(context.unsqueeze(3)));
}

/** Scores positions: a 1x1 convolution to one channel. */
export function maskConv(channels: number): Conv2d {
  const conv = new Conv2d(channels, 1, { kernelSize: 1 });
  init.kaimingNormal_(conv.weight, { nonlinearity: 'relu' });
  init.zeros_(conv.bias!);
  return conv;
}

/** 1x1 convolutions with a bottleneck of half the channels; the last begins as zero, so that at first nothing is added. */
export function contextTransform(channels: number): Sequential {
  const narrow = Math.max(1, Math.floor(channels / 2));
  const last = new Conv2d(narrow, channels, { kernelSize: 1 });
  init.zeros_(last.weight);
  init.zeros_(last.bias!);
  return new Sequential(
    new Conv2d(channels, narrow, { kernelSize: 1 }),
    new LayerNorm([narrow, 1, 1]),
    new ReLU(),
    last,
  );
}
