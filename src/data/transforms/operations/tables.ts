// Operations that give every byte of a channel another value: a table of 256 values per channel, looked up. As Pillow's.
import { ops } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';

/** `uint8 (N, C, H, W)` through tables `uint8 (N, C, 256)`. */
function lookUp(images: Tensor, tables: Tensor): Tensor {
  const [n = 0, c = 0, h = 0, w = 0] = images.shape;
  const places = images.to('int64').reshape([n, c, h * w]); // (N, C, HW)
  return tables.gather(2, places).view([n, c, h, w]);
}

/** Stretches each channel from its darkest and brightest value to 0 and 255. */
export function autoContrast(images: Tensor): Tensor {
  const darkest = images.amin([2, 3]).to('float64').unsqueeze(2); // (N, C, 1)
  const brightest = images.amax([2, 3]).to('float64').unsqueeze(2);
  const values = ops.arange(256, { dtype: 'float64' }).view([1, 1, 256]);
  const scale = ops.full([1], 255, { dtype: 'float64' }).div(brightest.sub(darkest).clamp(1));
  const stretched = values.mul(scale).sub(darkest.mul(scale)).clamp(0, 255);
  return lookUp(images, ops.where(brightest.gt(darkest), stretched, values).to('uint8'));
}

/** Makes all values of a channel about equally frequent. */
export function equalize(images: Tensor): Tensor {
  const [n = 0, c = 0, h = 0, w = 0] = images.shape;
  const channels = ops.arange(n * c).view([n, c, 1, 1]);
  const places = images.to('int64').add(channels.mul(256)).reshape([-1]);
  const counts = places.bincount(null, n * c * 256).view([n, c, 256]);
  const brightest = images.amax([2, 3]).to('int64').unsqueeze(2); // (N, C, 1)
  const floorDivide = (a: Tensor, b: Tensor): Tensor => a.divide(b, { roundingMode: 'floor' });
  const step = floorDivide(
    counts
      .gather(2, brightest)
      .neg()
      .add(h * w),
    ops.full([1], 255n),
  );
  const below = counts.cumsum(2).sub(counts);
  const half = floorDivide(step, ops.full([1], 2n));
  const flat = floorDivide(below.add(half), step.clamp(1)).clamp(0, 255);
  return lookUp(images, ops.where(step.gt(0), flat, ops.arange(256).view([1, 1, 256])).to('uint8'));
}

/** `255 - x` */
export function invert(images: Tensor): Tensor {
  return images.bitwiseNot();
}

/** `255 - x` for values of the threshold and above; `thresholds` is `(N, 1, 1, 1)`. */
export function solarize(images: Tensor, thresholds: Tensor): Tensor {
  return ops.where(images.to('float32').lt(thresholds), images, images.bitwiseNot());
}

/** Adds to values below 128, up to 255; `amounts` is `(N, 1, 1, 1)`. */
export function solarizeAdd(images: Tensor, amounts: Tensor): Tensor {
  return ops.where(images.lt(128), images.to('float32').add(amounts).clamp(0, 255).to('uint8'), images);
}

/** Keeps so many bits of each value, fractions up; `bits` is `(N, 1, 1, 1)`. */
export function posterize(images: Tensor, bits: Tensor): Tensor {
  const lost = ops.full([1], 2).pow(bits.ceil().clamp(0, 8).neg().add(8)); // 2^(8 - bits)
  return images.bitwiseAnd(lost.neg().add(256).to('uint8'));
}
