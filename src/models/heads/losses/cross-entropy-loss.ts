// The loss of a classification head, as a module of its own so that recorders can see what it is given.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import { functional, Module } from '../../../nn/index.ts';
import { checkOptions, entry } from '../../../registry/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { flag, rate } from '../../schema.ts';
import { classWeights, reduceLoss } from './reduce.ts';
import type { HeadLossCall, Reduction } from './reduce.ts';

/** Options of {@link HeadCrossEntropyLoss}. */
export interface HeadCrossEntropyLossOptions {
  /** Default 1. */
  lossWeight?: number;
  /** How much of each label is spread over all classes, 0 to 1. Default 0. */
  labelSmoothing?: number;
  /** Each class is decided on its own, by a sigmoid. Default false. */
  useSigmoid?: boolean;
  /** The target is the share of each class, `(N, K)`; shares that do not add up to 1 are taken as they are. Default false. */
  useSoft?: boolean;
  /** Default `'mean'`. */
  reduction?: Reduction;
  /** A weight for each class. Default none. */
  classWeight?: readonly number[] | null;
  /** A weight for each class where it is present; with `useSigmoid` only. Default none. */
  posWeight?: readonly number[] | null;
}

const reduction = z.enum(['none', 'mean', 'sum']);

const weights = z.array(z.number()).readonly().nullable();

/**
 * `lossWeight * mean_i(-log softmax(clsScore_i)[target_i])`; with shares as target `-sum_k target_ik log softmax(clsScore_i)_k`;
 * with `useSigmoid` the binary cross entropy of each class, summed over classes where a head averages over samples.
 *
 * @example
 * ```ts
 * const loss = new HeadCrossEntropyLoss({ labelSmoothing: 0.1 });
 * const value = loss.forward(randn([2, 10]), tensor([3n, 7n])); // a scalar
 * ```
 */
export class HeadCrossEntropyLoss extends Module {
  static readonly schema = z.strictObject({
    lossWeight: z.number().exactOptional(),
    labelSmoothing: rate.exactOptional(),
    useSigmoid: flag.exactOptional(),
    useSoft: flag.exactOptional(),
    reduction: reduction.exactOptional(),
    classWeight: weights.exactOptional(),
    posWeight: weights.exactOptional(),
  });
  readonly lossWeight: number;
  readonly #options: HeadCrossEntropyLossOptions;

  /** @throws {RetortError} when both `useSoft` and `useSigmoid` are set. */
  constructor(options: HeadCrossEntropyLossOptions = {}) {
    checkOptions(HeadCrossEntropyLoss.schema, options, new.target.name);
    super();
    if (options.useSoft === true && options.useSigmoid === true) {
      throw new RetortError('HeadCrossEntropyLoss: useSoft and useSigmoid: expected one of them, got both');
    }
    this.lossWeight = options.lossWeight ?? 1;
    this.#options = options;
  }

  /** @param clsScore `(N, K)` @param target classes, int64 `(N)`, or the share of each class, `(N, K)` */
  override forward(clsScore: Tensor, target: Tensor, call: HeadLossCall = {}): Tensor {
    const reduction = call.reductionOverride ?? this.#options.reduction ?? 'mean';
    const loss = reduceLoss(this.#elements(clsScore, target), reduction, call);
    return this.lossWeight === 1 ? loss : loss.mul(this.lossWeight);
  }

  #elements(clsScore: Tensor, target: Tensor): Tensor {
    const { useSigmoid = false, useSoft = false, labelSmoothing = 0, classWeight, posWeight } = this.#options;
    const weight = classWeight?.length
      ? { weight: classWeights('HeadCrossEntropyLoss: classWeight', classWeight, clsScore) }
      : {};
    if (!useSigmoid && !useSoft) {
      return functional.crossEntropy(clsScore, target, { ...weight, labelSmoothing, reduction: 'none' });
    }
    const shares = asShares(clsScore, target);
    if (useSoft) {
      const losses = clsScore.logSoftmax(-1).mul(shares).neg();
      return (weight.weight === undefined ? losses : losses.mul(weight.weight)).sum(-1);
    }
    const positive = posWeight?.length
      ? { posWeight: classWeights('HeadCrossEntropyLoss: posWeight', posWeight, clsScore) }
      : {};
    return functional.binaryCrossEntropyWithLogits(clsScore, shares, { ...weight, ...positive, reduction: 'none' });
  }
}

/** Classes as 1 and 0; shares as they are. */
export function asShares(clsScore: Tensor, target: Tensor): Tensor {
  const { shape } = clsScore;
  if (target.ndim === 1) return functional.oneHot(target, { numClasses: shape[1]! }).to(clsScore.dtype);
  if (target.shape.join() === shape.join()) return target.to(clsScore.dtype);
  throw new RetortError(
    `head loss: target: expected classes [${shape[0]}] or shares [${shape.join(', ')}], got [${target.shape.join(', ')}]`,
  );
}

export const crossEntropyLossEntry = entry(HeadCrossEntropyLoss, {
  summary: 'Cross entropy, of classes or of shares.',
});
