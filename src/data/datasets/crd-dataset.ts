// A data set whose samples name others to contrast with: one of the same class and many of other classes.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry, typedOf } from '../../registry/index.ts';
import type { Entry, TypedConfig } from '../../registry/index.ts';
import type { Dataset, ExtraFields, SampleContext } from '../dataset.ts';
import { hashText, sequence } from '../hash.ts';

export interface CrdDatasetOptions {
  /** The samples. */
  dataset: Dataset;
  /** Negatives of each sample. Default 16384. */
  negNum?: number;
  /** Share of each class's negatives that is drawn from: chosen once for a seed. Default 1, all. */
  percent?: number;
  /** The positive: `'exact'` the sample itself, `'random'` one of its class. Default `'exact'`. */
  sampleMode?: 'exact' | 'random';
}

const stream = hashText('CrdDataset');
const shareStream = hashText('CrdDataset percent');

/**
 * Gives each sample `contrastSampleIdxs`: the positive, then `negNum` negatives without repetition (with, where there are fewer).
 * They depend on seed, epoch and sample alone. Tian, Krishnan, Isola: Contrastive Representation Distillation, arXiv 1910.10699.
 */
export class CrdDataset implements Dataset {
  readonly length: number;
  readonly classes: readonly string[];
  readonly shape: Dataset['shape'];
  readonly open: Dataset['open'];
  readonly images: Dataset['images'];
  readonly decode: Dataset['decode'];
  readonly file: Dataset['file'];
  readonly leftOut: Dataset['leftOut'];
  readonly #dataset: Dataset;
  readonly #options: { negNum: number; percent: number; sampleMode: 'exact' | 'random' };
  /** All samples, class by class: the negatives of a class are what is outside its stretch. */
  readonly #byClass: Int32Array;
  /** Where each class's stretch begins; one more for the end. */
  readonly #starts: readonly number[];
  readonly #pools = new Map<number, { seed: number; pool: Int32Array }>();

  /** @throws {RetortError} when a number makes no sense, or a class has no negatives. */
  constructor({ dataset, negNum = 16_384, percent = 1, sampleMode = 'exact' }: CrdDatasetOptions) {
    if (!Number.isInteger(negNum) || negNum < 1) {
      throw new RetortError(`CrdDataset: negNum must be a whole number of at least 1, got ${negNum}`);
    }
    if (!(percent > 0 && percent <= 1)) {
      throw new RetortError(`CrdDataset: percent must be above 0 and at most 1, got ${percent}`);
    }
    this.#dataset = dataset;
    this.#options = { negNum, percent, sampleMode };
    this.length = dataset.length;
    this.classes = dataset.classes;
    this.shape = dataset.shape;
    this.open = dataset.open?.bind(dataset);
    this.images = dataset.images?.bind(dataset);
    this.decode = dataset.decode?.bind(dataset);
    this.file = dataset.file?.bind(dataset);
    this.leftOut = dataset.leftOut;
    const labels = Int32Array.from({ length: dataset.length }, (_, i) => dataset.label(i));
    this.#byClass = Int32Array.from({ length: dataset.length }, (_, i) => i).sort(
      (a, b) => labels[a]! - labels[b]! || a - b,
    );
    const counts = new Int32Array(dataset.classes.length + 1);
    for (const label of labels) counts[label + 1]!++;
    let sum = 0;
    this.#starts = Array.from(counts, (count) => (sum += count));
    const alone = counts.findIndex((count) => count === dataset.length);
    if (alone !== -1) {
      throw new RetortError(
        `CrdDataset: all samples are of class "${dataset.classes[alone - 1]}": there is nothing to contrast`,
        {
          help: 'use a data set (or a larger limit) with at least two classes',
        },
      );
    }
  }

  label(index: number): number {
    return this.#dataset.label(index);
  }

  sample(index: number, context: SampleContext): ExtraFields {
    const { negNum, sampleMode } = this.#options;
    const label = this.label(index);
    const draw = sequence(context.seed, context.epoch, stream, index);
    const [start, end] = [this.#starts[label]!, this.#starts[label + 1]!];
    const positive = sampleMode === 'exact' ? index : this.#byClass[start + Math.floor(draw() * (end - start))]!;
    const pool = this.#pool(label, context.seed);
    const negatives = negNum > pool.length ? withRepetition(pool, negNum, draw) : without(pool, negNum, draw);
    return { ...this.#dataset.sample?.(index, context), contrastSampleIdxs: [positive, ...negatives] };
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
    z.strictObject({
      dataset: typedOf<TypedConfig>('dataset'),
      negNum: z.number().int().positive().exactOptional(),
      percent: z.number().positive().max(1).exactOptional(),
      sampleMode: z.enum(['exact', 'random']).exactOptional(),
    }),
    ({ dataset, ...options }) => new CrdDataset({ ...options, dataset: build(dataset, 'CrdDataset dataset') }),
    {
      summary: 'Names samples to contrast with, for CRDLoss.',
      paper: 'Tian, Krishnan, Isola 2020, arXiv 1910.10699',
    },
  );
}

export type CrdDatasetConfig = Omit<CrdDatasetOptions, 'dataset'> & { dataset: TypedConfig };
