// Decoupled distillation: whether it is the target class, and which of the others it would be, each with a weight of its own.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classIndices } from './common/class-indices.ts';
import { logSoftmaxOfPossible, logSum } from './common/divergence.ts';
import { requireRank, requireSameShape, shown } from './common/shapes.ts';
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
  /** Over samples: `'none'` gives `(N)`, `'mean'` and `'batchmean'` its mean, `'sum'` its sum. Default `'batchmean'`. */
  reduction: z.enum(reductions).default('batchmean'),
};
export interface DKDLossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** Logits `(N, C)`, two classes or more. */
export interface DKDLossArguments extends LogitPair {
  /** The true classes, int64 `(N)` or `(N, 1)`. */
  gtLabels: Tensor;
}

/**
 * `lossWeight * tau^2 * (alpha * KL(b_T || b_S) + beta * KL(p_T || p_S))`: `b` is `[p_t, 1 - p_t]` for the true class `t`, `p` the
 * softmax over the other classes, both at the temperature `tau`. Computed in log space, `p_t` as the sigmoid of the target's logit
 * minus the logsumexp of the others: no mask of large numbers, and a finite gradient on both sides.
 *
 * Zhao et al.: Decoupled Knowledge Distillation, arXiv 2203.08679. `compat: 'mmrazor'`: `'mean'` and `'none'` are the sum.
 */
export class DKDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT', 'gtLabels'], classes: ['gtLabels'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: DKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when shapes do not agree, there is one class only, or a label is outside `[0, C)`. */
  override forward({ predsS, predsT, gtLabels }: DKDLossArguments): Tensor {
    requireRank('DKDLoss', ['predsS', predsS], [2], '(N, C)');
    requireSameShape('DKDLoss', ['predsS', predsS], ['predsT', predsT]);
    if (predsS.shape[1]! < 2) {
      throw new RetortError(`DKDLoss: predsS: two classes or more were expected, got ${shown(predsS.shape)}`);
    }
    const labels = classIndices('DKDLoss', ['predsS', predsS], gtLabels).unsqueeze(1); // (N, 1)
    const target = ops.zeros(predsS.shape, { dtype: 'bool', device: predsS.device }).scatter(1, labels, true);
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach).map((logits) =>
      decoupled(logits.div(this.options.tau), labels, target),
    );
    const targets = functional.klTerms(teacher!.binary, student!.binary).sum(1).mul(this.options.alpha);
    const others = functional.klTerms(teacher!.others, student!.others).sum(1).mul(this.options.beta);
    return this.#reduced(targets.add(others)); // (N)
  }

  #reduced(rows: Tensor): Tensor {
    const { tau, reduction } = this.options;
    const summed = this.original && reduction !== 'batchmean'; // as MMRazor, whatever else is said
    return this.weigh(functional.reduced(rows, summed ? 'sum' : reduction), tau ** 2);
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

export const dkdLoss = entry(DKDLoss, {
  summary: 'Target class and other classes distilled apart.',
  paper: 'Zhao et al. 2022 (DKD), arXiv 2203.08679',
});
