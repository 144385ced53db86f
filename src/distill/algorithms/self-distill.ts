// A network that teaches itself: its own records on both sides.
import { z } from 'zod';

import type { LearnedBatch } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { addPrefixed, Algorithm, algorithmSchema, built } from './algorithm.ts';
import type { AlgorithmOptions } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';
import { QuietPass } from './quiet-pass.ts';

const parts = {
  /** What is compared. */
  distiller: built<ConfigurableDistiller>('a distiller'),
};
/** The options besides network and distiller, in configs too. */
export const selfDistillOptions = {
  /** Train the network. Default true. */
  studentTrainable: z.boolean().default(true),
  /** Add the network's own losses, as `student.*`. Default true. */
  calculateStudentLoss: z.boolean().default(true),
};
/** Options of {@link SelfDistill}. */
export interface SelfDistillOptions
  extends AlgorithmOptions, OptionsFrom<typeof parts>, OptionsFrom<typeof selfDistillOptions> {}

/**
 * The network is student and teacher in one forward: both sides' recorders see it. With deliveries, or with a view of its own
 * for the teacher, it runs twice: first as the teacher, without gradients, then as the student.
 *
 * Zhang et al.: Be Your Own Teacher, arXiv 1905.08094.
 *
 * @example
 * ```ts
 * const algorithm = new SelfDistill({ architecture: network, distiller });
 * const losses = algorithm.loss(images, { labels }); // 'student.loss', 'distill.loss_kl', ...
 * ```
 */
export class SelfDistill extends Algorithm {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...selfDistillOptions });
  readonly distiller: ConfigurableDistiller;
  readonly studentTrainable: boolean;
  readonly calculateStudentLoss: boolean;
  /** Whether distillation is over: only the network's own losses are left. */
  distillationStopped = false;
  readonly #quietPass: QuietPass;

  constructor(options: SelfDistillOptions) {
    super(options);
    this.distiller = options.distiller;
    this.studentTrainable = options.studentTrainable ?? true;
    this.calculateStudentLoss = options.calculateStudentLoss ?? true;
    if (!this.studentTrainable && !this.original) this.architecture.requiresGrad_(false);
    this.distiller.prepareFromStudent(this.architecture);
    this.distiller.prepareFromTeacher(this.architecture);
    this.#quietPass = new QuietPass({
      distiller: this.distiller,
      losses: this.quietLosses,
      sides: ['student', 'teacher'],
      networks: this.architecture,
    });
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

  protected override lossesOf(batch: LearnedBatch): LossRecord {
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    if (this.calculateStudentLoss) {
      const own = this.#passes(batch, (seen) => this.ownLosses('the network', this.architecture, seen));
      addPrefixed(losses, 'student', own);
    } else if (!this.distillationStopped) {
      this.#quietPass.run((forward) =>
        this.#passes(batch, ({ inputs, targets }) => forward(this.architecture, inputs, targets)),
      );
    }
    if (!this.distillationStopped) {
      addPrefixed(losses, 'distill', this.distiller.forward(batch));
      this.distiller.endStep();
    }
    return losses;
  }

  /** Runs the network inside the recorders of both sides, once, or twice where the teacher is given something of its own. */
  #passes<T>(batch: LearnedBatch, run: (batch: LearnedBatch) => T): T {
    const { distiller } = this;
    const learns = this.studentTrainable || (this.original && this.calculateStudentLoss);
    const student = (): T => (learns ? run(batch) : noGrad(() => run(batch)));
    if (this.distillationStopped) return student();
    const view = batch.views?.['teacher'];
    if (distiller.deliveries.size > 0 || view !== undefined) {
      distiller.teacherPass(() => noGrad(() => run({ ...batch, inputs: view ?? batch.inputs })));
      return distiller.studentPass(student);
    }
    return distiller.teacherRecorders.record(() => distiller.studentRecorders.record(student));
  }
}
