// Kullback-Leibler divergence between softened class distributions: the classic distillation loss.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions } from './loss.ts';
import { requireSameShape } from './shapes.ts';

export type KLReduction = 'batchmean' | 'mean' | 'sum' | 'none';

export interface KLDivergenceOptions extends LossOptions {
  /** Temperature: above 1 it softens both distributions. Default 1. */
  tau?: number;
  /** `batchmean` divides by N (the divergence itself), `mean` by the number of elements. Default `'batchmean'`. */
  reduction?: KLReduction;
  /** Keep gradients from the teacher's side. Default true. */
  teacherDetach?: boolean;
}

export interface KLDivergenceArguments {
  /** The student's logits, `(N, C)` or `(N, C, H, W)`. */
  predsS: Tensor;
  /** The teacher's logits, of the same shape. */
  predsT: Tensor;
}

/**
 * `lossWeight * tau^2 * KL(softmax(predsT / tau) || softmax(predsS / tau))`, the softmax over dimension 1.
 * Computed in log space: finite in value and gradient for any finite logits.
 *
 * Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
 */
export class KLDivergence extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly tau: number;
  readonly reduction: KLReduction;
  readonly teacherDetach: boolean;

  constructor(options: KLDivergenceOptions = {}) {
    super(options);
    const { tau = 1, reduction = 'batchmean', teacherDetach = true } = options;
    this.tau = tau;
    this.reduction = reduction;
    this.teacherDetach = teacherDetach;
  }

  override forward({ predsS, predsT }: KLDivergenceArguments): Tensor {
    requireSameShape('KLDivergence', ['predsS', predsS], ['predsT', predsT]);
    const target = this.teacherDetach ? predsT.detach() : predsT;
    const student = predsS.div(this.tau).logSoftmax(1);
    const teacher = target.div(this.tau).logSoftmax(1);
    const divergence = functional.klDiv(student, teacher, { reduction: this.reduction, logTarget: true });
    return this.weigh(divergence, this.tau ** 2);
  }
}

export const klDivergence = entry(
  lossSchema({
    tau: z.number().positive().exactOptional(),
    reduction: z.enum(['batchmean', 'mean', 'sum', 'none']).exactOptional(),
    teacherDetach: z.boolean().exactOptional(),
  }),
  (options) => new KLDivergence(options),
  {
    summary: 'KL divergence between softened class distributions.',
    paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
  },
);
