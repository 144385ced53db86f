// Masked generative distillation: the teacher's map against the one that a connector makes from a masked student's.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { LogitPair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** The weight of the paper, besides `lossWeight`. Default 2e-5. */
  alphaMgd: z.number().default(2e-5),
};
/** Options of {@link MGDLoss}. */
export interface MGDLossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** Feature maps `(N, C, H, W)` of one shape; the student's through MGDConnector. */
export type MGDLossArguments = LogitPair;

/**
 * `lossWeight * alphaMgd / N * sum (predsS - predsT)^2`.
 *
 * Yang et al.: Masked Generative Distillation, arXiv 2205.01529.
 *
 * @example
 * ```ts
 * const loss = new MGDLoss({ alphaMgd: 7e-5 });
 * const value = loss.forward({ predsS: randn([2, 16, 4, 4]), predsT: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class MGDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Squared difference of feature maps, the student generating from a masked one.',
    paper: 'Yang et al. 2022 (MGD), arXiv 2205.01529',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: MGDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: MGDLossArguments): Tensor {
    requireRank('MGDLoss', ['predsS', predsS], [4], '(N, C, H, W)');
    requireSameShape('MGDLoss', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach);
    return this.weigh(student.sub(teacher).square().sum(), this.options.alphaMgd / predsS.shape[0]!);
  }
}
