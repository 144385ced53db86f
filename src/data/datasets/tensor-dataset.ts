// Samples of any kind that fit into memory, as tensors.
import { z } from 'zod';

import { isPlain } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import { integers, mapInputs, sizeOf } from '../../nn/index.ts';
import type { Inputs } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { keep, Tensor } from '../../torch/index.ts';
import type { Dataset } from '../dataset.ts';

const isTensor = (value: unknown): boolean => value instanceof Tensor;
const schema = z.strictObject({
  inputs: z.custom<Inputs>(
    (value) => isTensor(value) || (isPlain(value) && Object.values(value).every(isTensor)),
    'expected a tensor, or tensors by name',
  ),
  labels: z.custom<Tensor>(isTensor, 'expected a tensor').optional(),
  classes: z.array(z.string()).readonly().default([]),
});

/** What a {@link TensorDataset} is made of. */
export interface TensorDatasetOptions<I extends Inputs = Tensor> {
  /** What networks are given: a tensor, or several by name; the first dimension of each is the number of samples. Taken over by the data set, which disposes of it. */
  inputs: I;
  /** Classes, int64 `(N)`; or one for each token or pixel, `(N, ...)`. Taken over too. Default: samples have none, which is enough to learn from a teacher alone. */
  labels?: Tensor;
  /** Names of the classes. Default: none, labels are numbers. */
  classes?: readonly string[];
}

/**
 * Tensors as a data set: sample i is row i of each.
 *
 * @example
 * ```ts
 * using dataset = new TensorDataset({ inputs: randn([512, 8]), labels: randint(4, [512]) });
 * const loader = new DataLoader(dataset, { batchSize: 64, sampler: new RandomSampler({ seed: 0 }) });
 * ```
 */
export class TensorDataset<I extends Inputs = Tensor> implements Dataset<I>, Disposable {
  readonly length: number;
  readonly classes: readonly string[];
  readonly labels: ((indices: readonly number[]) => Tensor) | undefined;
  readonly #tensors: readonly Tensor[];
  readonly #inputs: I;

  /** @throws {RetortError} when numbers of samples differ, or labels are not int64. */
  constructor(options: TensorDatasetOptions<I>) {
    const { inputs, labels, classes } = checkOptions(schema, options, 'TensorDataset');
    this.length = sizeOf(inputs);
    this.classes = classes;
    if (labels !== undefined && (labels.dtype !== 'int64' || labels.shape[0] !== this.length)) {
      throw new RetortError(
        `TensorDataset: labels: expected int64 of ${this.length} samples, got ${labels.dtype}[${labels.shape.join(', ')}]`,
        { help: "tensor(numbers, { dtype: 'int64' }) makes them" },
      );
    }
    this.#inputs = mapInputs(options.inputs, (one) => keep(one));
    const own = labels === undefined ? undefined : keep(labels);
    this.#tensors = [
      ...(this.#inputs instanceof Tensor ? [this.#inputs] : Object.values(this.#inputs as Record<string, Tensor>)),
      ...(own === undefined ? [] : [own]),
    ];
    this.labels = own === undefined ? undefined : (indices) => own.indexSelect(0, integers(indices));
  }

  inputs(indices: readonly number[]): I {
    const rows = integers(indices);
    return mapInputs(this.#inputs, (one) => one.indexSelect(0, rows));
  }

  /** Frees the tensors. */
  [Symbol.dispose](): void {
    for (const one of this.#tensors) one.dispose();
  }
}
