// One teacher, one student: both see the batch, recorders take what the losses compare.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Inputs, LearnedBatch, Module, Network } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { addPrefixed, Algorithm, algorithmSchema, built, disableInplace, trainNorms } from './algorithm.ts';
import type { AlgorithmOptions } from './algorithm.ts';
import { namingErrors, QuietPass } from './quiet-pass.ts';
import type { LossRecord } from './parse-losses.ts';
import { teacherCacheOption } from './cache-about.ts';
import { requireFrozen, TeacherCache } from './teacher-cache.ts';
import { planOf, TeacherPlan, teacherPlanOption } from './teacher-plan.ts';

const parts = {
  /** The teacher. */
  teacher: built<Network>('a network'),
  /** What is compared. */
  distiller: built<ConfigurableDistiller>('a distiller'),
};
/** The options besides networks and distiller, in configs too. */
export const singleTeacherOptions = {
  /**
   * Train the teacher too: its losses join as `teacher.*`. Default false: it is frozen, in evaluation mode whole, outside the
   * optimizer and outside checkpoints.
   */
  teacherTrainable: z.boolean().default(false),
  /**
   * Keep the teacher's batch norms in evaluation mode. Default true. False: they use the statistics of the batch and move their
   * running ones, in a frozen teacher too.
   */
  teacherNormEval: z.boolean().default(true),
  /** Train the student. Default true. False: it is frozen and in evaluation mode. */
  studentTrainable: z.boolean().default(true),
  /** Add the student's own losses, as `student.*`. Default true. */
  calculateStudentLoss: z.boolean().default(true),
  /** Leave in-place activations of the teacher on; records taken before one are then refused. Default false. */
  teacherModuleInplace: z.boolean().default(false),
  /**
   * Compute the teacher's batch norms as part of the convolutions before them, where nothing taps in between: faster, and equal up
   * to rounding. For a teacher that is frozen with `teacherNormEval`. Default false.
   */
  foldTeacherNorms: z.boolean().default(false),
  /**
   * What is done so that a frozen teacher costs little: `'auto'`, `'exact'` (equal up to rounding of float32), `'plain'` (nothing), or by
   * hand. Default `'auto'`; with `compat`, `'plain'`.
   */
  teacherPlan: teacherPlanOption.default('auto'),
  /** Keep what recorders take from a frozen teacher in a folder, and read it from there. Default: none. */
  teacherCache: teacherCacheOption.optional(),
};
/** Options of {@link SingleTeacherDistill}. */
export interface SingleTeacherDistillOptions
  extends AlgorithmOptions, OptionsFrom<typeof parts>, OptionsFrom<typeof singleTeacherOptions> {}

/**
 * Hinton, Vinyals, Dean, arXiv 1503.02531, and every offline method with one teacher. Losses: `student.*`, `teacher.*`, `distill.*`.
 *
 * @example
 * ```ts
 * const algorithm = new SingleTeacherDistill({ architecture: student, teacher, distiller });
 * const losses = algorithm.loss(images, { labels }); // 'student.loss', 'distill.loss_kl', ...
 * ```
 */
export class SingleTeacherDistill extends Algorithm {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...singleTeacherOptions });
  readonly teacher: Network;
  readonly distiller: ConfigurableDistiller;
  readonly teacherTrainable: boolean;
  readonly teacherNormEval: boolean;
  readonly studentTrainable: boolean;
  readonly calculateStudentLoss: boolean;
  readonly foldTeacherNorms: boolean;
  /** Whether distillation is over: the teacher is not run any more and only the student's own losses are left. */
  distillationStopped = false;
  readonly #teacherPass: QuietPass;
  readonly #studentPass: QuietPass;
  readonly #plan: TeacherPlan;
  readonly #cache: TeacherCache | undefined;

  /** @throws {RetortError} for `foldTeacherNorms` with a teacher that changes. */
  constructor(options: SingleTeacherDistillOptions) {
    super(options);
    this.teacher = options.teacher;
    this.distiller = options.distiller;
    this.teacherTrainable = options.teacherTrainable ?? false;
    this.teacherNormEval = options.teacherNormEval ?? true;
    this.studentTrainable = options.studentTrainable ?? true;
    this.calculateStudentLoss = options.calculateStudentLoss ?? true;
    this.foldTeacherNorms = options.foldTeacherNorms ?? false;
    if (this.foldTeacherNorms && (this.teacherTrainable || !this.teacherNormEval)) {
      throw new RetortError(
        `${this.constructor.name}: foldTeacherNorms: expected norms that do not change, got a teacher that is trained or measures`,
        {
          help: 'it goes with teacherTrainable false and teacherNormEval true, the defaults',
        },
      );
    }
    if (options.teacherModuleInplace !== true) disableInplace(this.teacher);
    if (!this.teacherTrainable) this.teacher.requiresGrad_(false);
    if (!this.studentTrainable && !this.original) this.architecture.requiresGrad_(false);
    this.distiller.prepareFromStudent(this.architecture);
    this.distiller.prepareFromTeacher(this.teacher);
    this.#plan = new TeacherPlan({
      option: this.original || this.teacherTrainable ? 'plain' : planOf(options),
      distiller: this.distiller,
      teachers: { teacher: this.teacher },
      constant: () => this.frozen().length > 0,
      foldNorms: this.foldTeacherNorms,
      run: (batch) => this.runTeacher(this.seenByTeacher(batch)),
      losses: (batch) => this.lossesOf(batch),
      root: this,
    });
    const { teacherCache } = options;
    if (teacherCache !== undefined) {
      requireFrozen(new.target.name, this.frozen());
      this.#cache = new TeacherCache({
        option: teacherCache,
        distiller: this.distiller,
        teachers: { teacher: this.teacher },
        run: (batch) => this.runTeacher(this.seenByTeacher(batch)),
        root: this,
      });
    }
    const quiet = { distiller: this.distiller, losses: this.quietLosses };
    this.#teacherPass = new QuietPass({ ...quiet, sides: ['teacher'], networks: this.teacher });
    this.#studentPass = new QuietPass({ ...quiet, sides: ['student'], networks: this.architecture });
    this.train();
  }

  override evaluated(): Readonly<Record<string, Network>> {
    return { student: this.student, ...(this.#hasTeacher() ? { teacher: this.teacher } : {}) };
  }

  override absent(): Readonly<Record<string, Network>> {
    return this.#hasTeacher() ? {} : { teacher: this.teacher };
  }

  /** Whether its weights are here. */
  #hasTeacher(): boolean {
    return this.#cache?.hasWeights ?? true;
  }

  override frozen(): readonly Module[] {
    return this.teacherTrainable || !this.teacherNormEval ? [] : [this.teacher];
  }

  override distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return { distiller: this.distiller };
  }

  protected override get plan(): TeacherPlan | undefined {
    return this.distillationStopped ? undefined : this.#plan;
  }

  /** @internal */
  override get cache(): TeacherCache | undefined {
    return this.#cache;
  }

  override setProgress(progress: TrainingProgress): void {
    this.distiller.setProgress(progress);
  }

  override train(mode = true): this {
    super.train(mode);
    if (!mode) return this;
    // The original leaves everything of the teacher but its norms in training mode, dropout too, and the student always.
    if (!this.teacherTrainable && !this.original) this.teacher.eval();
    trainNorms(this.teacher, !this.teacherNormEval);
    if (!this.studentTrainable && !this.original) this.architecture.eval();
    return this;
  }

  protected override lossesOf(batch: LearnedBatch): LossRecord {
    const { distiller } = this;
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    const distilling = !this.distillationStopped;
    const { cache } = this;
    if (cache !== undefined && distilling) span('teacher', undefined, () => cache.pass(batch));
    else if (distilling || this.teacherTrainable) {
      const ofTeacher = this.runTeacher(this.seenByTeacher(batch));
      if (this.teacherTrainable) addPrefixed(losses, 'teacher', ofTeacher);
    }
    if (this.calculateStudentLoss) {
      const run = (): Record<string, Tensor> => this.ownLosses('the student', this.architecture, batch);
      const student = (): Record<string, Tensor> => (this.studentLearns() ? run() : noGrad(run));
      addPrefixed(losses, 'student', distilling ? distiller.studentPass(student) : student());
    } else if (distilling) {
      this.#studentPass.run((forward) => {
        const run = (): unknown => forward(this.architecture, batch.inputs, batch.targets);
        return distiller.studentPass(() => (this.studentLearns() ? run() : noGrad(run)));
      });
    }
    if (distilling) {
      addPrefixed(losses, 'distill', distiller.forward(batch));
      distiller.endStep();
    }
    return losses;
  }

  /** Whether the student's forward is recorded for gradients; the original looks at studentTrainable only without its losses. */
  private studentLearns(): boolean {
    return this.studentTrainable || (this.original && this.calculateStudentLoss);
  }

  private seenByTeacher(batch: LearnedBatch): LearnedBatch {
    return { ...batch, inputs: batch.views?.['teacher'] ?? batch.inputs };
  }

  /** Runs a teacher that does not change, inside its recorders: without gradients, as the plan says. */
  protected teacherPass(inputs: Inputs, run: (inputs: Inputs) => unknown): void {
    this.#plan.teacherPass(() => namingErrors('the teacher', () => this.#plan.run('teacher', inputs, run)));
  }

  /** Runs the teacher inside its recorders on what it sees; its losses, where it is trained by them. */
  protected runTeacher(batch: LearnedBatch): LossRecord {
    if (this.teacherTrainable) {
      const run = (): LossRecord => this.ownLosses('the teacher', this.teacher, batch);
      return this.distiller.teacherPass(() => namingErrors('the teacher', run));
    }
    this.#teacherPass.run((forward) =>
      this.teacherPass(batch.inputs, (inputs) => forward(this.teacher, inputs, batch.targets)),
    );
    return {};
  }
}
