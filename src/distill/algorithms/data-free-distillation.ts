// Distillation without data: a generator makes the images, the student learns on them from the teachers, and the generator
// learns what is hard for the student.
import { z } from 'zod';

import { sizeOf } from '../../nn/index.ts';
import type { Inputs, LearnedBatch, Targets } from '../../nn/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad, randn } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';
import { addPrefixed, algorithmSchema, built } from './algorithm.ts';
import type { Update } from './algorithm.ts';
import { DataFree, dataFreeOptions, dataFreeParts } from './data-free.ts';
import type { DataFreeOptions } from './data-free.ts';
import type { LossRecord } from './parse-losses.ts';
import type { QuietPass } from './quiet-pass.ts';

const parts = {
  ...dataFreeParts,
  /** What the generator is trained with. */
  generatorDistiller: built<ConfigurableDistiller>('a distiller'),
};
const own = {
  /** Updates of the student per step. Default 1. */
  studentIter: z.int().positive().default(1),
  /** Update the student before the generator. Default false. */
  studentTrainFirst: z.boolean().default(false),
};
/** The options besides networks and distillers, in configs too. */
export const dataFreeDistillationOptions = { ...own, ...dataFreeOptions };
/** Options of {@link DataFreeDistillation}. */
export interface DataFreeDistillationOptions
  extends DataFreeOptions, OptionsFrom<Pick<typeof parts, 'generatorDistiller'>>, OptionsFrom<typeof own> {}

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
export class DataFreeDistillation extends DataFree {
  static override readonly schema: z.ZodType = algorithmSchema({ ...parts, ...dataFreeDistillationOptions });
  readonly generator_distiller: ConfigurableDistiller;
  readonly studentIter: number;
  readonly studentTrainFirst: boolean;
  readonly #generatorPasses: Record<'teacher' | 'student', QuietPass>;

  /** @throws {RetortError} when there is no teacher, one is named `student`, or studentIter is not a positive integer. */
  constructor(options: DataFreeDistillationOptions) {
    super(options);
    this.studentIter = options.studentIter ?? 1;
    this.studentTrainFirst = options.studentTrainFirst ?? false;
    this.generator_distiller = options.generatorDistiller;
    this.prepare(this.generator_distiller);
    this.#generatorPasses = this.passesOf(this.generator_distiller);
    this.train();
  }

  override distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return { ...super.distillersByName(), generatorDistiller: this.generator_distiller };
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

  /** What the generator is trained on: gradients flow through student and teachers. @param images generated, in the graph */
  protected generatorLosses(images: Tensor, targets: Targets): LossRecord {
    const distiller = this.generator_distiller;
    const passes = this.#generatorPasses;
    return this.lossesIn(distiller, passes, { inputs: images, targets }, () =>
      passes.teacher.run((forward) =>
        distiller.teacherPass(() => void this.eachTeacher((_, network) => forward(network, images, targets))),
      ),
    );
  }
}
