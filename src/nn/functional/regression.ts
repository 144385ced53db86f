// Losses of numbers against numbers. Input and target have one shape, any; the loss is one number, or with `'none'` that shape.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import type { ReductionOptions } from './reduction.ts';
import { reductionNumber, requireSameShape } from './reduction.ts';

/** `(input - target)^2`. @throws {RetortError} for a misspelled reduction, or shapes that differ. */
export function mseLoss(input: Tensor, target: Tensor, { reduction = 'mean' }: ReductionOptions = {}): Tensor {
  const number = reductionNumber('mseLoss', reduction);
  requireSameShape('mseLoss', input, target);
  return ops.mseLoss(input, target, number);
}

/** `|input - target|`. @throws {RetortError} for a misspelled reduction, or shapes that differ. */
export function l1Loss(input: Tensor, target: Tensor, { reduction = 'mean' }: ReductionOptions = {}): Tensor {
  const number = reductionNumber('l1Loss', reduction);
  requireSameShape('l1Loss', input, target);
  return ops.l1Loss(input, target, number);
}

export interface SmoothL1LossOptions extends ReductionOptions {
  /** Where the parabola ends; 0 gives {@link l1Loss}. Default 1. */
  beta?: number;
}

/**
 * `d^2 / (2 beta)` where `d = |input - target| < beta`, and `d - beta / 2` elsewhere. Girshick 2015, arXiv 1504.08083.
 * @throws {RetortError} for a misspelled reduction, shapes that differ, or a negative `beta`.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: SmoothL1LossOptions = {}): Tensor {
  const { beta = 1, reduction = 'mean' } = options;
  if (!(beta >= 0)) throw new RetortError(`smoothL1Loss: beta: expected a number of at least 0, got ${beta}`);
  const number = reductionNumber('smoothL1Loss', reduction);
  requireSameShape('smoothL1Loss', input, target);
  return beta === 0 ? ops.l1Loss(input, target, number) : ops.smoothL1Loss(input, target, number, beta);
}
