// A data set whose samples name others to contrast with: one of the same class and many of other classes.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Inputs, Targets } from '../../nn/index.ts';
import { checkOptions, entry, typedOf } from '../../registry/index.ts';
import type { Entry, OptionsFrom, TypedConfig } from '../../registry/index.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Dataset, SampleContext } from '../dataset.ts';
import { hashText, sequence } from '../hash.ts';

const own = {
  /** Negatives of each sample. Default 16384. */
  negNum: z.int().positive().default(16_384),
  /** Share of each class's negatives that is drawn from: chosen once for a seed. Default 1, all. */
  percent: z.number().positive().max(1).default(1),
  /** The positive: `'exact'` the sample itself, `'random'` one of its class. Default `'exact'`. */
  sampleMode: z.enum(['exact', 'random']).default('exact'),
};
/** Options of {@link CrdDataset}. */
export interface CrdDatasetOptions<I extends Inputs = Tensor> extends OptionsFrom<typeof own> {
  /** The samples. */
  dataset: Dataset<I>;
}

const stream = hashText('CrdDataset');
const shareStream = hashText('CrdDataset percent');

/**
 * Gives samples `targets.contrastSampleIdxs`: the positive, then `negNum` negatives without repetition (with, where there are fewer).
 * They depend on seed, epoch and sample alone. Tian, Krishnan, Isola: Contrastive Representation Distillation, arXiv 1910.10699.
 */
export class CrdDataset<I extends Inputs = Tensor> implements Dataset<I> {
  static readonly schema = z.strictObject({
    ...own,
    dataset: z.custom<Dataset>((value) => typeof (value as Dataset | null)?.length === 'number', 'expected a data set'),
  });
  readonly length: number;
  readonly classes: readonly string[];
  readonly shape: Dataset['shape'];
  readonly open: Dataset['open'];
  readonly labels: Dataset['labels'];
  readonly images: Dataset['images'];
  readonly inputs: Dataset<I>['inputs'];
  readonly decode: Dataset['decode'];
  readonly item: Dataset['item'];
  readonly collate: Dataset<I>['collate'];
  readonly file: Dataset['file'];
  readonly leftOut: Dataset['leftOut'];
  readonly #dataset: Dataset<I>;
  readonly #options: z.output<typeof CrdDataset.schema>;
  /** All samples, class by class: the negatives of a class are what is outside its stretch. */
  readonly #byClass: Int32Array;
  /** Where each class's stretch begins; one more for the end. */
  readonly #starts: readonly number[];
  readonly #pools = new Map<number, { seed: number; pool: Int32Array }>();
  /** The class of each sample. */
  readonly #labels: Int32Array;

  /** @throws {RetortError} when a number makes no sense, samples have no classes, or a class has no negatives. */
  constructor(options: CrdDatasetOptions<I>) {
    this.#options = checkOptions(CrdDataset.schema, options, new.target.name);
    const { dataset } = options;
    const labels = labelsOf(dataset);
    this.#labels = labels;
    this.#dataset = dataset;
    this.length = dataset.length;
    this.classes = dataset.classes;
    this.shape = dataset.shape;
    this.open = dataset.open?.bind(dataset);
    this.labels = dataset.labels?.bind(dataset);
    this.images = dataset.images?.bind(dataset);
    this.inputs = dataset.inputs?.bind(dataset);
    this.decode = dataset.decode?.bind(dataset);
    this.item = dataset.item?.bind(dataset);
    this.collate = dataset.collate;
    this.file = dataset.file?.bind(dataset);
    this.leftOut = dataset.leftOut;
    this.#byClass = Int32Array.from({ length: dataset.length }, (_, i) => i).sort(
      (a, b) => labels[a]! - labels[b]! || a - b,
    );
    const classes =
      dataset.classes.length > 0 ? dataset.classes.length : 1 + labels.reduce((a, b) => Math.max(a, b), 0);
    const strange = labels.findIndex((label) => label < 0 || label >= classes);
    if (strange !== -1) {
      throw new RetortError(
        `CrdDataset: dataset: expected labels of its ${classes} classes, got ${labels[strange]} for sample ${strange}`,
      );
    }
    const counts = new Int32Array(classes + 1);
    for (const label of labels) counts[label + 1]!++;
    let sum = 0;
    this.#starts = Array.from(counts, (count) => (sum += count));
    const alone = counts.findIndex((count) => count === dataset.length);
    if (alone !== -1) {
      throw new RetortError(
        `CrdDataset: all samples are of class "${dataset.classes[alone - 1] ?? alone - 1}": there is nothing to contrast`,
        {
          help: 'use a data set (or a larger limit) with at least two classes',
        },
      );
    }
  }

  label(index: number): number {
    return this.#labels[index]!;
  }

  targets(indices: readonly number[], context: SampleContext): Targets {
    const width = 1 + this.#options.negNum;
    const numbers = new BigInt64Array(indices.length * width);
    for (const [i, index] of indices.entries()) {
      for (const [k, sample] of this.#contrast(index, context).entries()) numbers[i * width + k] = BigInt(sample);
    }
    const contrastSampleIdxs = tensor(numbers, { shape: [indices.length, width] });
    return { ...this.#dataset.targets?.(indices, context), contrastSampleIdxs };
  }

  /** The positive of a sample, then its negatives. */
  #contrast(index: number, context: SampleContext): number[] {
    const { negNum, sampleMode } = this.#options;
    const label = this.#labels[index]!;
    const draw = sequence(context.seed, context.epoch, stream, index);
    const [start, end] = [this.#starts[label]!, this.#starts[label + 1]!];
    const positive = sampleMode === 'exact' ? index : this.#byClass[start + Math.floor(draw() * (end - start))]!;
    const pool = this.#pool(label, context.seed);
    const negatives = negNum > pool.length ? withRepetition(pool, negNum, draw) : without(pool, negNum, draw);
    return [positive, ...negatives];
  }

  /** What the negatives of a class are drawn from. */
  #pool(label: number, seed: number): Int32Array {
    const known = this.#pools.get(label);
    if (known?.seed === seed) return known.pool;
    const [start, end] = [this.#starts[label]!, this.#starts[label + 1]!];
    const all = new Int32Array(this.length - (end - start));
    all.set(this.#byClass.subarray(0, start));
    all.set(this.#byClass.subarray(end), start);
    const kept = Math.max(1, Math.floor(all.length * this.#options.percent));
    const pool = kept === all.length ? all : Int32Array.from(without(all, kept, sequence(seed, shareStream, label)));
    if (this.#pools.size >= poolsKept) this.#pools.delete(this.#pools.keys().next().value!);
    this.#pools.set(label, { seed, pool });
    return pool;
  }
}

/** The class of each sample. @throws {RetortError} for a data set that does not say, or has several for a sample. */
function labelsOf(dataset: Pick<Dataset, 'length' | 'label' | 'labels'>): Int32Array {
  const { length } = dataset;
  if (dataset.label !== undefined) return Int32Array.from({ length }, (_, i) => dataset.label!(i));
  if (dataset.labels === undefined) {
    throw new RetortError(
      'CrdDataset: dataset: expected label(index) or labels(indices), got neither: samples have no classes',
    );
  }
  return tidy(() => {
    const labels = dataset.labels!(Array.from({ length }, (_, i) => i));
    if (labels.ndim === 1) return Int32Array.from(labels.data(), Number);
    throw new RetortError(
      `CrdDataset: dataset: expected one class per sample, got labels (${labels.shape.join(', ')})`,
    );
  });
}

/** A pool is nearly the whole data set: with a thousand classes not all of them are kept. */
const poolsKept = 128;

function withRepetition(pool: Int32Array, count: number, draw: () => number): number[] {
  return Array.from({ length: count }, () => pool[Math.floor(draw() * pool.length)]!);
}

/** The start of a shuffle by Fisher and Yates; the pool is put back into its order afterwards. */
function without(pool: Int32Array, count: number, draw: () => number): number[] {
  const swaps = new Int32Array(count);
  const swap = (i: number): void => {
    const j = swaps[i]!;
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  };
  for (let i = 0; i < count; i++) {
    swaps[i] = i + Math.floor(draw() * (pool.length - i));
    swap(i);
  }
  const chosen = Array.from(pool.subarray(0, count));
  for (let i = count - 1; i >= 0; i--) swap(i);
  return chosen;
}

/** The entry, given what builds the inner data set. */
export function crdDatasetEntry(
  build: (config: TypedConfig, where: string) => Dataset,
): Entry<CrdDataset, CrdDatasetConfig> {
  return entry(
    z.strictObject({ ...own, dataset: typedOf<TypedConfig>('dataset') }),
    ({ dataset, ...options }) => new CrdDataset({ ...options, dataset: build(dataset, 'CrdDataset dataset') }),
    {
      summary: 'Names samples to contrast with, for CRDLoss.',
      paper: 'Tian, Krishnan, Isola 2020, arXiv 1910.10699',
    },
  );
}

/** The config of a {@link CrdDataset}: its data set is a config too. */
export type CrdDatasetConfig = Omit<CrdDatasetOptions, 'dataset'> & { dataset: TypedConfig };
