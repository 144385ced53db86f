// Decoupled distillation: whether it is the target class, and which of the others it would be, each with a weight of its own.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { classIndices } from './class-indices.ts';
import { DistillLoss } from './loss.ts';
import { oneOf } from './named-options.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { requireRank, requireSameShape, shown } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair } from './sides.ts';

export type DKDReduction = 'batchmean' | 'mean' | 'sum' | 'none';
const reductions: readonly DKDReduction[] = ['batchmean', 'mean', 'sum', 'none'];

export interface DKDLossOptions extends OpenTeacherOptions {
  /** Temperature. Default 1. */
  tau?: number;
  /** Weight of the target-class part. Default 1. */
  alpha?: number;
  /** Weight of the part of the other classes. Default 1. */
  beta?: number;
  /** Over samples: `'none'` gives `(N)`, `'mean'` and `'batchmean'` its mean, `'sum'` its sum. Default `'batchmean'`. */
  reduction?: DKDReduction;
}

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
export class DKDLoss extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT', 'gtLabels'] };
  readonly tau: number;
  readonly alpha: number;
  readonly beta: number;
  readonly reduction: DKDReduction;
  readonly teacherDetach: boolean;

  /** @throws {RetortError} for an unknown reduction. */
  constructor(options: DKDLossOptions = {}) {
    super(options);
    const { tau = 1, alpha = 1, beta = 1, reduction = 'batchmean', teacherDetach = false } = options;
    this.tau = tau;
    this.alpha = alpha;
    this.beta = beta;
    this.reduction = oneOf('DKDLoss', 'reduction', reduction, reductions);
    this.teacherDetach = teacherDetach;
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
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach).map((logits) =>
      decoupled(logits.div(this.tau), labels, target),
    );
    const targets = divergence(teacher!.binary, student!.binary).mul(this.alpha);
    const others = divergence(teacher!.others, student!.others).mul(this.beta);
    return this.#reduced(targets.add(others)); // (N)
  }

  #reduced(rows: Tensor): Tensor {
    const factor = this.tau ** 2;
    if (this.original) return this.weigh(rows.sum(), this.reduction === 'batchmean' ? factor / rows.numel : factor);
    switch (this.reduction) {
      case 'none':
        return this.weigh(rows, factor);
      case 'sum':
        return this.weigh(rows.sum(), factor);
      default:
        return this.weigh(rows.mean(), factor);
    }
  }
}

/** `[log p_t, log(1 - p_t)]`, `(N, 2)`; and the log-softmax over the other classes, `(N, C)` with 0 at the target. */
function decoupled(logits: Tensor, labels: Tensor, target: Tensor): { binary: Tensor; others: Tensor } {
  const rest = logits.maskedFill(target, -Infinity);
  const odds = logits.gather(1, labels).sub(rest.logsumexp(1, true)); // (N, 1)
  return {
    binary: ops.cat([odds, odds.neg()], 1).logSigmoid(),
    others: rest.logSoftmax(1).maskedFill(target, 0), // no -Infinity goes on from here
  };
}

/** `sum_c p_c (log p_c - log q_c)` of log-probabilities: `(N, K)` to `(N)`. Nothing comes from where both are 0. */
function divergence(p: Tensor, q: Tensor): Tensor {
  return p.exp().mul(p.sub(q)).sum(1);
}

export const dkdLoss = entry(
  teacherSchema({
    tau: z.number().positive().exactOptional(),
    alpha: z.number().exactOptional(),
    beta: z.number().exactOptional(),
    reduction: z.enum(reductions).exactOptional(),
  }),
  (options) => new DKDLoss(options),
  {
    summary: 'Target class and other classes distilled apart.',
    paper: 'Zhao et al. 2022 (DKD), arXiv 2203.08679',
  },
);
