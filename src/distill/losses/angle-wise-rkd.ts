// Relational distillation by angles: the triangles that the samples of a batch form.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { flattened, gram } from './common/pairwise.ts';
import { direction } from './common/roots.ts';
import { requireSameBatch } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { LogitPair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Factor of the whole loss; with 0 a distiller does not compute it at all. Default 50. */
  lossWeight: z.number().default(50),
  /** Make each sample a unit vector first. Default true. */
  withL2Norm: z.boolean().default(true),
};
/** Options of {@link AngleWiseRKD}. */
export interface AngleWiseRKDOptions extends OptionsFrom<typeof own>, Omit<OpenTeacherOptions, 'lossWeight'> {}

/** Features or logits `(N, ...)`; only N must agree. */
export type AngleWiseRKDArguments = LogitPair;

/**
 * `lossWeight * mean_ijk huber(c_ijk(predsS) - c_ijk(predsT))`, `c_ijk` the cosine of the angle at sample i between j and k;
 * `huber(x)` is `x^2 / 2` within 1 and `|x| - 1/2` beyond. `lossWeight` is 50 by default. Memory grows with `N^2 (N + D)`.
 *
 * Park, Kim, Lu, Cho: Relational Knowledge Distillation, arXiv 1904.05068.
 *
 * @example
 * ```ts
 * const loss = new AngleWiseRKD();
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class AngleWiseRKD extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Angles between the samples of a batch.',
    paper: 'Park, Kim, Lu, Cho 2019 (RKD), arXiv 1904.05068',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: AngleWiseRKDOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ predsS, predsT }: AngleWiseRKDArguments): Tensor {
    requireSameBatch('AngleWiseRKD', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach).map((samples) => {
      const rows = flattened(samples);
      return angles(this.options.withL2Norm ? direction(rows) : rows);
    });
    return this.weigh(functional.smoothL1Loss(student!, teacher!));
  }
}

/** Cosines of the angles at each row between all others: `(N, D)` to `(N, N, N)`. */
function angles(rows: Tensor): Tensor {
  const between = rows.unsqueeze(0).sub(rows.unsqueeze(1)); // (N, N, D): from i to j
  return gram(direction(between, 2));
}
