// Sizes, chances and colors as options: what may be given, and the errors for what may not.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** Pixels: of a square's side, or height and width. */
export type Size = number | readonly [height: number, width: number];
/** One value for all channels, or one each. */
export type Fill = number | readonly number[];
export type Range = readonly [min: number, max: number];

const whole = z.number().int().positive();
const finite = z.number();
export const sizeSchema = z.union([whole, z.tuple([whole, whole]).readonly()]);
export const fillSchema = z.union([finite, z.array(finite).readonly()]);

export const chanceSchema = z.number().min(0).max(1);
/** `[min, max]`, `0 <= min <= max <= most` (`0 < min` where it must be positive). */
export function rangeSchema({ positive = false, most }: { positive?: boolean; most?: number } = {}) {
  const least = positive ? z.number().positive() : z.number().nonnegative();
  const bound = most === undefined ? least : least.max(most);
  return z
    .tuple([bound, bound])
    .readonly()
    .refine(([min, max]) => min <= max, 'expected [min, max] with min <= max');
}

/** Height and width. */
export function sidesOf(size: Size): readonly [height: number, width: number] {
  return typeof size === 'number' ? [size, size] : size;
}

/** `(1, C, 1, 1)` of float32. @throws {RetortError} when there is not one value per channel. */
export function fillTensor(where: string, fill: Fill, channels: number): Tensor {
  const values = typeof fill === 'number' ? Array.from({ length: channels }, () => fill) : [...fill];
  if (values.length !== channels) {
    throw new RetortError(
      `${where}: fill: expected ${channels} values, one per channel of the images, got ${values.length}`,
    );
  }
  return tensor(values, { shape: [1, channels, 1, 1] });
}

/** To the nearest integer, halves to the even one, as Python rounds. */
export function roundHalfToEven(value: number): number {
  const low = Math.floor(value);
  const over = value - low;
  if (over !== 0.5) return over < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

/** Values to bytes: cut to 0 to 255, halves up. */
export function toBytes(values: Tensor): Tensor {
  return values.add(0.5).floor().clamp(0, 255).to('uint8');
}
