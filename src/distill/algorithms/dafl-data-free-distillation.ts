// Data-free learning: one generated batch per step trains the generator and the student.
import type { LearnedBatch } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { addPrefixed } from './algorithm.ts';
import type { Update } from './algorithm.ts';
import { DataFreeDistillation } from './data-free-distillation.ts';
import type { LossRecord } from './parse-losses.ts';

/**
 * {@link DataFreeDistillation} with one batch of images for both parts: both losses are computed first, then the generator and
 * the student are updated. `studentIter` and `studentTrainFirst` have no meaning here.
 *
 * Chen et al.: Data-Free Learning of Student Networks, arXiv 1904.01186.
 *
 * @example
 * ```ts
 * const algorithm = new DAFLDataFreeDistillation({
 *   architecture: student,
 *   teachers: { teacher },
 *   generator: new DAFLGenerator({ imgSize: 32, latentDim: 100, hiddenChannels: 128 }),
 *   distiller,
 *   generatorDistiller,
 * });
 * ```
 */
export class DAFLDataFreeDistillation extends DataFreeDistillation {
  protected override lossesOf({ inputs, targets }: LearnedBatch): LossRecord {
    const images = this.fakes(inputs);
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    addPrefixed(losses, 'generator', this.generatorLosses(images, targets));
    addPrefixed(losses, 'distill', this.studentLosses(images.detach(), targets));
    return losses;
  }

  override trainStep({ inputs, targets }: LearnedBatch, update: Update): Readonly<Record<string, Tensor>> {
    const images = this.fakes(inputs);
    const generator = this.parseLosses(this.generatorLosses(images, targets));
    const seen = images.detach();
    this.planTeachers({ inputs: seen, targets });
    const student = this.parseLosses(this.studentLosses(seen, targets));
    const reported: Record<string, Tensor> = {};
    for (const [part, prefix, [total, entries]] of [
      ['generator', 'generator', generator],
      ['architecture', 'distill', student],
    ] as const) {
      update({ total, entries, part });
      addPrefixed(reported, prefix, entries);
    }
    return reported;
  }
}
