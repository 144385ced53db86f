// DIST: the correlation of student and teacher within each sample, and within each class over the batch.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classShape, samplesFirst, withoutIgnored } from './common/classes.ts';
import type { ClassOptions, ClassSettings, Masked } from './common/classes.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
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
/** Options of {@link DISTLoss}. */
export interface DISTLossOptions extends TeacherOptions, ClassOptions, OptionsFrom<typeof own> {}

/** What {@link DISTLoss} compares. */
export interface DISTLossArguments extends Masked {
  /** The student's logits, `(N, C)`, or with more positions: each position of a sample by itself, then the mean. */
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
 *
 * @example
 * ```ts
 * const loss = new DISTLoss({ interLossWeight: 2, intraLossWeight: 2, tau: 4 });
 * const value = loss.forward({ logitsS: randn([2, 10]), logitsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class DISTLoss extends DistillLoss<TeacherSettings & ClassSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Correlation of predictions over classes and over samples.',
    paper: 'Huang, You, Wang, Qian, Xu 2022 (DIST), arXiv 2205.10536',
  };
  static override readonly schema = teacherSchema({ ...own, ...classShape });
  override readonly inputs = { required: ['logitsS', 'logitsT'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: DISTLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or the mask does not fit them. */
  override forward({ logitsS, logitsT, mask }: DISTLossArguments): Tensor {
    const { dim, tau, teacherDetach, interLossWeight, intraLossWeight } = this.options;
    requireSameShape('DISTLoss', ['logitsS', logitsS], ['logitsT', logitsT]);
    const { axis, ignored, first } = samplesFirst('DISTLoss', ['logitsS', logitsS], dim, mask);
    const [q, p] = both(sides(logitsS, logitsT, teacherDetach), (logits) =>
      withoutIgnored(first(logits), ignored, axis).div(tau).softmax(axis),
    );
    const counts = ignored?.logicalNot().unsqueeze(axis).to(q.dtype); // (N, 1, ...)
    const inter = this.#distance(q, p, axis, counts).mul(interLossWeight); // over classes
    const intra = this.#distance(q, p, 0, counts).mul(intraLossWeight); // over samples
    return this.weigh(inter.add(intra), tau ** 2);
  }

  /** One minus the mean of Pearson's correlations along `dim`, of what counts; 0 where nothing does. */
  #distance(a: Tensor, b: Tensor, dim: number, counts: Tensor | undefined): Tensor {
    const [x, y] = both([a, b], (side) => centered(side, dim, counts));
    const norms = x.norm(2, dim).mul(y.norm(2, dim)).add(this.options.eps);
    const distances = x.mul(y).sum(dim).div(norms).neg().add(1);
    if (counts === undefined) return distances.mean();
    const kept = counts.expand(a.shape).amax([dim]);
    return distances.mul(kept).sum().div(kept.sum().clampMin(1));
  }
}

/** Without its mean along `dim`, of what counts; 0 where it does not. */
function centered(side: Tensor, dim: number, counts: Tensor | undefined): Tensor {
  if (counts === undefined) return side.sub(side.mean(dim, true));
  const mean = side.mul(counts).sum(dim, true).div(counts.expand(side.shape).sum(dim, true).clampMin(1));
  return side.sub(mean).mul(counts);
}
