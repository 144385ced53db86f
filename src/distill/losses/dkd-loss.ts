// Decoupled distillation: whether it is the target class, and which of the others it would be, each with a weight of its own.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { atPositions, labeledRows, labelShape, meanOf, targetMask } from './common/classes.ts';
import type { CountedRows, Labeled, LabelOptions, LabelSettings } from './common/classes.ts';
import { logSoftmaxOfPossible, logSum } from './common/divergence.ts';
import { requireSameShape, shown } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { LogitPair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss, reductions } from './loss.ts';

const own = {
  /** Temperature. Default 1. */
  tau: z.number().positive().default(1),
  /** Weight of the target-class part. Default 1. */
  alpha: z.number().default(1),
  /** Weight of the part of the other classes. Default 1. */
  beta: z.number().default(1),
  /** Over positions, each of them a sample: `'none'` gives theirs, `'mean'` and `'batchmean'` its mean, `'sum'` its sum. Default `'batchmean'`. */
  reduction: z.enum(reductions).default('batchmean'),
};
/** Options of {@link DKDLoss}. */
export interface DKDLossOptions extends OpenTeacherOptions, LabelOptions, OptionsFrom<typeof own> {}

/** Logits of two classes or more. */
export interface DKDLossArguments extends LogitPair, Labeled {}

/**
 * `lossWeight * tau^2 * (alpha * KL(b_T || b_S) + beta * KL(p_T || p_S))`: `b` is `[p_t, 1 - p_t]` for the true class `t`, `p` the
 * softmax over the other classes, both at the temperature `tau`. Computed in log space, `p_t` as the sigmoid of the target's logit
 * minus the logsumexp of the others: no mask of large numbers, and a finite gradient on both sides.
 *
 * Zhao et al.: Decoupled Knowledge Distillation, arXiv 2203.08679. `compat: 'mmrazor'`: `'mean'` and `'none'` are the sum.
 *
 * @example
 * ```ts
 * const loss = new DKDLoss({ alpha: 1, beta: 8, tau: 4 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]), gtLabels: tensor([3n, 7n]) }); // a scalar
 * ```
 */
export class DKDLoss extends DistillLoss<TeacherSettings & LabelSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Target class and other classes distilled apart.',
    paper: 'Zhao et al. 2022 (DKD), arXiv 2203.08679',
  };
  static override readonly schema = openTeacherSchema({ ...own, ...labelShape });
  override readonly inputs = { required: ['predsS', 'predsT', 'gtLabels'], optional: ['mask'], classes: ['gtLabels'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: DKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when shapes do not agree, there is one class only, or a label is outside `[0, C)`. */
  override forward({ predsS, predsT, gtLabels, mask }: DKDLossArguments): Tensor {
    requireSameShape('DKDLoss', ['predsS', predsS], ['predsT', predsT]);
    const named = [
      ['predsS', predsS],
      ['predsT', predsT],
    ] as const;
    const counted = labeledRows('DKDLoss', named, this.options, { gtLabels, mask });
    const { rows, labels } = counted;
    if (rows[0].shape[1]! < 2) {
      throw new RetortError(`DKDLoss: predsS: expected two classes or more, got ${shown(predsS.shape)}`);
    }
    const target = targetMask(rows[0].detach(), labels);
    const [student, teacher] = sides(...rows, this.options.teacherDetach).map((logits) =>
      decoupled(logits.div(this.options.tau), labels.unsqueeze(1), target),
    );
    const targets = functional.klTerms(teacher!.binary, student!.binary).sum(1).mul(this.options.alpha);
    const others = functional.klTerms(teacher!.others, student!.others).sum(1).mul(this.options.beta);
    return this.#reduced(targets.add(others), counted);
  }

  #reduced(terms: Tensor, counted: CountedRows): Tensor {
    const { tau, reduction } = this.options;
    const summed = reduction === 'sum' || (this.original && reduction !== 'batchmean'); // as MMRazor, whatever else is said
    if (summed) return this.weigh(terms.sum(), tau ** 2);
    return this.weigh(reduction === 'none' ? atPositions(terms, counted) : meanOf(terms), tau ** 2);
  }
}

/** `[log p_t, log(1 - p_t)]`, `(N, 2)`; and the log-softmax over the other classes, `(N, C)` with 0 at the target. */
function decoupled(logits: Tensor, labels: Tensor, target: Tensor): { binary: Tensor; others: Tensor } {
  const rest = logits.maskedFill(target, -Infinity);
  const own = logits.gather(1, labels); // (N, 1)
  const [alone, never] = [rest.eq(-Infinity).all(1, true), own.eq(-Infinity)]; // p_t is 1, or 0
  const odds = own
    .maskedFill(never, 0)
    .sub(logSum(rest, 1).maskedFill(alone, 0))
    .maskedFill(alone, Infinity)
    .maskedFill(never, -Infinity);
  return {
    binary: ops.cat([odds, odds.neg()], 1).logSigmoid(),
    others: logSoftmaxOfPossible(rest).maskedFill(target, 0), // no -Infinity of the target goes on from here
  };
}
