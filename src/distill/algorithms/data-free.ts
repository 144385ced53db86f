// What algorithms without data share: teachers and a generator that makes the images, and a student that learns on what it made.
import { z } from 'zod';

import { ModuleDict } from '../../nn/index.ts';
import type { LearnedBatch, Module, Network, Targets } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { Algorithm, built, disableInplace, requireTeachers } from './algorithm.ts';
import type { AlgorithmOptions } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';
import { namingErrors, QuietPass } from './quiet-pass.ts';
import { TeacherPlan, teacherPlanOption } from './teacher-plan.ts';

/** What makes images `(N, C, H, W)` from latent vectors `(N, latentDim)`. */
export interface ImageGenerator extends Module {
  readonly latentDim: number;
  forward(latent: Tensor): Tensor;
}

/** The networks and the distiller of {@link DataFree}. */
export const dataFreeParts = {
  /** What the student is trained with. */
  distiller: built<ConfigurableDistiller>('a distiller'),
  /** The teachers by name; teacher recorders name them first: `res34.head.fc`. */
  teachers: z.record(z.string(), built<Network>('a network')),
  /** What makes the images. */
  generator: built<ImageGenerator>('a generator'),
};
/** Its other options, in configs too. */
export const dataFreeOptions = {
  /**
   * As in {@link SingleTeacherDistill}, where the student is trained: gradients of the generator flow through the teachers, which are
   * then run plainly. Default `'auto'`; with `compat`, `'plain'`.
   */
  teacherPlan: teacherPlanOption.default('auto'),
};
/** Options of {@link DataFree}. */
export interface DataFreeOptions
  extends AlgorithmOptions, OptionsFrom<typeof dataFreeParts>, OptionsFrom<typeof dataFreeOptions> {}

/** Frozen teachers, a generator, and a student that learns from the teachers on generated images: see the head of this file. */
export abstract class DataFree extends Algorithm {
  readonly teachers: ModuleDict<Network>;
  readonly generator: ImageGenerator;
  readonly distiller: ConfigurableDistiller;
  readonly #plan: TeacherPlan;
  readonly #passes: Record<'teacher' | 'student', QuietPass>;

  /** @throws {RetortError} when there is no teacher, or one is named `student`. */
  constructor(options: DataFreeOptions) {
    super(options);
    requireTeachers(new.target.name, options.teachers);
    this.teachers = new ModuleDict(options.teachers);
    this.generator = options.generator;
    this.distiller = options.distiller;
    disableInplace(this.teachers);
    this.teachers.requiresGrad_(false);
    this.prepare(this.distiller);
    this.#plan = new TeacherPlan({
      option: this.original ? 'plain' : (options.teacherPlan ?? 'auto'),
      distiller: this.distiller,
      teachers: options.teachers,
      constant: () => true,
      foldNorms: false,
      run: (batch) => this.#runPlanned(batch),
      losses: ({ inputs, targets }) => this.studentLosses(inputs as Tensor, targets),
      root: this,
    });
    this.#passes = this.passesOf(this.distiller);
    this.train();
  }

  override evaluated(): Readonly<Record<string, Network>> {
    return { student: this.student, ...Object.fromEntries(this.namedTeachers()) };
  }

  override frozen(): readonly Module[] {
    return [this.teachers];
  }

  override distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return { distiller: this.distiller };
  }

  protected override get plan(): TeacherPlan {
    return this.#plan;
  }

  override setProgress(progress: TrainingProgress): void {
    for (const distiller of Object.values(this.distillersByName())) distiller.setProgress(progress);
  }

  override train(mode = true): this {
    super.train(mode);
    this.teachers.eval();
    return this;
  }

  /** Finds what a distiller records. */
  protected prepare(distiller: ConfigurableDistiller): void {
    distiller.prepareFromStudent(this.architecture);
    distiller.prepareFromTeacher(this.teachers);
  }

  /** How the networks are run in a distiller's recorders. */
  protected passesOf(distiller: ConfigurableDistiller): Record<'teacher' | 'student', QuietPass> {
    const quiet = { distiller, losses: this.quietLosses };
    return {
      teacher: new QuietPass({ ...quiet, sides: ['teacher'], networks: this.teachers }),
      student: new QuietPass({ ...quiet, sides: ['student'], networks: this.architecture }),
    };
  }

  /** What the student is trained on. @param images generated, outside the graph */
  protected studentLosses(images: Tensor, targets: Targets): LossRecord {
    const batch = { inputs: images, targets };
    return this.lossesIn(this.distiller, this.#passes, batch, () => this.#runPlanned(batch));
  }

  /** A distiller's losses of a batch, once `runTeachers` has run the teachers in its recorders. */
  protected lossesIn(
    distiller: ConfigurableDistiller,
    passes: Readonly<Record<'student', QuietPass>>,
    batch: LearnedBatch,
    runTeachers: () => void,
  ): LossRecord {
    const { inputs, targets } = batch;
    runTeachers();
    passes.student.run((forward) => distiller.studentPass(() => forward(this.architecture, inputs, targets)));
    const losses = distiller.forward(batch);
    distiller.endStep();
    return losses;
  }

  /** Runs the teachers for the student, as the plan says. */
  #runPlanned({ inputs, targets }: LearnedBatch): void {
    this.#passes.teacher.run((forward) =>
      this.#plan.teacherPass(
        () =>
          void this.eachTeacher((name, network) =>
            this.#plan.run(name, inputs, (seen) => forward(network, seen, targets)),
          ),
      ),
    );
  }

  /** Runs `body` for each teacher; what goes wrong in it is said to be of that teacher. */
  protected eachTeacher<T>(body: (name: string, network: Network) => T): T[] {
    return this.namedTeachers().map(([name, network]) =>
      namingErrors(`teacher "${name}"`, () => span('teacher', name, () => body(name, network))),
    );
  }

  protected namedTeachers(): [string, Network][] {
    return this.teachers.keys().map((name) => [name, this.teachers.get(name)]);
  }
}
