// Images that fit into memory, as one tensor.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { integers } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { keep, Tensor, tidy } from '../../torch/index.ts';
import type { Dataset } from '../dataset.ts';

const isList = (value: unknown): boolean => typeof (value as { length?: unknown } | null)?.length === 'number';
const own = {
  /** `uint8 (N, C, H, W)`; taken over by the data set, which disposes of it. */
  images: z.custom<Tensor>((value) => value instanceof Tensor, 'expected a tensor'),
  /** One class per image. */
  labels: z.custom<ArrayLike<number>>(isList, 'expected a list of numbers'),
  /** Names of the classes. */
  classes: z.array(z.string()).readonly(),
};
const schema = z.strictObject(own);
/** Options of {@link InMemoryImages}. */
export interface InMemoryOptions extends OptionsFrom<typeof own> {}

/**
 * Images and labels that are there already.
 *
 * @example
 * ```ts
 * using dataset = new InMemoryImages({ images, labels: [0, 1, 1], classes: ['cat', 'dog'] }); // images: uint8 (3, C, H, W)
 * ```
 */
export class InMemoryImages implements Dataset, Disposable {
  readonly classes: readonly string[];
  readonly shape: readonly [number, number, number];
  readonly #images: Tensor;
  readonly #labels: ArrayLike<number>;
  /** The same, int64 `(N)`. */
  readonly #labelTensor: Tensor;

  /** @throws {RetortError} for options that make no sense, and when counts disagree or a label is not a class. */
  constructor(options: InMemoryOptions) {
    const { images, labels, classes } = checkOptions(schema, options, new.target.name);
    const { shape } = images;
    if (shape.length !== 4) {
      throw new RetortError(`InMemoryImages: images: expected shape (N, C, H, W), got [${shape.join(', ')}]`);
    }
    if (shape.includes(0)) {
      throw new RetortError(`InMemoryImages: images: expected at least one pixel, got shape [${shape.join(', ')}]`);
    }
    if (shape[0] !== labels.length) {
      throw new RetortError(
        `InMemoryImages: labels: expected one per image, got ${shape[0]} images and ${labels.length} labels`,
      );
    }
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i]!;
      if (!Number.isInteger(label) || label < 0 || label >= classes.length) {
        throw new RetortError(`InMemoryImages: sample ${i} has label ${label}, there are ${classes.length} classes`);
      }
    }
    this.#images = keep(images);
    this.#labels = labels;
    this.#labelTensor = tidy(() => keep(integers(labels)));
    this.classes = classes;
    this.shape = [shape[1]!, shape[2]!, shape[3]!];
  }

  get length(): number {
    return this.#labels.length;
  }

  images(indices: readonly number[]): Tensor {
    return this.#images.indexSelect(0, integers(indices));
  }

  labels(indices: readonly number[]): Tensor {
    return this.#labelTensor.indexSelect(0, integers(indices));
  }

  label(index: number): number {
    return this.#labels[index]!;
  }

  /** Frees images and labels. */
  [Symbol.dispose](): void {
    this.#images.dispose();
    this.#labelTensor.dispose();
  }
}
