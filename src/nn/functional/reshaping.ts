// Functions that change the shape: padding, one-hot codes.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { oneOf } from '../arguments.ts';

const padModes = ['constant', 'reflect', 'replicate', 'circular'] as const;

export interface PadOptions {
  /** Before and after the last dimension, then those of the one before it, and so on; negative cuts. */
  pad: readonly number[];
  /** Default `'constant'`. */
  mode?: (typeof padModes)[number];
  /** What is put there; with `'constant'` only. Default 0. */
  value?: number;
}

/**
 * Puts values around a tensor: `{ pad: [left, right, top, bottom] }` makes `(N, C, H, W)` to `(N, C, top + H + bottom, left + W + right)`.
 * @throws {RetortError} for a misspelled mode, or numbers that do not come in pairs.
 */
export function pad(input: Tensor, { pad: amounts, mode = 'constant', value }: PadOptions): Tensor {
  oneOf('pad: mode', mode, padModes);
  if (amounts.length % 2 !== 0 || !amounts.every(Number.isInteger)) {
    throw new RetortError(`pad: pad: expected integers in pairs, before and after, got [${amounts.join(', ')}]`);
  }
  return ops.pad(input, amounts, mode, value ?? null);
}

export interface OneHotOptions {
  /** Default: the largest class, and one more. */
  numClasses?: number;
}

/** 1 at the class and 0 elsewhere: int64 `(...)` to int64 `(..., numClasses)`. */
export function oneHot(input: Tensor, { numClasses = -1 }: OneHotOptions = {}): Tensor {
  return ops.oneHot(input, numClasses);
}
