// Images that fit into memory, as one tensor.
import { RetortError } from '../../errors.ts';
import { keep, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Dataset } from '../dataset.ts';

export interface InMemoryOptions {
  /** `uint8 (N, C, H, W)`; taken over by the data set, which disposes of it. */
  images: Tensor;
  /** One class per image. */
  labels: ArrayLike<number>;
  classes: readonly string[];
}

export class InMemoryImages implements Dataset, Disposable {
  readonly classes: readonly string[];
  readonly shape: readonly [number, number, number];
  readonly #images: Tensor;
  readonly #labels: ArrayLike<number>;

  /** @throws {RetortError} when counts disagree or a label is no class. */
  constructor({ images, labels, classes }: InMemoryOptions) {
    const { shape } = images;
    if (shape.length !== 4) {
      throw new RetortError(`InMemoryImages: images (N, C, H, W) were expected, got shape [${shape.join(', ')}]`);
    }
    if (shape.includes(0)) {
      throw new RetortError(
        `InMemoryImages: images of at least one pixel were expected, got shape [${shape.join(', ')}]`,
      );
    }
    if (shape[0] !== labels.length) {
      throw new RetortError(`InMemoryImages: there are ${shape[0]} images and ${labels.length} labels`);
    }
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i]!;
      if (!Number.isInteger(label) || label < 0 || label >= classes.length) {
        throw new RetortError(`InMemoryImages: sample ${i} has label ${label}, there are ${classes.length} classes`);
      }
    }
    this.#images = keep(images);
    this.#labels = labels;
    this.classes = classes;
    this.shape = [shape[1]!, shape[2]!, shape[3]!];
  }

  get length(): number {
    return this.#labels.length;
  }

  images(indices: readonly number[]): Tensor {
    return this.#images.indexSelect(0, tensor(BigInt64Array.from(indices, BigInt)));
  }

  label(index: number): number {
    return this.#labels[index]!;
  }

  /** Frees the images. */
  [Symbol.dispose](): void {
    this.#images.dispose();
  }
}
