// Self-distillation over time: the teacher is a running average of the student.
import { z } from 'zod';

import type { Network } from '../../nn/index.ts';
import { Buffer, moveAverage } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad, tensor, tidy } from '../../torch/index.ts';
import { algorithmSchema, built } from './algorithm.ts';
import { SingleTeacherDistill, singleTeacherOptions } from './single-teacher-distill.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';
import type { SingleTeacherDistillOptions } from './single-teacher-distill.ts';

const parts = {
  /** A network of the student's architecture; it takes over the student's weights. */
  teacher: built<Network>('a network'),
  /** What is compared. */
  distiller: built<ConfigurableDistiller>('a distiller'),
};
const own = {
  /** Share of the teacher that stays at each optimizer step, within [0, 1]. Default 0.999. */
  momentum: z.number().min(0).max(1).default(0.999),
  /** Begin with a smaller momentum, `min(momentum, (1 + steps) / (10 + steps))`. Default true. */
  warmup: z.boolean().default(true),
};
const { teacherTrainable: _, teacherCache: _cache, ...ofSingleTeacher } = singleTeacherOptions;
/** The options besides networks and distiller, in configs too: the teacher is not trained, it follows. */
export const emaTeacherOptions = { ...ofSingleTeacher, ...own };
/** Options of {@link EmaTeacherDistill}. */
export interface EmaTeacherDistillOptions
  extends Omit<SingleTeacherDistillOptions, 'teacherTrainable' | 'teacherCache'>, OptionsFrom<typeof own> {}

/**
 * After each optimizer step `teacher = momentum * teacher + (1 - momentum) * student`, parameters and floating-point buffers alike.
 *
 * Tarvainen and Valpola: Mean Teachers Are Better Role Models, arXiv 1703.01780.
 *
 * @example
 * ```ts
 * const algorithm = new EmaTeacherDistill({ architecture: student, teacher: sameArchitecture, distiller, momentum: 0.999 });
 * const losses = algorithm.loss(images, { labels }); // 'student.loss', 'distill.loss_kl', ...
 * ```
 */
export class EmaTeacherDistill extends SingleTeacherDistill {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...emaTeacherOptions });
  readonly momentum: number;
  readonly #warmup: boolean;
  /** An int64 scalar: how often the teacher was moved. */
  updates: Buffer;

  /** @throws {RetortError} for a momentum outside [0, 1], or a teacher of another architecture. */
  constructor(options: EmaTeacherDistillOptions) {
    super(options);
    const { momentum = 0.999, warmup = true } = options;
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
