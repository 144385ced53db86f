// Several frozen teachers at once, one student.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { foldNorms, ModuleDict } from '../../nn/index.ts';
import type { DataSample, LossModel, Module } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { addPrefixed, Algorithm, algorithmSchema, built, disableInplace } from './algorithm.ts';
import type { AlgorithmOptions, Views } from './algorithm.ts';
import { FrozenPass, namingErrors } from './frozen-pass.ts';
import type { LossRecord } from './parse-losses.ts';

const parts = {
  /** The teachers by name; teacher recorders name them first: `res34.head.fc`. */
  teachers: z.record(z.string(), built<LossModel>('a network')),
  /** What is compared. */
  distiller: built<ConfigurableDistiller>('a distiller'),
};
/** What this algorithm may be told besides networks and distiller, in configs too. */
export const multiTeacherOptions = {
  /** Add the student's own losses, as `student.*`. Default true. */
  calculateStudentLoss: z.boolean().default(true),
  /** As in {@link SingleTeacherDistill}, for all teachers. Default false. */
  foldTeacherNorms: z.boolean().default(false),
};
export interface MultiTeacherDistillOptions
  extends AlgorithmOptions, OptionsFrom<typeof parts>, OptionsFrom<typeof multiTeacherOptions> {}

/**
 * An ensemble of teachers, each with recorders of its own (the source begins with the teacher's name) and, where the data has a
 * view of that name, with inputs of its own. A teacher's weight is the `lossWeight` of the losses that read it; a loss over
 * several teachers (`SoftLabelEnsemble`) takes a list of records. All teachers are frozen and in evaluation mode.
 *
 * You et al.: Learning from Multiple Teacher Networks, KDD 2017.
 */
export class MultiTeacherDistill extends Algorithm {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...multiTeacherOptions });
  readonly teachers: ModuleDict<LossModel>;
  readonly distiller: ConfigurableDistiller;
  readonly calculateStudentLoss: boolean;
  readonly foldTeacherNorms: boolean;
  /** Whether distillation is over: the teachers are not run any more. */
  distillationStopped = false;
  readonly #frozenPass: FrozenPass;

  /** @throws {RetortError} when there is no teacher. */
  constructor(options: MultiTeacherDistillOptions) {
    super(options);
    if (Object.keys(options.teachers).length === 0) {
      throw new RetortError('MultiTeacherDistill: teachers is empty', {
        help: 'name at least one: { teachers: { a } }',
      });
    }
    this.teachers = new ModuleDict(options.teachers);
    this.distiller = options.distiller;
    this.calculateStudentLoss = options.calculateStudentLoss ?? true;
    this.foldTeacherNorms = options.foldTeacherNorms ?? false;
    disableInplace(this.teachers);
    this.teachers.requiresGrad_(false);
    this.distiller.prepareFromStudent(this.architecture);
    this.distiller.prepareFromTeacher(this.teachers);
    this.#frozenPass = new FrozenPass(this.distiller, this.teachers, this.original);
    this.train();
  }

  override evaluated(): Readonly<Record<string, LossModel>> {
    return { student: this.student, ...Object.fromEntries(this.#named()) };
  }

  override frozen(): readonly Module[] {
    return [this.teachers];
  }

  override distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return { distiller: this.distiller };
  }

  override setProgress(progress: TrainingProgress): void {
    this.distiller.setProgress(progress);
  }

  override train(mode = true): this {
    super.train(mode);
    this.teachers.eval();
    return this;
  }

  override loss(inputs: Tensor, dataSamples: readonly DataSample[], views: Views = {}): LossRecord {
    const { distiller } = this;
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    const student = (): Record<string, Tensor> => this.architecture.forward(inputs, dataSamples, 'loss');
    if (!this.distillationStopped) {
      this.#frozenPass.run((mode) => {
        const run = (): void => {
          for (const [name, teacher] of this.#named()) {
            const images = views[name] ?? inputs;
            namingErrors(`teacher "${name}"`, () => teacher.forward(images, dataSamples, mode as 'tensor'));
          }
        };
        noGrad(() => (this.foldTeacherNorms ? foldNorms(run) : run()));
      });
    }
    const own = this.distillationStopped ? student() : distiller.studentPass(student);
    if (this.calculateStudentLoss) addPrefixed(losses, 'student', own);
    if (!this.distillationStopped) {
      addPrefixed(losses, 'distill', distiller.forward({ inputs, dataSamples }));
      distiller.endStep();
    }
    return losses;
  }

  #named(): [string, LossModel][] {
    return this.teachers.keys().map((name) => [name, this.teachers.get(name)]);
  }
}
