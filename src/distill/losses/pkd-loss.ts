// Pearson distillation: feature maps by their correlation, so that the teacher's scale does not matter.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { Tensor } from '../../torch/index.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Where sizes differ, bring the student's map to the teacher's size; false: the teacher's to the student's. Default true. */
  resizeStu: z.boolean().default(true),
};
/** Options of {@link PKDLoss}. */
export interface PKDLossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** What {@link PKDLoss} compares. */
export interface PKDLossArguments {
  /** The student's feature maps, `(N, C, H, W)`: one, or one for each level. */
  predsS: Tensor | Iterable<Tensor>;
  /** The teacher's, as many, with the same channels. */
  predsT: Tensor | Iterable<Tensor>;
}

/**
 * `lossWeight * sum_levels mean (n(s) - n(t))^2 / 2`, `n(x) = (x - mean) / (std + 1e-6)` of each channel over samples and positions
 * (the unbiased deviation): about `1 - r`, Pearson's correlation. Maps of other sizes are resized (bilinear).
 *
 * Cao et al.: PKD: General Distillation Framework for Object Detectors via Pearson Correlation Coefficient, arXiv 2207.02039.
 *
 * @example
 * ```ts
 * const loss = new PKDLoss();
 * const value = loss.forward({ predsS: randn([2, 16, 4, 4]), predsT: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class PKDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Squared difference of standardized feature maps: their Pearson correlation.',
    paper: 'Cao et al. 2022 (PKD), arXiv 2207.02039',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: PKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when there are not as many maps on both sides, or their shapes differ in more than the size. */
  override forward({ predsS, predsT }: PKDLossArguments): Tensor {
    const [students, teachers] = [levels(predsS), levels(predsT)];
    if (students.length !== teachers.length || students.length === 0) {
      throw new RetortError(
        `PKDLoss: predsS and predsT: expected as many maps, at least one, got ${students.length} and ${teachers.length}`,
      );
    }
    const losses = students.map((student, i) => this.#level(student, teachers[i]!));
    return this.weigh(losses.reduce((total, one) => total.add(one)));
  }

  #level(predS: Tensor, predT: Tensor): Tensor {
    requireRank('PKDLoss', ['predsS', predS], [4], '(N, C, H, W)');
    requireRank('PKDLoss', ['predsT', predT], [4], '(N, C, H, W)');
    let [student, teacher] = sides(predS, predT, this.options.teacherDetach);
    if (this.options.resizeStu) student = resized(student, teacher.shape);
    else teacher = resized(teacher, student.shape);
    requireSameShape('PKDLoss', ['predsS', student], ['predsT', teacher]);
    return functional.mseLoss(standardized(student), standardized(teacher)).div(2);
  }
}

function levels(maps: Tensor | Iterable<Tensor>): Tensor[] {
  return maps instanceof Tensor ? [maps] : [...maps];
}

/** `(N, C, ...)` at the height and width of another shape. */
function resized(maps: Tensor, [, , height, width]: readonly number[]): Tensor {
  if (maps.shape[2] === height && maps.shape[3] === width) return maps;
  return functional.interpolate(maps, { size: [height!, width!], mode: 'bilinear', alignCorners: false });
}

/** Mean 0 and deviation 1 for each channel; zero where a channel is one number. */
function standardized(maps: Tensor): Tensor {
  const centered = maps.sub(maps.mean([0, 2, 3], true));
  if (maps.numel === maps.shape[1]) return centered;
  return centered.div(maps.std([0, 2, 3], true, true).add(1e-6));
}
