// Cross-entropy with the teacher's softened probabilities as labels, each sample with a weight of its own.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import { entry, validate } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './common/chunks.ts';
import { requireSameShape, shown } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { LogitPair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

export type SoftCEReduction = 'mean' | 'sum' | 'none';
const reductions: readonly SoftCEReduction[] = ['mean', 'sum', 'none'];

const own = {
  /** Temperature. Default 1. */
  tau: z.number().positive().default(1),
  /** Over samples. Default `'mean'`. */
  reduction: z.enum(reductions).default('mean'),
  /** Multiply by `tau^2`, so that the size of the gradient does not depend on the temperature. Default true. */
  multTemSquare: z.boolean().default(true),
  /** Compute so many rows at a time, for very many classes; see KLDivergence. Default: all rows at once. */
  chunkSize: z.int().positive().optional(),
};
export interface KDSoftCELossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

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
export class KDSoftCELoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = {
    required: ['predsS', 'predsT'],
    optional: ['weight', 'avgFactor', 'reductionOverride'],
  };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: KDSoftCELossOptions = {}) {
    super(options);
  }

  /**
   * @throws {RetortError} when shapes do not agree, `avgFactor` meets the reduction `'sum'`, or `chunkSize` meets `'none'` or a
   * teacher's side that requires a gradient.
   */
  override forward(args: KDSoftCELossArguments): Tensor {
    const { predsS, predsT, avgFactor } = args;
    const override = args.reductionOverride ?? this.options.reduction;
    const reduction = validate(own.reduction, override, 'KDSoftCELoss: reductionOverride');
    const weight = this.#weight(args.weight ?? undefined);
    if (!this.original) checkShapes(predsS, predsT, weight);
    checkReduction(reduction, avgFactor ?? undefined, this.options.chunkSize);
    const count = reduction === 'mean' ? (avgFactor ?? predsS.numel / (predsS.shape.at(-1) ?? 1)) : 1;
    const factor = (this.options.multTemSquare ? this.options.tau ** 2 : 1) / count;
    if (this.options.chunkSize !== undefined) {
      const rows = [
        predsS,
        this.options.teacherDetach ? predsT.detach() : predsT,
        ...(weight ? [weight] : []),
      ] as const;
      const sum = sumInChunks('KDSoftCELoss', rows, this.options.chunkSize, ([s, t, w]) => this.#terms(s, t!, w).sum());
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
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach).map((x) =>
      x.div(this.options.tau),
    ) as [Tensor, Tensor];
    const terms = functional.expectationTerms(teacher.softmax(-1), student.logSoftmax(-1)).sum(-1).neg();
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

export const kdSoftCELoss = entry(KDSoftCELoss, {
  summary: "Cross-entropy with the teacher's softened probabilities as labels.",
  paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
});
