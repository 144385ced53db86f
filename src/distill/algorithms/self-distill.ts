// A network that teaches itself: its own records on both sides.
import { z } from 'zod';

import type { DataSample } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { addPrefixed, Algorithm, algorithmSchema, built } from './algorithm.ts';
import type { AlgorithmOptions, Views } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';

const parts = {
  /** What is compared. */
  distiller: built<ConfigurableDistiller>('a distiller'),
};
/** What this algorithm may be told besides network and distiller, in configs too. */
export const selfDistillOptions = {
  /** Train the network. Default true. */
  studentTrainable: z.boolean().default(true),
  /** Add the network's own losses, as `student.*`. Default true. */
  calculateStudentLoss: z.boolean().default(true),
};
export interface SelfDistillOptions
  extends AlgorithmOptions, OptionsFrom<typeof parts>, OptionsFrom<typeof selfDistillOptions> {}

/**
 * The network is student and teacher in one forward: both sides' recorders see it. With deliveries, or with a view of its own
 * for the teacher, it runs twice: first as the teacher, without gradients, then as the student.
 *
 * Zhang et al.: Be Your Own Teacher, arXiv 1905.08094.
 */
export class SelfDistill extends Algorithm {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...selfDistillOptions });
  readonly distiller: ConfigurableDistiller;
  readonly studentTrainable: boolean;
  readonly calculateStudentLoss: boolean;
  /** Whether distillation is over: only the network's own losses are left. */
  distillationStopped = false;

  constructor(options: SelfDistillOptions) {
    super(options);
    this.distiller = options.distiller;
    this.studentTrainable = options.studentTrainable ?? true;
    this.calculateStudentLoss = options.calculateStudentLoss ?? true;
    if (!this.studentTrainable && !this.original) this.architecture.requiresGrad_(false);
    this.distiller.prepareFromStudent(this.architecture);
    this.distiller.prepareFromTeacher(this.architecture);
    this.train();
  }

  override distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return { distiller: this.distiller };
  }

  override setProgress(progress: TrainingProgress): void {
    this.distiller.setProgress(progress);
  }

  override train(mode = true): this {
    super.train(mode);
    if (!this.studentTrainable && !this.original) this.architecture.eval();
    return this;
  }

  override loss(inputs: Tensor, dataSamples: readonly DataSample[], views: Views = {}): LossRecord {
    const { distiller } = this;
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    const pass = (images: Tensor) => (): Record<string, Tensor> =>
      this.architecture.forward(images, dataSamples, 'loss');
    const learns = this.studentTrainable || (this.original && this.calculateStudentLoss);
    const student = (): Record<string, Tensor> => (learns ? pass(inputs)() : noGrad(pass(inputs)));
    let own: Record<string, Tensor>;
    if (this.distillationStopped) own = student();
    else if (distiller.deliveries.size > 0 || views['teacher'] !== undefined) {
      distiller.teacherPass(() => noGrad(pass(views['teacher'] ?? inputs)));
      own = distiller.studentPass(student);
    } else own = distiller.teacherRecorders.record(() => distiller.studentRecorders.record(student));
    if (this.calculateStudentLoss) addPrefixed(losses, 'student', own);
    if (!this.distillationStopped) {
      addPrefixed(losses, 'distill', distiller.forward({ inputs, dataSamples }));
      distiller.endStep();
    }
    return losses;
  }
}
