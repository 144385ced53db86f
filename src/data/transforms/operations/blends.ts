// Operations that move an image away from a poorer version of itself, or towards it: `poor + factor (x - poor)`, cut to 0 to 255
// and rounded down, as Pillow's ImageEnhance. Factors are `(N, 1, 1, 1)`; 1 changes nothing, 0 gives the poorer version.
import { RetortError } from '../../../errors.ts';
import { ops, tensor } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';

function blend(images: Tensor, poor: Tensor, factors: Tensor): Tensor {
  return images.to('float32').sub(poor).mul(factors).add(poor).clamp(0, 255).to('uint8');
}

/** `(19595 R + 38470 G + 7471 B + 2^15) / 2^16` rounded down, `float32 (N, 1, H, W)`; a gray image is its own. */
function luminance(images: Tensor): Tensor {
  const channels = images.shape[1]!;
  if (channels === 1) return images.to('float32');
  if (channels !== 3) {
    throw new RetortError(`expected images of 1 or 3 channels, got ${channels}`, {
      help: 'leave this transform out, or convert the images to gray or RGB',
    });
  }
  const weights = tensor(BigInt64Array.from([19595n, 38470n, 7471n])).view([1, 3, 1, 1]);
  const sum = images.to('int64').mul(weights).sum([1], true);
  return sum
    .add(2 ** 15)
    .divide(ops.full([1], 65536n), { roundingMode: 'floor' })
    .to('float32');
}

/** The poorer version is gray. */
export function color(images: Tensor, factors: Tensor): Tensor {
  return blend(images, luminance(images), factors);
}

/** The poorer version is the image's mean luminance everywhere. */
export function contrast(images: Tensor, factors: Tensor): Tensor {
  const means = luminance(images).to('float64').mean([1, 2, 3], true).add(0.5).floor();
  return blend(images, means.to('float32'), factors);
}

/** The poorer version is black. */
export function brightness(images: Tensor, factors: Tensor): Tensor {
  return blend(images, ops.zeros([1]), factors);
}

/** The poorer version is smoothed with `[1 1 1; 1 5 1; 1 1 1] / 13`, but for the border. */
export function sharpness(images: Tensor, factors: Tensor): Tensor {
  const [n = 0, c = 0, h = 0, w = 0] = images.shape;
  const values = images.to('float32');
  if (h < 3 || w < 3) return images;
  const kernel = tensor([1, 1, 1, 1, 5, 1, 1, 1, 1], { shape: [1, 1, 3, 3] });
  const sums = ops.conv2d(values.reshape([n * c, 1, h, w]), kernel).view([n, c, h - 2, w - 2]);
  const poor = values.clone();
  poor
    .narrow(2, 1, h - 2)
    .narrow(3, 1, w - 2)
    .copy_(sums.div(13).add(0.5).floor());
  return blend(images, poor, factors);
}
