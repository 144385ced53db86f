// Weighted soft labels: a sample counts for more the further the student is behind the teacher on its true class.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classAxis, labeledRows, labelShape, meanOf } from './common/classes.ts';
import type { Labeled, LabelOptions, LabelSettings } from './common/classes.ts';
import { requireSameShape, shown } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Temperature. Default 1. */
  tau: z.number().positive().default(1),
  /** How many classes the logits must have, as a check. Default: any. */
  numClasses: z.int().positive().optional(),
};
/** Options of {@link WSLD}. */
export interface WSLDOptions extends OpenTeacherOptions, LabelOptions, OptionsFrom<typeof own> {}

/** What {@link WSLD} compares. */
export interface WSLDArguments extends Labeled {
  /** The student's logits, `(N, C)` or with more positions, each of them a sample. */
  student: Tensor;
  /** The teacher's logits, of the same shape. */
  teacher: Tensor;
}

/**
 * `lossWeight * tau^2 * mean_n (1 - exp(-L_s / (L_t + 1e-7))) * -sum_c softmax(teacher / tau)_c log softmax(student / tau)_c`,
 * `L` the cross-entropy of each with the true class, at temperature 1 and a constant.
 *
 * Zhou et al.: Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance Tradeoff Perspective, arXiv 2102.00650.
 *
 * @example
 * ```ts
 * const loss = new WSLD({ tau: 2 });
 * const value = loss.forward({ student: randn([2, 10]), teacher: randn([2, 10]), gtLabels: tensor([3n, 7n]) }); // a scalar
 * ```
 */
export class WSLD extends DistillLoss<TeacherSettings & LabelSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Soft labels, weighted by how far the student is behind the teacher.',
    paper: 'Zhou et al. 2021 (WSLD), arXiv 2102.00650',
  };
  static override readonly schema = openTeacherSchema({ ...own, ...labelShape });
  override readonly inputs = {
    required: ['student', 'teacher', 'gtLabels'],
    optional: ['mask'],
    classes: ['gtLabels'],
  };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: WSLDOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when shapes do not agree, or a label is outside `[0, C)`. */
  override forward({ student, teacher, gtLabels, mask }: WSLDArguments): Tensor {
    const { tau, numClasses, teacherDetach, dim } = this.options;
    requireSameShape('WSLD', ['student', student], ['teacher', teacher]);
    const classes = student.shape[classAxis('WSLD', ['student', student], dim)];
    if (numClasses !== undefined && classes !== numClasses) {
      throw new RetortError(
        `WSLD: student: expected ${numClasses} classes (numClasses), got ${shown(student.shape)}, ${classes} classes`,
        { help: 'leave numClasses out: any number of classes is taken then' },
      );
    }
    const named = [
      ['student', student],
      ['teacher', teacher],
    ] as const;
    const { rows, labels } = labeledRows('WSLD', named, this.options, { gtLabels, mask });
    const [ours, theirs] = sides(...rows, teacherDetach);
    const own = (logits: Tensor): Tensor => functional.crossEntropy(logits.detach(), labels, { reduction: 'none' });
    const [behind, ahead] = [own(ours), own(theirs).add(1e-7)];
    const equal = behind.eq(Infinity).logicalAnd(ahead.eq(Infinity)); // both rule the true class out
    const focus = behind.div(ahead).maskedFill(equal, 1).neg().expm1().neg(); // (N), within [0, 1]
    const [logQ, p] = [ours.div(tau).logSoftmax(1), theirs.div(tau).softmax(1)];
    const soft = functional.expectationTerms(p, logQ).sum(1); // (N)
    return this.weigh(meanOf(focus.mul(soft).neg()), tau ** 2);
  }
}
