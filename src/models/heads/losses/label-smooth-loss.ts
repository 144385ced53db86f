// Cross entropy with labels that leave something to the other classes.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import { Module } from '../../../nn/index.ts';
import { checkOptions, entry } from '../../../registry/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { count, flag } from '../../schema.ts';
import { asShares, HeadCrossEntropyLoss } from './cross-entropy-loss.ts';
import type { HeadLossCall, Reduction } from './reduce.ts';

/** Options of {@link LabelSmoothLoss}. */
export interface LabelSmoothLossOptions {
  /** How much is taken from the label, 0 to below 1. */
  labelSmoothVal: number;
  /** Checked against the scores where given. */
  numClasses?: number | null;
  /** `'original'`, `'classy_vision'` or `'multi_label'`: see {@link LabelSmoothLoss}. Default `'original'`. */
  mode?: 'original' | 'classy_vision' | 'multi_label';
  /** Each class is decided on its own, by a sigmoid. Default: with `'multi_label'`. */
  useSigmoid?: boolean | null;
  /** Default `'mean'`. */
  reduction?: Reduction;
  /** Default 1. */
  lossWeight?: number;
}

/**
 * Cross entropy on a smoothed target, with `e` the option `labelSmoothVal`, `K` classes and `t` the label as 1 and 0 (or as shares):
 *
 * - `original`: `(1 - e) t + e / K`;
 * - `classy_vision`: the same with `e / (1 + e)` for `e`;
 * - `multi_label`: `1 - e` where `t > 0`, and `e` elsewhere.
 *
 * Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2016, arXiv 1512.00567.
 *
 * @example
 * ```ts
 * const loss = new LabelSmoothLoss({ labelSmoothVal: 0.1 });
 * const value = loss.forward(randn([2, 10]), tensor([3n, 7n])); // a scalar
 * ```
 */
export class LabelSmoothLoss extends Module {
  static readonly schema = z.strictObject({
    labelSmoothVal: z.number().min(0).lt(1),
    numClasses: count.nullable().exactOptional(),
    mode: z.enum(['original', 'classy_vision', 'multi_label']).exactOptional(),
    useSigmoid: flag.nullable().exactOptional(),
    reduction: z.enum(['none', 'mean', 'sum']).exactOptional(),
    lossWeight: z.number().exactOptional(),
  });
  readonly lossWeight: number;
  ce: HeadCrossEntropyLoss;
  readonly #options: LabelSmoothLossOptions;

  /** @throws {RetortError} when `labelSmoothVal` is outside [0, 1). */
  constructor(options: LabelSmoothLossOptions) {
    checkOptions(LabelSmoothLoss.schema, options, new.target.name);
    super();
    const { mode = 'original', reduction = 'mean', lossWeight = 1 } = options;
    const useSigmoid = options.useSigmoid ?? mode === 'multi_label';
    this.#options = options;
    this.lossWeight = lossWeight;
    this.ce = new HeadCrossEntropyLoss({ useSigmoid, useSoft: !useSigmoid, reduction });
  }

  /**
   * @param clsScore `(N, K)` @param target classes, int64 `(N)`, or the share of each class, `(N, K)`
   * @throws {RetortError} when K is not `numClasses`.
   */
  override forward(clsScore: Tensor, target: Tensor, call: HeadLossCall = {}): Tensor {
    const classes = clsScore.shape[1]!;
    const { numClasses } = this.#options;
    if (typeof numClasses === 'number' && numClasses !== classes) {
      throw new RetortError(`LabelSmoothLoss: scores: expected ${numClasses} classes (numClasses), got ${classes}`);
    }
    const loss = this.ce.forward(clsScore, this.#smooth(asShares(clsScore, target), classes), call);
    return this.lossWeight === 1 ? loss : loss.mul(this.lossWeight);
  }

  #smooth(shares: Tensor, classes: number): Tensor {
    const { labelSmoothVal: e, mode = 'original' } = this.#options;
    if (mode === 'multi_label') {
      return shares
        .gt(0)
        .to(shares.dtype)
        .mul(1 - 2 * e)
        .add(e);
    }
    const taken = mode === 'classy_vision' ? e / (1 + e) : e;
    return shares.mul(1 - taken).add(taken / classes);
  }
}

export const labelSmoothLossEntry = entry(LabelSmoothLoss, {
  summary: 'Cross entropy with smoothed labels.',
  paper: 'Szegedy et al. 2016, arXiv 1512.00567',
});
