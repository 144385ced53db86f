// Distances between class distributions: what the divergences share. Each is a sum of terms, one for each class; a new one says
// what its terms are. The classes are dimension 1.
import { z } from 'zod';

import type { Tensor } from '../../torch/index.ts';
import type { KLReduction } from './kl-divergence.ts';
import { DistillLoss } from './loss.ts';
import { oneOf } from './named-options.ts';
import { requireSameShape } from './shapes.ts';
import type { LogitPair, TeacherOptions } from './sides.ts';
import { sides, teacherSchema } from './sides.ts';

export interface DivergenceOptions extends TeacherOptions {
  /** Temperature: above 1 it softens both distributions. Default 1. */
  tau?: number;
  /** `batchmean` divides by N (the divergence itself), `mean` by the number of elements. Default `'batchmean'`. */
  reduction?: KLReduction;
}

/** The schema of a divergence's options: its own, and those of {@link DivergenceOptions}. */
export function divergenceSchema<S extends z.ZodRawShape>(own: S) {
  return teacherSchema({
    tau: z.number().positive().exactOptional(),
    reduction: z.enum(['batchmean', 'mean', 'sum', 'none']).exactOptional(),
    ...own,
  });
}

/** `lossWeight * tau^2 * sum terms(q, p)`, `q = softmax(predsS / tau)` and `p = softmax(predsT / tau)` in log space. */
export abstract class Divergence extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly tau: number;
  readonly reduction: KLReduction;
  readonly teacherDetach: boolean;

  constructor(options: DivergenceOptions = {}) {
    super(options);
    const { tau = 1, reduction = 'batchmean', teacherDetach = true } = options;
    this.tau = tau;
    this.reduction = oneOf(new.target.name, 'reduction', reduction, ['batchmean', 'mean', 'sum', 'none']);
    this.teacherDetach = teacherDetach;
  }

  /** The terms of the sum, of the shape of both log-probabilities. */
  protected abstract terms(student: Tensor, teacher: Tensor): Tensor;

  /** What the loss is multiplied with, so that the size of its gradient does not depend on the temperature. */
  protected get scale(): number {
    return this.tau ** 2;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: LogitPair): Tensor {
    requireSameShape(this.constructor.name, ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach);
    const terms = this.terms(student.div(this.tau).logSoftmax(1), teacher.div(this.tau).logSoftmax(1));
    return this.weigh(reduceTerms(terms, this.reduction), this.scale);
  }
}

/** `from (log from - log to)`, term by term, of log-probabilities. */
export function klTerms(from: Tensor, to: Tensor): Tensor {
  return from.exp().mul(from.sub(to));
}

/** `log(weight exp(a) + (1 - weight) exp(b))` for a weight within (0, 1): never through the probabilities themselves. */
export function logMixture(a: Tensor, b: Tensor, weight: number): Tensor {
  return a.add(Math.log(weight)).logaddexp(b.add(Math.log1p(-weight)));
}

function reduceTerms(terms: Tensor, reduction: KLReduction): Tensor {
  switch (reduction) {
    case 'none':
      return terms;
    case 'mean':
      return terms.mean();
    case 'sum':
      return terms.sum();
    default:
      return terms.sum().div(terms.shape[0] ?? 1);
  }
}
