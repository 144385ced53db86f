// DIST: the correlation of student and teacher within each sample, and within each class over the batch.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Weight of the correlation over classes. Default 1. */
  interLossWeight: z.number().default(1),
  /** Weight of the correlation over samples. Default 1. */
  intraLossWeight: z.number().default(1),
  /** Temperature. Default 1. */
  tau: z.number().positive().default(1),
  /**
   * Added to the product of the norms that a correlation is divided by. With thousands of classes and a high temperature the
   * norms over samples are as small as the default: lower it there. Default 1e-8.
   */
  eps: z.number().positive().default(1e-8),
};
export interface DISTLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}

export interface DISTLossArguments {
  /** The student's logits, `(N, C)`, or `(N, C, ...)`: each place by itself, then the mean. */
  logitsS: Tensor;
  /** The teacher's logits, of the same shape. */
  logitsT: Tensor;
}

/**
 * `lossWeight * tau^2 * (inter (1 - mean_n r(q_n, p_n)) + intra (1 - mean_c r(q_c, p_c)))`, `q = softmax(logitsS / tau)`, `p` the
 * teacher's, `r` Pearson's correlation of rows (a sample over the classes) and of columns (a class over the samples); it is 0
 * where one of the two is constant.
 *
 * Huang, You, Wang, Qian, Xu: Knowledge Distillation from A Stronger Teacher, arXiv 2205.10536.
 */
export class DISTLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['logitsS', 'logitsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: DISTLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ logitsS, logitsT }: DISTLossArguments): Tensor {
    requireRank('DISTLoss', ['logitsS', logitsS], [2, 3, 4], '(N, C) or (N, C, ...)');
    requireSameShape('DISTLoss', ['logitsS', logitsS], ['logitsT', logitsT]);
    const [q, p] = sides(logitsS, logitsT, this.options.teacherDetach).map((x) =>
      x.div(this.options.tau).softmax(1),
    ) as [Tensor, Tensor];
    const inter = this.#correlation(q, p, 1).mul(-this.options.interLossWeight); // over classes
    const intra = this.#correlation(q, p, 0).mul(-this.options.intraLossWeight); // over samples
    return this.weigh(
      inter.add(intra).add(this.options.interLossWeight + this.options.intraLossWeight),
      this.options.tau ** 2,
    );
  }

  /** The mean of Pearson's correlations along `dim`. */
  #correlation(a: Tensor, b: Tensor, dim: number): Tensor {
    const [x, y] = [a, b].map((side) => side.sub(side.mean(dim, true))) as [Tensor, Tensor];
    return x
      .mul(y)
      .sum(dim)
      .div(x.norm(2, dim).mul(y.norm(2, dim)).add(this.options.eps))
      .mean();
  }
}

export const distLoss = entry(DISTLoss, {
  summary: 'Correlation of predictions over classes and over samples.',
  paper: 'Huang, You, Wang, Qian, Xu 2022 (DIST), arXiv 2205.10536',
});
