// A temperature that is learned against the student: it makes the task harder as training goes on.
import { z } from 'zod';

import { Buffer, Parameter } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { noGrad, tensor, tidy } from '../../torch/index.ts';
import { klTerms } from './divergence.ts';
import { DistillLoss } from './loss.ts';
import { requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair, TeacherOptions } from './sides.ts';

export interface CTKDLossOptions extends TeacherOptions {
  /** The least temperature. Default 1. */
  tauStart?: number;
  /** What can come on top: the temperature lies within `(tauStart, tauStart + tauRange)`. Default 20. */
  tauRange?: number;
  /** How strongly the temperature works against the student in the end. Default 1. */
  lambdaMax?: number;
  /**
   * Over so many training steps that strength rises from 0, along a cosine (10 epochs in the paper). Default 0: it is there at
   * once.
   */
  rampSteps?: number;
}
export type CTKDLossArguments = LogitPair;

/**
 * `lossWeight * tau^2 * KL(softmax(predsT / tau) || softmax(predsS / tau))` with a learned `tau = tauStart + tauRange
 * sigmoid(global_T)`, the mean over samples. The gradient that reaches `global_T` is multiplied by `-lambda`: the student
 * lowers the loss, the temperature raises it. `lambda = lambdaMax (1 - cos(pi min(step / rampSteps, 1))) / 2` counts forwards
 * in training mode. The paper's global variant; `global_T` must be given to the optimiser.
 *
 * Li et al.: Curriculum Temperature for Knowledge Distillation, arXiv 2211.16231.
 */
export class CTKDLoss extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  /** `(1)`, at first 1, as the authors'. */
  readonly global_T: Parameter;
  /** Forwards in training mode so far, int64. */
  readonly step: Buffer;
  readonly tauStart: number;
  readonly tauRange: number;
  readonly lambdaMax: number;
  readonly rampSteps: number;
  readonly teacherDetach: boolean;

  constructor(options: CTKDLossOptions = {}) {
    super(options);
    const { tauStart = 1, tauRange = 20, lambdaMax = 1, rampSteps = 0, teacherDetach = true } = options;
    this.tauStart = tauStart;
    this.tauRange = tauRange;
    this.lambdaMax = lambdaMax;
    this.rampSteps = rampSteps;
    this.teacherDetach = teacherDetach;
    this.global_T = tidy(() => new Parameter(tensor([1])));
    this.step = tidy(() => new Buffer(tensor(0n)));
  }

  /** How strongly the temperature works against the student now. */
  get lambda(): number {
    const progress = this.rampSteps === 0 ? 1 : Math.min(this.step.item() / this.rampSteps, 1);
    return (this.lambdaMax * (1 - Math.cos(Math.PI * progress))) / 2;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: CTKDLossArguments): Tensor {
    requireSameShape('CTKDLoss', ['predsS', predsS], ['predsT', predsT]);
    const { lambda } = this;
    if (this.training) noGrad(() => void this.step.add_(1));
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach);
    const reversed = this.global_T.mul(-lambda).add(this.global_T.detach().mul(1 + lambda)); // the value of global_T
    const tau = reversed.sigmoid().mul(this.tauRange).add(this.tauStart); // (1)
    const terms = klTerms(teacher.div(tau).logSoftmax(1), student.div(tau).logSoftmax(1));
    const divergence = terms.sum().div(predsS.shape[0] ?? 1);
    return this.weigh(divergence.mul(tau.square().squeeze()));
  }
}

export const ctkdLoss = entry(
  teacherSchema({
    tauStart: z.number().positive().exactOptional(),
    tauRange: z.number().positive().exactOptional(),
    lambdaMax: z.number().nonnegative().exactOptional(),
    rampSteps: z.int().nonnegative().exactOptional(),
  }),
  (options) => new CTKDLoss(options),
  {
    summary: 'KL divergence at a temperature learned against the student.',
    paper: 'Li et al. 2022 (CTKD), arXiv 2211.16231',
  },
);
