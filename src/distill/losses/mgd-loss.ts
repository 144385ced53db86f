// Masked generative distillation: the teacher's map against the one that a connector makes from a masked student's.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { requireRank, requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair } from './sides.ts';

export interface MGDLossOptions extends OpenTeacherOptions {
  /** The weight of the paper, besides `lossWeight`. Default 2e-5. */
  alphaMgd?: number;
}

/** Feature maps `(N, C, H, W)` of one shape; the student's through MGDConnector. */
export type MGDLossArguments = LogitPair;

/**
 * `lossWeight * alphaMgd / N * sum (predsS - predsT)^2`.
 *
 * Yang et al.: Masked Generative Distillation, arXiv 2205.01529.
 */
export class MGDLoss extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly alphaMgd: number;
  readonly teacherDetach: boolean;

  constructor(options: MGDLossOptions = {}) {
    super(options);
    const { alphaMgd = 2e-5, teacherDetach = false } = options;
    this.alphaMgd = alphaMgd;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: MGDLossArguments): Tensor {
    requireRank('MGDLoss', ['predsS', predsS], [4], '(N, C, H, W)');
    requireSameShape('MGDLoss', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach);
    return this.weigh(student.sub(teacher).square().sum(), this.alphaMgd / predsS.shape[0]!);
  }
}

export const mgdLoss = entry(
  teacherSchema({ alphaMgd: z.number().exactOptional() }),
  (options) => new MGDLoss(options),
  {
    summary: 'Squared difference of feature maps, the student generating from a masked one.',
    paper: 'Yang et al. 2022 (MGD), arXiv 2205.01529',
  },
);
