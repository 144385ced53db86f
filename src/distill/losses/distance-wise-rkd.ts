// Relational distillation by distances: how far the samples of a batch are from each other.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { flattened, squaredDistances } from './pairwise.ts';
import { direction } from './roots.ts';
import { requireSameBatch } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair } from './sides.ts';

export interface DistanceWiseRKDOptions extends OpenTeacherOptions {
  /** Make each sample a unit vector first. Default true. */
  withL2Norm?: boolean;
}

/** Features or logits `(N, ...)`; only N must agree. */
export type DistanceWiseRKDArguments = LogitPair;

/**
 * `lossWeight * mean_ij huber(d_ij(predsS) - d_ij(predsT))`, `d` the euclidean distances of samples, divided by their mean over
 * all pairs of different samples; `huber(x)` is `x^2 / 2` within 1 and `|x| - 1/2` beyond. `lossWeight` is 25 by default. A batch
 * of one has no pair, and the loss 0.
 *
 * Park, Kim, Lu, Cho: Relational Knowledge Distillation, arXiv 1904.05068.
 */
export class DistanceWiseRKD extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly withL2Norm: boolean;
  readonly teacherDetach: boolean;

  constructor(options: DistanceWiseRKDOptions = {}) {
    super({ lossWeight: 25, ...options });
    const { withL2Norm = true, teacherDetach = false } = options;
    this.withL2Norm = withL2Norm;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ predsS, predsT }: DistanceWiseRKDArguments): Tensor {
    requireSameBatch('DistanceWiseRKD', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach).map((samples) => {
      const rows = flattened(samples);
      return relativeDistances(this.withL2Norm ? direction(rows) : rows);
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

export const distanceWiseRKD = entry(
  teacherSchema({ withL2Norm: z.boolean().exactOptional() }),
  (options) => new DistanceWiseRKD(options),
  {
    summary: 'Distances between the samples of a batch.',
    paper: 'Park, Kim, Lu, Cho 2019 (RKD), arXiv 1904.05068',
  },
);
