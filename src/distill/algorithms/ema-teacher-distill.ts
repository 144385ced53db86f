// Self-distillation over time: the teacher is a running average of the student.
import { RetortError } from '../../errors.ts';
import type { LossModel } from '../../nn/index.ts';
import { Buffer } from '../../nn/index.ts';
import { callOperator, noGrad, tensor, tidy } from '../../torch/index.ts';
import { SingleTeacherDistill } from './single-teacher-distill.ts';
import type { SingleTeacherDistillOptions } from './single-teacher-distill.ts';

export interface EmaTeacherDistillOptions extends Omit<SingleTeacherDistillOptions, 'teacherTrainable'> {
  /** A network of the student's architecture; it takes over the student's weights. */
  teacher: LossModel;
  /** Share of the teacher that stays at each step, within [0, 1]. Default 0.999. */
  momentum?: number | undefined;
  /** Begin with a smaller momentum, `min(momentum, (1 + steps) / (10 + steps))`. Default true. */
  warmup?: boolean | undefined;
}

/**
 * After each step `teacher = momentum * teacher + (1 - momentum) * student`, parameters and floating-point buffers alike.
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
        const [ours, theirs] = [this.teacher.stateDict(), this.architecture.stateDict()];
        const floating = Object.keys(ours).filter((name) => /float/.test(ours[name]!.dtype));
        const targets = floating.map((name) => ours[name]!);
        callOperator('_foreach_mul_', [targets, momentum]);
        callOperator('_foreach_add_', [targets, floating.map((name) => theirs[name]!), { alpha: 1 - momentum }]);
        for (const name of Object.keys(ours)) {
          if (!/float/.test(ours[name]!.dtype)) ours[name]!.copy_(theirs[name]!);
        }
        this.updates.add_(1);
      }),
    );
  }
}
