// Relational distillation by distances: how far the samples of a batch are from each other.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { flattened, squaredDistances } from './common/pairwise.ts';
import { direction } from './common/roots.ts';
import { requireSameBatch } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { LogitPair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Factor of the whole loss; with 0 a distiller does not compute it at all. Default 25. */
  lossWeight: z.number().default(25),
  /** Make each sample a unit vector first. Default true. */
  withL2Norm: z.boolean().default(true),
};
/** Options of {@link DistanceWiseRKD}. */
export interface DistanceWiseRKDOptions extends OptionsFrom<typeof own>, Omit<OpenTeacherOptions, 'lossWeight'> {}

/** Features or logits `(N, ...)`; only N must agree. */
export type DistanceWiseRKDArguments = LogitPair;

/**
 * `lossWeight * mean_ij huber(d_ij(predsS) - d_ij(predsT))`, `d` the euclidean distances of samples, divided by their mean over
 * all pairs of different samples; `huber(x)` is `x^2 / 2` within 1 and `|x| - 1/2` beyond. `lossWeight` is 25 by default. A batch
 * of one has no pair, and the loss 0.
 *
 * Park, Kim, Lu, Cho: Relational Knowledge Distillation, arXiv 1904.05068.
 *
 * @example
 * ```ts
 * const loss = new DistanceWiseRKD();
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class DistanceWiseRKD extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Distances between the samples of a batch.',
    paper: 'Park, Kim, Lu, Cho 2019 (RKD), arXiv 1904.05068',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: DistanceWiseRKDOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ predsS, predsT }: DistanceWiseRKDArguments): Tensor {
    requireSameBatch('DistanceWiseRKD', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach).map((samples) => {
      const rows = flattened(samples);
      return relativeDistances(this.options.withL2Norm ? direction(rows) : rows);
    });
    return this.weigh(functional.smoothL1Loss(student!, teacher!));
  }
}

/** Distances of rows over their mean, `(N, D)` to `(N, N)`. Those below 1e-6 count as that much, and get no gradient. */
function relativeDistances(rows: Tensor): Tensor {
  const [n = 1] = rows.shape;
  const itself = ops.eye(n, { dtype: 'bool', device: rows.device });
  const distances = squaredDistances(rows).clampMin(1e-12).sqrt().maskedFill(itself, 0);
  return n === 1 ? distances : distances.div(distances.sum().div(n * (n - 1)));
}
