// Distances between class distributions: what the divergences share. Each is a sum of terms, one for each class; a new one says
// what its terms are.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import type { OptionsFrom, SettingsFrom } from '../../../registry/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { DistillLoss, reductions } from '../loss.ts';
import { sumInChunks } from './chunks.ts';
import type { Rows } from './chunks.ts';
import { classShape, divisorOf, positionsOf, rowsOf, samplesFirst, withoutIgnored } from './classes.ts';
import type { ClassOptions, ClassSettings, Masked } from './classes.ts';
import { requireSameShape } from './shapes.ts';
import type { LogitPair, TeacherOptions, TeacherSettings } from './sides.ts';
import { sides, teacherSchema } from './sides.ts';

const shared = {
  /** Temperature: above 1 it softens both distributions. Default 1. */
  tau: z.number().positive().default(1),
  /** `batchmean` divides by N, the samples, `mean` by the number of elements: of those that count. Default `'batchmean'`. */
  reduction: z.enum(reductions).default('batchmean'),
  /**
   * Compute so many samples at a time, or positions where the classes are the last axis: besides the gradient of `predsS`, nothing of the logits' size is made. For very many classes;
   * the teacher must be a constant, and the reduction not `'none'`. Default: all rows at once.
   */
  chunkSize: z.int().positive().optional(),
};

/** Options of {@link Divergence}. */
export interface DivergenceOptions extends TeacherOptions, ClassOptions, OptionsFrom<typeof shared> {}
/** The same once they are checked. */
export interface DivergenceSettings extends TeacherSettings, ClassSettings, SettingsFrom<typeof shared> {}

/** Logits of one shape, and which of their positions count. */
export interface DivergenceArguments extends LogitPair, Masked {}

/** The schema of a divergence's options: its own, and those of {@link DivergenceOptions}. */
export function divergenceSchema<S extends z.ZodRawShape>(own: S) {
  return teacherSchema({ ...shared, ...classShape, ...own });
}

/**
 * `lossWeight * tau^2 * sum terms(q, p)`, `q = softmax(predsS / tau)` and `p = softmax(predsT / tau)` in log space, the softmax along
 * `dim`.
 */
export abstract class Divergence<
  Settings extends DivergenceSettings = DivergenceSettings,
> extends DistillLoss<Settings> {
  static override readonly schema: z.ZodType = divergenceSchema({});
  override readonly inputs = { required: ['predsS', 'predsT'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense, such as reduction `'none'` together with `chunkSize`. */
  constructor(options: DivergenceOptions = {}) {
    super(options);
    if (this.options.chunkSize !== undefined && this.options.reduction === 'none') {
      throw new RetortError(`${new.target.name}: chunkSize: expected a reduction that adds rows up, got "none"`, {
        help: 'leave chunkSize out, or reduce by "batchmean", "mean" or "sum"',
      });
    }
  }

  /**
   * The terms of the sum, of the shape of both log-probabilities; one of probability 0 has the logarithm -Infinity.
   * @param axis the axis of the classes
   */
  protected abstract terms(student: Tensor, teacher: Tensor, axis: number): Tensor;

  /** What the loss is multiplied with, so that the size of its gradient does not depend on the temperature. */
  protected get scale(): number {
    return this.options.tau ** 2;
  }

  /**
   * Infinite where one side rules out (logit -Infinity) a class that the other does not, as the divergence is;
   * {@link explainNonFinite} says where.
   * @throws {RetortError} when the shapes differ, or the mask does not fit them; with `chunkSize` when the teacher's side requires a
   * gradient.
   */
  override forward({ predsS, predsT, mask }: DivergenceArguments): Tensor {
    const { reduction, chunkSize, teacherDetach, dim } = this.options;
    const { name } = this.constructor;
    requireSameShape(name, ['predsS', predsS], ['predsT', predsT]);
    const { axis, ignored, first, back } = samplesFirst(name, ['predsS', predsS], dim, mask);
    const [student, teacher] = [first(predsS), first(teacherDetach ? predsT.detach() : predsT)];
    if (reduction === 'none') return this.weigh(back(this.#terms(student, teacher, axis, ignored)), this.scale);
    const sum =
      chunkSize === undefined
        ? this.#terms(student, teacher, axis, ignored).sum()
        : this.#inChunks(student, teacher, axis, ignored);
    const divisor = divisorOf(reduction, positionsOf(student, axis), { classes: student.shape[axis]!, ignored });
    return this.weigh(sum, this.scale / divisor);
  }

  /** Rows are positions where the classes are last, and samples elsewhere: views, no copies. */
  #inChunks(student: Tensor, teacher: Tensor, axis: number, ignored: Tensor | undefined): Tensor {
    const isLast = axis === student.ndim - 1;
    const rows = [student, teacher].map((logits) => (isLast ? rowsOf(logits, axis) : logits)) as [Tensor, Tensor];
    const beside = ignored === undefined ? [] : [isLast ? ignored.reshape([-1]) : ignored];
    const sum = ([s, t, i]: Rows): Tensor => this.#terms(s, t!, isLast ? 1 : axis, i).sum();
    return sumInChunks(this.constructor.name, [...rows, ...beside], this.options.chunkSize!, sum);
  }

  #terms(predsS: Tensor, predsT: Tensor, axis: number, ignored: Tensor | undefined): Tensor {
    const { tau, teacherDetach } = this.options;
    const [student, teacher] = sides(predsS, predsT, teacherDetach).map((logits) =>
      withoutIgnored(logits, ignored, axis).div(tau).logSoftmax(axis),
    ) as [Tensor, Tensor];
    return withoutIgnored(this.terms(student, teacher, axis), ignored, axis);
  }
}

/** `log(weight exp(a) + (1 - weight) exp(b))` for a weight within (0, 1): never through the probabilities themselves. */
export function logMixture(a: Tensor, b: Tensor, weight: number): Tensor {
  const none = a.eq(-Infinity).logicalAnd(b.eq(-Infinity)); // the gradient of logaddexp is NaN there
  const [x, y] = [a.maskedFill(none, 0), b.maskedFill(none, 0)];
  return x
    .add(Math.log(weight))
    .logaddexp(y.add(Math.log1p(-weight)))
    .maskedFill(none, -Infinity);
}

/** `log sum exp(x)` along `dim`, which stays with length 1; -Infinity, without gradient, where all are -Infinity. */
export function logSum(x: Tensor, dim: number): Tensor {
  const none = x.eq(-Infinity).all(dim, true);
  return x.maskedFill(none, 0).logsumexp(dim, true).maskedFill(none, -Infinity);
}

/** The log-softmax of rows `(M, C)`; a row without any possible class stays one of -Infinity. */
export function logSoftmaxOfPossible(x: Tensor): Tensor {
  const none = x.eq(-Infinity).all(1, true);
  return x.maskedFill(none, 0).logSoftmax(1).maskedFill(none, -Infinity);
}
