// A temperature that is learned against the student: it makes the task harder as training goes on.
import { z } from 'zod';

import { Buffer, functional, Parameter } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { noGrad, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classShape, divisorOf, positionsOf, samplesFirst, withoutIgnored } from './common/classes.ts';
import type { ClassOptions, ClassSettings } from './common/classes.ts';
import type { DivergenceArguments } from './common/divergence.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** The least temperature. Default 1. */
  tauStart: z.number().positive().default(1),
  /** What can come on top: the temperature lies within `(tauStart, tauStart + tauRange)`. Default 20. */
  tauRange: z.number().positive().default(20),
  /** How strongly the temperature works against the student in the end. Default 1. */
  lambdaMax: z.number().nonnegative().default(1),
  /**
   * Over so many training steps that strength rises from 0, along a cosine (10 epochs in the paper). Default 0: it is there at
   * once.
   */
  rampSteps: z.int().nonnegative().default(0),
};
/** Options of {@link CTKDLoss}. */
export interface CTKDLossOptions extends TeacherOptions, ClassOptions, OptionsFrom<typeof own> {}
/** What {@link CTKDLoss} compares. */
export type CTKDLossArguments = DivergenceArguments;

/**
 * `lossWeight * tau^2 * KL(softmax(predsT / tau) || softmax(predsS / tau))` with a learned `tau = tauStart + tauRange
 * sigmoid(global_T)`, the mean over samples. The gradient that reaches `global_T` is multiplied by `-lambda`: the student
 * lowers the loss, the temperature raises it. `lambda = lambdaMax (1 - cos(pi min(step / rampSteps, 1))) / 2` counts forwards
 * in training mode. The paper's global variant; `global_T` must be given to the optimizer.
 *
 * Li et al.: Curriculum Temperature for Knowledge Distillation, arXiv 2211.16231.
 *
 * @example
 * ```ts
 * const loss = new CTKDLoss();
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class CTKDLoss extends DistillLoss<TeacherSettings & ClassSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'KL divergence at a temperature learned against the student.',
    paper: 'Li et al. 2022 (CTKD), arXiv 2211.16231',
  };
  static override readonly schema = teacherSchema({ ...own, ...classShape });
  override readonly inputs = { required: ['predsS', 'predsT'], optional: ['mask'] };
  /** `(1)`, at first 1, as the authors'. */
  readonly global_T: Parameter;
  /** Forwards in training mode so far, int64. */
  readonly step: Buffer;

  constructor(options: CTKDLossOptions = {}) {
    super(options);
    this.global_T = tidy(() => new Parameter(tensor([1])));
    this.step = tidy(() => new Buffer(tensor(0n)));
  }

  /** How strongly the temperature works against the student now. */
  get lambda(): number {
    const progress = this.options.rampSteps === 0 ? 1 : Math.min(this.step.item() / this.options.rampSteps, 1);
    return (this.options.lambdaMax * (1 - Math.cos(Math.PI * progress))) / 2;
  }

  /** @throws {RetortError} when the shapes differ, or the mask does not fit them. */
  override forward({ predsS, predsT, mask }: CTKDLossArguments): Tensor {
    requireSameShape('CTKDLoss', ['predsS', predsS], ['predsT', predsT]);
    const { axis, ignored, first } = samplesFirst('CTKDLoss', ['predsS', predsS], this.options.dim, mask);
    const { lambda } = this;
    if (this.training) noGrad(() => void this.step.add_(1));
    const [student, teacher] = both(sides(predsS, predsT, this.options.teacherDetach), (logits) =>
      withoutIgnored(first(logits), ignored, axis),
    );
    const reversed = this.global_T.mul(-lambda).add(this.global_T.detach().mul(1 + lambda)); // the value of global_T
    const tau = reversed.sigmoid().mul(this.options.tauRange).add(this.options.tauStart); // (1)
    const terms = functional.klTerms(softened(teacher, tau, axis), softened(student, tau, axis));
    const divergence = terms.sum().div(divisorOf('batchmean', positionsOf(student, axis), { ignored }));
    return this.weigh(divergence.mul(tau.square().squeeze()));
  }
}

/** The log-softmax at a temperature that is learned: a logit of -Infinity tells it nothing. */
function softened(logits: Tensor, tau: Tensor, axis: number): Tensor {
  const none = logits.eq(-Infinity);
  return logits.maskedFill(none, 0).div(tau).maskedFill(none, -Infinity).logSoftmax(axis);
}
