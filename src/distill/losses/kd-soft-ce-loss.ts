// Cross-entropy with the teacher's softened probabilities as labels, each sample with a weight of its own.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import { validate } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './common/chunks.ts';
import type { Rows } from './common/chunks.ts';
import { classAxis, divisorOf, ignoredBy, positionsOf, rowsOf, withoutIgnored } from './common/classes.ts';
import type { Masked } from './common/classes.ts';
import { requireSameShape, shown } from './common/shapes.ts';
import { both, openTeacherSchema, sides } from './common/sides.ts';
import type { LogitPair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss, reductions } from './loss.ts';
import type { Reduction } from './loss.ts';

/** How {@link KDSoftCELoss} reduces the terms of positions. */
export type SoftCEReduction = Exclude<Reduction, 'batchmean'>;

const own = {
  /** Temperature. Default 1. */
  tau: z.number().positive().default(1),
  /** The axis of the classes; negative ones count from the last, -1. All others are positions. Default -1. */
  dim: z.int().default(-1),
  /** Over positions, each of them a sample. Default `'mean'`. */
  reduction: z.enum(reductions).exclude(['batchmean']).default('mean'),
  /** Multiply by `tau^2`, so that the size of the gradient does not depend on the temperature. Default true. */
  multTemSquare: z.boolean().default(true),
  /** Compute so many rows at a time, for very many classes; see KLDivergence. Default: all rows at once. */
  chunkSize: z.int().positive().optional(),
};
/** Options of {@link KDSoftCELoss}. */
export interface KDSoftCELossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** Logits of one shape, which of their positions count, and a weight for each. */
export interface KDSoftCELossArguments extends LogitPair, Masked {
  /** A weight for each position, of the shape of the logits without their axis of classes. Default none. */
  weight?: Tensor | null;
  /** What `'mean'` divides the sum by. Default: the number of positions that count. */
  avgFactor?: number | null;
  /** In place of the option, for this call. */
  reductionOverride?: SoftCEReduction | null;
}

/**
 * `lossWeight * tau^2 * mean_n weight_n * -sum_c softmax(predsT / tau)_c log softmax(predsS / tau)_c`, the softmax along `dim`,
 * here the last axis by default; each position is a sample.
 *
 * Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
 *
 * @example
 * ```ts
 * const loss = new KDSoftCELoss({ tau: 4 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class KDSoftCELoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: "Cross-entropy with the teacher's softened probabilities as labels.",
    paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = {
    required: ['predsS', 'predsT'],
    optional: ['weight', 'avgFactor', 'reductionOverride', 'mask'],
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
    const axis = classAxis('KDSoftCELoss', ['predsS', predsS], this.options.dim);
    const positions = positionsOf(predsS, axis);
    if (!this.original) checkShapes(predsS, predsT, weight, positions);
    checkReduction(reduction, avgFactor ?? undefined, this.options.chunkSize);
    const ignored = ignoredBy('KDSoftCELoss', ['predsS', predsS], axis, args.mask);
    const count = reduction === 'mean' ? (avgFactor ?? divisorOf('mean', positions, { ignored })) : 1;
    const factor = (this.options.multTemSquare ? this.options.tau ** 2 : 1) / count;
    const [student, teacher] = [predsS, predsT].map((logits) => logits.movedim(axis, -1)) as [Tensor, Tensor];
    const beside: Beside = { weight, ignored };
    if (this.options.chunkSize !== undefined) return this.weigh(this.#inChunks(student, teacher, beside), factor);
    const terms = this.#terms(student, teacher, beside);
    return this.weigh(reduction === 'none' ? terms : terms.sum(), factor);
  }

  #inChunks(student: Tensor, teacher: Tensor, { weight, ignored }: Beside): Tensor {
    const rows = rowsOf(this.options.teacherDetach ? teacher.detach() : teacher, teacher.ndim - 1);
    const given = [weight, ignored].flatMap((one) => (one === undefined ? [] : [one.reshape([-1])]));
    const sum = ([s, t, ...more]: Rows): Tensor =>
      this.#terms(s, t!, { weight: weight && more[0], ignored: ignored && more.at(-1) }).sum();
    return sumInChunks(
      'KDSoftCELoss',
      [rowsOf(student, student.ndim - 1), rows, ...given],
      this.options.chunkSize!,
      sum,
    );
  }

  /** MMRazor rounds weights to float32, whatever the logits are. */
  #weight(weight: Tensor | undefined): Tensor | undefined {
    return this.original ? weight?.to('float32') : weight;
  }

  /** The weighted cross-entropy of each position: `(N, ..., C)` to `(N, ...)`. */
  #terms(predsS: Tensor, predsT: Tensor, { weight, ignored }: Beside): Tensor {
    const [student, teacher] = both(sides(predsS, predsT, this.options.teacherDetach), (logits) =>
      withoutIgnored(logits, ignored, -1).div(this.options.tau),
    );
    const terms = functional.expectationTerms(teacher.softmax(-1), student.logSoftmax(-1)).sum(-1).neg();
    const weighted = weight === undefined ? terms : terms.mul(weight.to(terms.dtype));
    return ignored === undefined ? weighted : weighted.maskedFill(ignored, 0);
  }
}

/** What stands beside the logits, for each position. */
interface Beside {
  weight: Tensor | undefined;
  ignored: Tensor | undefined;
}

function checkShapes(predsS: Tensor, predsT: Tensor, weight: Tensor | undefined, wanted: readonly number[]): void {
  requireSameShape('KDSoftCELoss', ['predsS', predsS], ['predsT', predsT]);
  const given = weight?.shape;
  if (given === undefined || (given.length === wanted.length && given.every((size, i) => size === wanted[i]))) return;
  throw new RetortError(
    `KDSoftCELoss: weight: expected ${shown(wanted)}, a weight for each sample of predsS ${shown(predsS.shape)}, got ${shown(given)}`,
  );
}

function checkReduction(reduction: SoftCEReduction, avgFactor?: number, chunkSize?: number): void {
  if (avgFactor !== undefined && reduction === 'sum') {
    throw new RetortError('KDSoftCELoss: avgFactor: expected the reduction "mean", which it divides, got "sum"', {
      help: 'reduce by "mean", or leave avgFactor out',
    });
  }
  if (chunkSize !== undefined && reduction === 'none') {
    throw new RetortError('KDSoftCELoss: chunkSize: expected a reduction that adds rows up, got "none"', {
      help: 'reduce by "mean" or "sum", or leave chunkSize out',
    });
  }
}
