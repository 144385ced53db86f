// Cross-entropy with the teacher's softened probabilities as labels, each sample with a weight of its own.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './chunks.ts';
import { DistillLoss } from './loss.ts';
import { oneOf } from './named-options.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { requireSameShape, shown } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair } from './sides.ts';

export type SoftCEReduction = 'mean' | 'sum' | 'none';
const reductions: readonly SoftCEReduction[] = ['mean', 'sum', 'none'];

export interface KDSoftCELossOptions extends OpenTeacherOptions {
  /** Temperature. Default 1. */
  tau?: number;
  /** Over samples. Default `'mean'`. */
  reduction?: SoftCEReduction;
  /** Multiply by `tau^2`, so that the size of the gradient does not depend on the temperature. Default true. */
  multTemSquare?: boolean;
  /** Compute so many rows at a time, for very many classes; see KLDivergence. Default: all rows at once. */
  chunkSize?: number;
}

/** Logits `(N, C)` or `(N, ..., C)`: the classes along the last dimension. */
export interface KDSoftCELossArguments extends LogitPair {
  /** A weight for each sample, `(N)` or `(N, ...)`. Default none. */
  weight?: Tensor | null;
  /** What `'mean'` divides the sum by. Default: the number of samples. */
  avgFactor?: number | null;
  /** In place of the option, for this call. */
  reductionOverride?: SoftCEReduction | null;
}

/**
 * `lossWeight * tau^2 * mean_n weight_n * -sum_c softmax(predsT / tau)_c log softmax(predsS / tau)_c`.
 *
 * Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
 */
export class KDSoftCELoss extends DistillLoss {
  override readonly inputs = {
    required: ['predsS', 'predsT'],
    optional: ['weight', 'avgFactor', 'reductionOverride'],
  };
  readonly tau: number;
  readonly reduction: SoftCEReduction;
  readonly multTemSquare: boolean;
  readonly teacherDetach: boolean;
  readonly chunkSize: number | undefined;

  /** @throws {RetortError} for an unknown reduction. */
  constructor(options: KDSoftCELossOptions = {}) {
    super(options);
    const { tau = 1, reduction = 'mean', multTemSquare = true, teacherDetach = false, chunkSize } = options;
    this.tau = tau;
    this.reduction = oneOf('KDSoftCELoss', 'reduction', reduction, reductions);
    this.multTemSquare = multTemSquare;
    this.teacherDetach = teacherDetach;
    this.chunkSize = chunkSize;
  }

  /**
   * @throws {RetortError} when shapes do not agree, `avgFactor` meets the reduction `'sum'`, or `chunkSize` meets `'none'` or a
   * teacher's side that requires a gradient.
   */
  override forward(args: KDSoftCELossArguments): Tensor {
    const { predsS, predsT, avgFactor } = args;
    const override = args.reductionOverride ?? this.reduction;
    const reduction = oneOf('KDSoftCELoss', 'reductionOverride', override, reductions);
    const weight = this.#weight(args.weight ?? undefined);
    if (!this.original) checkShapes(predsS, predsT, weight);
    checkReduction(reduction, avgFactor ?? undefined, this.chunkSize);
    const count = reduction === 'mean' ? (avgFactor ?? predsS.numel / (predsS.shape.at(-1) ?? 1)) : 1;
    const factor = (this.multTemSquare ? this.tau ** 2 : 1) / count;
    if (this.chunkSize !== undefined) {
      const rows = [predsS, this.teacherDetach ? predsT.detach() : predsT, ...(weight ? [weight] : [])] as const;
      const sum = sumInChunks('KDSoftCELoss', rows, this.chunkSize, ([s, t, w]) => this.#terms(s, t!, w).sum());
      return this.weigh(sum, factor);
    }
    const terms = this.#terms(predsS, predsT, weight);
    return this.weigh(reduction === 'none' ? terms : terms.sum(), factor);
  }

  /** MMRazor rounds weights to float32, whatever the logits are. */
  #weight(weight: Tensor | undefined): Tensor | undefined {
    return this.original ? weight?.to('float32') : weight;
  }

  /** The weighted cross-entropy of each sample: `(N, C)` to `(N)`. */
  #terms(predsS: Tensor, predsT: Tensor, weight: Tensor | undefined): Tensor {
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach).map((x) => x.div(this.tau)) as [
      Tensor,
      Tensor,
    ];
    const terms = teacher.softmax(-1).mul(student.logSoftmax(-1)).sum(-1).neg();
    return weight === undefined ? terms : terms.mul(weight.to(terms.dtype));
  }
}

function checkShapes(predsS: Tensor, predsT: Tensor, weight: Tensor | undefined): void {
  requireSameShape('KDSoftCELoss', ['predsS', predsS], ['predsT', predsT]);
  const [given, wanted] = [weight?.shape, predsS.shape.slice(0, -1)];
  if (given === undefined || (given.length === wanted.length && given.every((size, i) => size === wanted[i]))) return;
  throw new RetortError(
    `KDSoftCELoss: weight: ${shown(wanted)}, a weight for each sample of predsS ${shown(predsS.shape)}, was expected, got ${shown(given)}`,
  );
}

function checkReduction(reduction: SoftCEReduction, avgFactor?: number, chunkSize?: number): void {
  if (avgFactor !== undefined && reduction === 'sum') {
    throw new RetortError('KDSoftCELoss: avgFactor divides a mean, but the reduction is "sum"', {
      help: 'reduce by "mean", or leave avgFactor out',
    });
  }
  if (chunkSize !== undefined && reduction === 'none') {
    throw new RetortError('KDSoftCELoss: chunkSize adds rows up, but the reduction is "none"', {
      help: 'reduce by "mean" or "sum", or leave chunkSize out',
    });
  }
}

export const kdSoftCELoss = entry(
  teacherSchema({
    tau: z.number().positive().exactOptional(),
    reduction: z.enum(reductions).exactOptional(),
    multTemSquare: z.boolean().exactOptional(),
    chunkSize: z.int().positive().exactOptional(),
  }),
  (options) => new KDSoftCELoss(options),
  {
    summary: "Cross-entropy with the teacher's softened probabilities as labels.",
    paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
  },
);
