// Distillation without data: a generator makes the images, the student learns on them from the teachers, and the generator
// learns what is hard for the student.
import { z } from 'zod';

import { ModuleDict, sizeOf } from '../../nn/index.ts';
import type { Inputs, LearnedBatch, Module, Network, Targets } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad, randn } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { addPrefixed, Algorithm, algorithmSchema, built, disableInplace, requireTeachers } from './algorithm.ts';
import type { AlgorithmOptions, Update } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';
import { namingErrors, QuietPass } from './quiet-pass.ts';
import { TeacherPlan, teacherPlanOption } from './teacher-plan.ts';

/** What makes images `(N, C, H, W)` from latent vectors `(N, latentDim)`. */
export interface ImageGenerator extends Module {
  readonly latentDim: number;
  forward(latent: Tensor): Tensor;
}

const parts = {
  /** What the student is trained with. */
  distiller: built<ConfigurableDistiller>('a distiller'),
  /** What the generator is trained with. */
  generatorDistiller: built<ConfigurableDistiller>('a distiller'),
  /** The teachers by name; teacher recorders name them first: `res34.head.fc`. */
  teachers: z.record(z.string(), built<Network>('a network')),
  /** What makes the images. */
  generator: built<ImageGenerator>('a generator'),
};
/** The options besides networks and distillers, in configs too. */
export const dataFreeOptions = {
  /** Updates of the student per step. Default 1. */
  studentIter: z.int().positive().default(1),
  /** Update the student before the generator. Default false. */
  studentTrainFirst: z.boolean().default(false),
  /**
   * As in {@link SingleTeacherDistill}, where the student is trained: gradients of the generator flow through the teachers, which are
   * then run plainly. Default `'auto'`; with `compat`, `'plain'`.
   */
  teacherPlan: teacherPlanOption.default('auto'),
};
/** Options of {@link DataFreeDistillation}. */
export interface DataFreeDistillationOptions
  extends AlgorithmOptions, OptionsFrom<typeof parts>, OptionsFrom<typeof dataFreeOptions> {}

/**
 * Each step updates the generator once and the student `studentIter` times, each on fresh latents from libtorch's generator. A
 * batch gives the number of images; its images are not looked at. Only the part that is
 * updated gets gradients. Teachers are frozen and in evaluation mode. Losses: `distill.*`, `generator.*`.
 *
 * Optimizers go by part: `architecture` and `generator`. Fang et al.: Data-Free Adversarial Distillation, arXiv 1912.11006;
 * Micaelli and Storkey: Zero-shot Knowledge Transfer, arXiv 1905.09768.
 *
 * @example
 * ```ts
 * const algorithm = new DataFreeDistillation({
 *   architecture: student,
 *   teachers: { teacher },
 *   generator: new DAFLGenerator({ imgSize: 32, latentDim: 100, hiddenChannels: 128 }),
 *   distiller,
 *   generatorDistiller,
 * });
 * ```
 */
export class DataFreeDistillation extends Algorithm {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...dataFreeOptions });
  readonly teachers: ModuleDict<Network>;
  readonly generator: ImageGenerator;
  readonly distiller: ConfigurableDistiller;
  readonly generator_distiller: ConfigurableDistiller;
  readonly studentIter: number;
  readonly studentTrainFirst: boolean;
  readonly #plan: TeacherPlan;
  readonly #passes: ReadonlyMap<ConfigurableDistiller, Record<'teacher' | 'student', QuietPass>>;

  /** @throws {RetortError} when there is no teacher, one is named `student`, or studentIter is not a positive integer. */
  constructor(options: DataFreeDistillationOptions) {
    super(options);
    requireTeachers(new.target.name, options.teachers);
    this.studentIter = options.studentIter ?? 1;
    this.studentTrainFirst = options.studentTrainFirst ?? false;
    this.teachers = new ModuleDict(options.teachers);
    this.generator = options.generator;
    this.distiller = options.distiller;
    this.generator_distiller = options.generatorDistiller;
    disableInplace(this.teachers);
    this.teachers.requiresGrad_(false);
    for (const distiller of [this.distiller, this.generator_distiller]) {
      distiller.prepareFromStudent(this.architecture);
      distiller.prepareFromTeacher(this.teachers);
    }
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
    this.#passes = new Map(
      [this.distiller, this.generator_distiller].map((distiller) => {
        const quiet = { distiller, losses: this.quietLosses };
        return [
          distiller,
          {
            teacher: new QuietPass({ ...quiet, sides: ['teacher'], networks: this.teachers }),
            student: new QuietPass({ ...quiet, sides: ['student'], networks: this.architecture }),
          },
        ] as const;
      }),
    );
    this.train();
  }

  override evaluated(): Readonly<Record<string, Network>> {
    return { student: this.student, ...Object.fromEntries(this.#named()) };
  }

  override frozen(): readonly Module[] {
    return [this.teachers];
  }

  override distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return { distiller: this.distiller, generatorDistiller: this.generator_distiller };
  }

  protected override get plan(): TeacherPlan {
    return this.#plan;
  }

  override setProgress(progress: TrainingProgress): void {
    this.distiller.setProgress(progress);
    this.generator_distiller.setProgress(progress);
  }

  override train(mode = true): this {
    super.train(mode);
    this.teachers.eval();
    return this;
  }

  /** The losses of one update of each part, in the order of training, on fresh latents; nothing is updated. */
  protected override lossesOf(batch: LearnedBatch): LossRecord {
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    const student = (): void =>
      addPrefixed(losses, 'distill', this.studentLosses(this.fakes(batch.inputs).detach(), batch.targets));
    const generator = (): void =>
      addPrefixed(losses, 'generator', this.generatorLosses(this.fakes(batch.inputs), batch.targets));
    for (const part of this.studentTrainFirst ? [student, generator] : [generator, student]) part();
    return losses;
  }

  override trainStep({ inputs, targets }: LearnedBatch, update: Update): Readonly<Record<string, Tensor>> {
    const reported: Record<string, Tensor> = {};
    const train = (part: 'architecture' | 'generator', prefix: string, losses: LossRecord): void => {
      const [total, entries] = this.parseLosses(losses);
      update({ total, entries, part });
      addPrefixed(reported, prefix, entries);
    };
    const student = (): void => {
      for (let i = 0; i < this.studentIter; i++) {
        const images = noGrad(() => this.fakes(inputs));
        this.planTeachers({ inputs: images, targets });
        train('architecture', 'distill', this.studentLosses(images, targets));
      }
    };
    const generator = (): void => train('generator', 'generator', this.generatorLosses(this.fakes(inputs), targets));
    for (const part of this.studentTrainFirst ? [student, generator] : [generator, student]) part();
    return reported;
  }

  /** As many generated images as the batch has images. */
  protected fakes(inputs: Inputs): Tensor {
    return span('generator', undefined, () =>
      this.generator.forward(randn([sizeOf(inputs), this.generator.latentDim])),
    );
  }

  /** What the student is trained on. @param images generated, outside the graph */
  protected studentLosses(images: Tensor, targets: Targets): LossRecord {
    const batch = { inputs: images, targets };
    return this.#losses(this.distiller, batch, () => this.#runPlanned(batch));
  }

  /** What the generator is trained on: gradients flow through student and teachers. @param images generated, in the graph */
  protected generatorLosses(images: Tensor, targets: Targets): LossRecord {
    const distiller = this.generator_distiller;
    const run = (): void =>
      this.#passes.get(distiller)!.teacher.run((forward) =>
        distiller.teacherPass(() => {
          for (const [name, network] of this.#named()) {
            namingErrors(`teacher "${name}"`, () => span('teacher', name, () => forward(network, images, targets)));
          }
        }),
      );
    return this.#losses(distiller, { inputs: images, targets }, run);
  }

  /** Runs the teachers for the student, as the plan says. */
  #runPlanned({ inputs, targets }: LearnedBatch): void {
    this.#passes.get(this.distiller)!.teacher.run((forward) =>
      this.#plan.teacherPass(() => {
        for (const [name, network] of this.#named()) {
          const run = (): void => this.#plan.run(name, inputs, (seen) => forward(network, seen, targets));
          namingErrors(`teacher "${name}"`, () => span('teacher', name, run));
        }
      }),
    );
  }

  #losses(distiller: ConfigurableDistiller, batch: LearnedBatch, runTeachers: () => void): LossRecord {
    const { inputs, targets } = batch;
    runTeachers();
    this.#passes
      .get(distiller)!
      .student.run((forward) => distiller.studentPass(() => forward(this.architecture, inputs, targets)));
    const losses = distiller.forward(batch);
    distiller.endStep();
    return losses;
  }

  #named(): [string, Network][] {
    return this.teachers.keys().map((name) => [name, this.teachers.get(name)]);
  }
}
