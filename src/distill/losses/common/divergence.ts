// Distances between class distributions: what the divergences share. Each is a sum of terms, one for each class; a new one says
// what its terms are. The classes are dimension 1.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import { functional } from '../../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../../registry/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { DistillLoss, reductions } from '../loss.ts';
import { sumInChunks } from './chunks.ts';
import { requireSameShape } from './shapes.ts';
import type { LogitPair, TeacherOptions, TeacherSettings } from './sides.ts';
import { sides, teacherSchema } from './sides.ts';

const shared = {
  /** Temperature: above 1 it softens both distributions. Default 1. */
  tau: z.number().positive().default(1),
  /** `batchmean` divides by N (the divergence itself), `mean` by the number of elements. Default `'batchmean'`. */
  reduction: z.enum(reductions).default('batchmean'),
  /**
   * Compute so many rows at a time: besides the gradient of `predsS`, nothing of the logits' size is made. For very many classes;
   * the teacher must be a constant, and the reduction not `'none'`. Default: all rows at once.
   */
  chunkSize: z.int().positive().optional(),
};

export interface DivergenceOptions extends TeacherOptions, OptionsFrom<typeof shared> {}
/** The same once they are checked. */
export interface DivergenceSettings extends TeacherSettings, SettingsFrom<typeof shared> {}

/** The schema of a divergence's options: its own, and those of {@link DivergenceOptions}. */
export function divergenceSchema<S extends z.ZodRawShape>(own: S) {
  return teacherSchema({ ...shared, ...own });
}

/** `lossWeight * tau^2 * sum terms(q, p)`, `q = softmax(predsS / tau)` and `p = softmax(predsT / tau)` in log space. */
export abstract class Divergence<
  Settings extends DivergenceSettings = DivergenceSettings,
> extends DistillLoss<Settings> {
  static override readonly schema: z.ZodType = divergenceSchema({});
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense, such as reduction `'none'` together with `chunkSize`. */
  constructor(options: DivergenceOptions = {}) {
    super(options);
    if (this.options.chunkSize !== undefined && this.options.reduction === 'none') {
      throw new RetortError(`${new.target.name}: chunkSize adds rows up, but reduction is "none"`, {
        help: 'leave chunkSize out, or reduce by "batchmean", "mean" or "sum"',
      });
    }
  }

  /** The terms of the sum, of the shape of both log-probabilities; one of probability 0 has the logarithm -Infinity. */
  protected abstract terms(student: Tensor, teacher: Tensor): Tensor;

  /** What the loss is multiplied with, so that the size of its gradient does not depend on the temperature. */
  protected get scale(): number {
    return this.options.tau ** 2;
  }

  /**
   * @throws {RetortError} when the shapes differ; with `chunkSize` when the teacher's side requires a gradient; where the
   * divergence is infinite because one side rules out (logit -Infinity) a class that the other does not.
   */
  override forward({ predsS, predsT }: LogitPair): Tensor {
    const { reduction, chunkSize, teacherDetach } = this.options;
    const { name } = this.constructor;
    requireSameShape(name, ['predsS', predsS], ['predsT', predsT]);
    if (chunkSize === undefined)
      return this.weigh(functional.reduced(this.#terms(predsS, predsT), reduction), this.scale);
    const rows = [predsS, teacherDetach ? predsT.detach() : predsT] as const;
    const sum = sumInChunks(name, rows, chunkSize, ([s, t]) => this.#terms(s, t!).sum());
    const count = { batchmean: predsS.shape[0] ?? 1, mean: predsS.numel, sum: 1, none: 1 }[reduction];
    return this.weigh(sum, this.scale / count);
  }

  #terms(predsS: Tensor, predsT: Tensor): Tensor {
    const { tau, teacherDetach } = this.options;
    const [student, teacher] = sides(predsS, predsT, teacherDetach);
    return this.terms(student.div(tau).logSoftmax(1), teacher.div(tau).logSoftmax(1));
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

/** The log-softmax along dimension 1; a row without any possible class stays one of -Infinity. */
export function logSoftmaxOfPossible(x: Tensor): Tensor {
  const none = x.eq(-Infinity).all(1, true);
  return x.maskedFill(none, 0).logSoftmax(1).maskedFill(none, -Infinity);
}
