// Kullback-Leibler divergence between softened class distributions: the classic distillation loss.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './chunks.ts';
import { DistillLoss } from './loss.ts';
import { oneOf } from './named-options.ts';
import { requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair, TeacherOptions } from './sides.ts';
import { RetortError } from '../../errors.ts';

export type KLReduction = 'batchmean' | 'mean' | 'sum' | 'none';
const reductions: readonly KLReduction[] = ['batchmean', 'mean', 'sum', 'none'];

export interface KLDivergenceOptions extends TeacherOptions {
  /** Temperature: above 1 it softens both distributions. Default 1. */
  tau?: number;
  /** `batchmean` divides by N (the divergence itself), `mean` by the number of elements. Default `'batchmean'`. */
  reduction?: KLReduction;
  /**
   * Compute so many rows at a time: besides the gradient of `predsS`, nothing of the logits' size is made. For very many classes;
   * the teacher must be a constant, and the reduction not `'none'`. Default: all rows at once.
   */
  chunkSize?: number;
}

/** `(N, C)` or `(N, C, H, W)`. */
export type KLDivergenceArguments = LogitPair;

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
  readonly chunkSize: number | undefined;

  /** @throws {RetortError} for an unknown reduction, or `'none'` together with `chunkSize`. */
  constructor(options: KLDivergenceOptions = {}) {
    super(options);
    const { tau = 1, reduction = 'batchmean', teacherDetach = true, chunkSize } = options;
    this.tau = tau;
    this.reduction = oneOf('KLDivergence', 'reduction', reduction, reductions);
    this.teacherDetach = teacherDetach;
    this.chunkSize = chunkSize;
    if (chunkSize !== undefined && reduction === 'none') {
      throw new RetortError('KLDivergence: chunkSize adds rows up, but reduction is "none"', {
        help: 'leave chunkSize out, or reduce by "batchmean", "mean" or "sum"',
      });
    }
  }

  /** @throws {RetortError} when the shapes differ, or with `chunkSize` when the teacher's side requires a gradient. */
  override forward({ predsS, predsT }: KLDivergenceArguments): Tensor {
    requireSameShape('KLDivergence', ['predsS', predsS], ['predsT', predsT]);
    const factor = this.tau ** 2;
    if (this.chunkSize === undefined) return this.weigh(this.#divergence(predsS, predsT, this.reduction), factor);
    const rows = [predsS, this.teacherDetach ? predsT.detach() : predsT] as const;
    const sum = sumInChunks('KLDivergence', rows, this.chunkSize, ([s, t]) => this.#divergence(s, t!, 'sum'));
    const count = { batchmean: predsS.shape[0] ?? 1, mean: predsS.numel, sum: 1, none: 1 }[this.reduction];
    return this.weigh(sum, factor / count);
  }

  #divergence(predsS: Tensor, predsT: Tensor, reduction: KLReduction): Tensor {
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach).map((x) => x.div(this.tau).logSoftmax(1));
    return functional.klDiv(student!, teacher!, { reduction, logTarget: true });
  }
}

export const klDivergence = entry(
  teacherSchema({
    tau: z.number().positive().exactOptional(),
    reduction: z.enum(reductions).exactOptional(),
    chunkSize: z.int().positive().exactOptional(),
  }),
  (options) => new KLDivergence(options),
  {
    summary: 'KL divergence between softened class distributions.',
    paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
  },
);
