// Self-distillation over time: the teacher is a running average of the student.
import { RetortError } from '../../errors.ts';
import type { LossModel } from '../../nn/index.ts';
import { Buffer, moveAverage } from '../../nn/index.ts';
import { noGrad, tensor, tidy } from '../../torch/index.ts';
import { SingleTeacherDistill } from './single-teacher-distill.ts';
import type { SingleTeacherDistillOptions } from './single-teacher-distill.ts';

export interface EmaTeacherDistillOptions extends Omit<SingleTeacherDistillOptions, 'teacherTrainable'> {
  /** A network of the student's architecture; it takes over the student's weights. */
  teacher: LossModel;
  /** Share of the teacher that stays at each optimizer step, within [0, 1]. Default 0.999. */
  momentum?: number | undefined;
  /** Begin with a smaller momentum, `min(momentum, (1 + steps) / (10 + steps))`. Default true. */
  warmup?: boolean | undefined;
}

/**
 * After each optimizer step `teacher = momentum * teacher + (1 - momentum) * student`, parameters and floating-point buffers alike.
 *
 * Tarvainen and Valpola: Mean Teachers Are Better Role Models, arXiv 1703.01780.
 */
export class EmaTeacherDistill extends SingleTeacherDistill {
  readonly momentum: number;
  readonly #warmup: boolean;
  /** An int64 scalar: how often the teacher was moved. */
  updates: Buffer;

  /** @throws {RetortError} for a momentum outside [0, 1], or a teacher of another architecture. */
  constructor(options: EmaTeacherDistillOptions) {
    super(options);
    const { momentum = 0.999, warmup = true } = options;
    if (!(momentum >= 0 && momentum <= 1)) {
      throw new RetortError(`EmaTeacherDistill: momentum must lie within [0, 1], got ${momentum}`);
    }
    this.momentum = momentum;
    this.#warmup = warmup;
    this.updates = tidy(() => new Buffer(tensor(0, { dtype: 'int64' })));
    tidy(() => this.teacher.loadStateDict(this.architecture.stateDict()));
  }

  /** The teacher moves: it belongs to checkpoints, and is evaluated each time. */
  override frozen(): readonly [] {
    return [];
  }

  override afterStep(): void {
    noGrad(() =>
      tidy(() => {
        const steps = this.updates.item();
        const momentum = this.#warmup ? Math.min(this.momentum, (1 + steps) / (10 + steps)) : this.momentum;
        moveAverage(this.teacher.stateDict(), this.architecture.stateDict(), 1 - momentum);
        this.updates.add_(1);
      }),
    );
  }
}
