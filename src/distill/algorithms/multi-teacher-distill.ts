// Several frozen teachers at once, one student.
import { z } from 'zod';

import { ModuleDict } from '../../nn/index.ts';
import type { LearnedBatch, Module, Network } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { addPrefixed, Algorithm, algorithmSchema, built, disableInplace, requireTeachers } from './algorithm.ts';
import type { AlgorithmOptions } from './algorithm.ts';
import { namingErrors, QuietPass } from './quiet-pass.ts';
import type { LossRecord } from './parse-losses.ts';
import { teacherCacheOption } from './cache-about.ts';
import { TeacherCache } from './teacher-cache.ts';
import { planOf, TeacherPlan, teacherPlanOption } from './teacher-plan.ts';

const parts = {
  /** The teachers by name; teacher recorders name them first: `res34.head.fc`. */
  teachers: z.record(z.string(), built<Network>('a network')),
  /** What is compared. */
  distiller: built<ConfigurableDistiller>('a distiller'),
};
/** The options besides networks and distiller, in configs too. */
export const multiTeacherOptions = {
  /** Add the student's own losses, as `student.*`. Default true. */
  calculateStudentLoss: z.boolean().default(true),
  /** As in {@link SingleTeacherDistill}, for all teachers. Default false. */
  foldTeacherNorms: z.boolean().default(false),
  /** As in {@link SingleTeacherDistill}, one plan for all teachers. Default `'auto'`; with `compat`, `'plain'`. */
  teacherPlan: teacherPlanOption.default('auto'),
  /** Keep what recorders take from a frozen teacher in a folder, and read it from there. Default: none. */
  teacherCache: teacherCacheOption.optional(),
};
/** Options of {@link MultiTeacherDistill}. */
export interface MultiTeacherDistillOptions
  extends AlgorithmOptions, OptionsFrom<typeof parts>, OptionsFrom<typeof multiTeacherOptions> {}

/**
 * An ensemble of teachers, each with recorders of its own (the source begins with the teacher's name) and, where the data has a
 * view of that name, with inputs of its own. A teacher's weight is the `lossWeight` of the losses that read it; a loss over
 * several teachers (`SoftLabelEnsemble`) takes a list of records. All teachers are frozen and in evaluation mode.
 *
 * You et al.: Learning from Multiple Teacher Networks, KDD 2017.
 *
 * @example
 * ```ts
 * const algorithm = new MultiTeacherDistill({ architecture: student, teachers: { res34, res50 }, distiller });
 * const losses = algorithm.loss(images, { labels }); // 'student.loss', 'distill.loss_kl', ...
 * ```
 */
export class MultiTeacherDistill extends Algorithm {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...multiTeacherOptions });
  readonly teachers: ModuleDict<Network>;
  readonly distiller: ConfigurableDistiller;
  readonly calculateStudentLoss: boolean;
  readonly foldTeacherNorms: boolean;
  /** Whether distillation is over: the teachers are not run any more. */
  distillationStopped = false;
  readonly #teacherPass: QuietPass;
  readonly #studentPass: QuietPass;
  readonly #plan: TeacherPlan;
  readonly #cache: TeacherCache | undefined;

  /** @throws {RetortError} when there is no teacher, or one is named `student`. */
  constructor(options: MultiTeacherDistillOptions) {
    super(options);
    requireTeachers(new.target.name, options.teachers);
    this.teachers = new ModuleDict(options.teachers);
    this.distiller = options.distiller;
    this.calculateStudentLoss = options.calculateStudentLoss ?? true;
    this.foldTeacherNorms = options.foldTeacherNorms ?? false;
    disableInplace(this.teachers);
    this.teachers.requiresGrad_(false);
    this.distiller.prepareFromStudent(this.architecture);
    this.distiller.prepareFromTeacher(this.teachers);
    this.#plan = new TeacherPlan({
      option: this.original ? 'plain' : planOf(options),
      distiller: this.distiller,
      teachers: options.teachers,
      constant: () => true,
      foldNorms: this.foldTeacherNorms,
      run: (batch) => this.#runTeachers(batch),
      losses: (batch) => this.lossesOf(batch),
      root: this,
    });
    if (options.teacherCache !== undefined) {
      this.#cache = new TeacherCache({
        option: options.teacherCache,
        distiller: this.distiller,
        teachers: options.teachers,
        run: (batch) => this.#runTeachers(batch),
        root: this,
      });
    }
    const quiet = { distiller: this.distiller, losses: this.quietLosses };
    this.#teacherPass = new QuietPass({ ...quiet, sides: ['teacher'], networks: this.teachers });
    this.#studentPass = new QuietPass({ ...quiet, sides: ['student'], networks: this.architecture });
    this.train();
  }

  override evaluated(): Readonly<Record<string, Network>> {
    return { student: this.student, ...(this.#hasTeachers() ? Object.fromEntries(this.#named()) : {}) };
  }

  override absent(): Readonly<Record<string, Network>> {
    return this.#hasTeachers() ? {} : Object.fromEntries(this.#named());
  }

  /** Whether their weights are here. */
  #hasTeachers(): boolean {
    return this.#cache?.hasWeights ?? true;
  }

  override frozen(): readonly Module[] {
    return [this.teachers];
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
    this.teachers.eval();
    return this;
  }

  protected override lossesOf(batch: LearnedBatch): LossRecord {
    const { distiller } = this;
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    const distilling = !this.distillationStopped;
    const { cache } = this;
    if (cache !== undefined && distilling) span('teacher', undefined, () => cache.pass(batch));
    else if (distilling) this.#runTeachers(batch);
    if (this.calculateStudentLoss) {
      const student = (): Record<string, Tensor> => this.ownLosses('the student', this.architecture, batch);
      addPrefixed(losses, 'student', distilling ? distiller.studentPass(student) : student());
    } else if (distilling) {
      this.#studentPass.run((forward) =>
        distiller.studentPass(() => forward(this.architecture, batch.inputs, batch.targets)),
      );
    }
    if (distilling) {
      addPrefixed(losses, 'distill', distiller.forward(batch));
      distiller.endStep();
    }
    return losses;
  }

  #runTeachers({ inputs, targets, views = {} }: LearnedBatch): void {
    this.#teacherPass.run((forward) =>
      this.#plan.teacherPass(() => {
        for (const [name, teacher] of this.#named()) {
          const run = (): void =>
            this.#plan.run(name, views[name] ?? inputs, (seen) => forward(teacher, seen, targets));
          namingErrors(`teacher "${name}"`, () => span('teacher', name, run));
        }
      }),
    );
  }

  #named(): [string, Network][] {
    return this.teachers.keys().map((name) => [name, this.teachers.get(name)]);
  }
}
