// Operations that move pixels: each pixel of the result is looked up at another place of its image.
import { ops, tensor } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { fillTensor, toBytes } from '../sizes.ts';
import type { Fill } from '../sizes.ts';

export type Interpolation = 'nearest' | 'bilinear' | 'bicubic';

export interface WarpLook {
  /** What comes in from outside the image. */
  fill: Fill;
  interpolation: Interpolation;
}

/** Where a pixel comes from: column `a x + b y + c`, row `d x + e y + f`. */
type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const modes = { bilinear: 0, nearest: 1, bicubic: 2 };

function warp(images: Tensor, maps: readonly Affine[], { fill, interpolation }: WarpLook): Tensor {
  const [n = 0, c = 0, h = 0, w = 0] = images.shape;
  const [xx, xy, x0, yx, yy, y0] = tensor(Float64Array.from(maps.flat()), { shape: [n, 6, 1, 1] }).unbind(1) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const columns = ops.arange(w, { dtype: 'float64' }).view([1, 1, w]);
  const rows = ops.arange(h, { dtype: 'float64' }).view([1, h, 1]);
  const at = (ofX: Tensor, ofY: Tensor, start: Tensor, length: number): Tensor =>
    // libtorch's coordinates: -1 and 1 are the outer edges of the outer pixels
    columns.mul(ofX).add(rows.mul(ofY)).add(start).mul(2).add(1).div(length).sub(1);
  const grid = ops.stack([at(xx, xy, x0, w), at(yx, yy, y0, h)], 3).to('float32'); // (N, H, W, 2)
  const outside = fillTensor('fill', fill, c);
  const values = images.to('float32').sub(outside).contiguous(); // what is 0 now is what libtorch has outside
  return toBytes(ops.gridSampler2d(values, grid, modes[interpolation], 0, false).add(outside));
}

/** Rows slide sideways: the further down, the further to the right, by `magnitude` times the row. */
export function shearX(images: Tensor, magnitudes: readonly number[], look: WarpLook): Tensor {
  return warp(
    images,
    magnitudes.map((m) => [1, -m, 0, 0, 1, 0]),
    look,
  );
}

/** Columns slide: the further right, the further down. */
export function shearY(images: Tensor, magnitudes: readonly number[], look: WarpLook): Tensor {
  return warp(
    images,
    magnitudes.map((m) => [1, 0, 0, -m, 1, 0]),
    look,
  );
}

/** To the right, by `magnitude` times the width. */
export function translateX(images: Tensor, magnitudes: readonly number[], look: WarpLook): Tensor {
  const width = images.shape[3]!;
  return warp(
    images,
    magnitudes.map((m) => [1, 0, -m * width, 0, 1, 0]),
    look,
  );
}

/** Down, by `magnitude` times the height. */
export function translateY(images: Tensor, magnitudes: readonly number[], look: WarpLook): Tensor {
  const height = images.shape[2]!;
  return warp(
    images,
    magnitudes.map((m) => [1, 0, 0, 0, 1, -m * height]),
    look,
  );
}

/** Clockwise around the middle, by degrees. */
export function rotate(images: Tensor, degrees: readonly number[], look: WarpLook): Tensor {
  const [, , h = 0, w = 0] = images.shape;
  const [x, y] = [(w - 1) / 2, (h - 1) / 2];
  const maps = degrees.map((degree): Affine => {
    const [cos, sin] = [Math.cos((degree * Math.PI) / 180), Math.sin((degree * Math.PI) / 180)];
    return [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y];
  });
  return warp(images, maps, look);
}
