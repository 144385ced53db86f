// Batches by epoch and number. A batch is made inside the caller's scope, so that a training step, which is one scope, frees it;
// and any batch can be asked for, so that a resumed run goes on in the middle of an epoch with exactly the batch that is next.
import { RetortError } from '../errors.ts';
import type { MemoryFormat, Tensor } from '../torch/index.ts';
import type { Dataset } from './dataset.ts';
import { SequentialSampler } from './samplers/index.ts';
import type { Sampler } from './samplers/index.ts';
import type { Transform } from './transforms/index.ts';

/** What is known of a sample besides its image. */
export interface LoadedSample {
  /** Its class. */
  gtLabel: number;
  /** Its number in the data set. */
  sampleIdx: number;
}

export interface Batch {
  /** `(N, C, H, W)` */
  inputs: Tensor;
  /** One per image. */
  dataSamples: readonly LoadedSample[];
}

export interface DataLoaderOptions {
  batchSize: number;
  /** Default: first to last. */
  sampler?: Sampler;
  /** Applied to each batch in order. Default none. */
  transforms?: readonly Transform[];
  /** Leave out a last batch that is smaller. Default false. */
  dropLast?: boolean;
  /** Seed of the transforms' random numbers. Default 0. */
  seed?: number;
  /** Default `'contiguous'`. */
  memoryFormat?: MemoryFormat;
}

export class DataLoader {
  readonly dataset: Dataset;
  readonly #options: DataLoaderOptions;
  readonly #sampler: Sampler;
  #order: { epoch: number; indices: readonly number[] } | undefined;

  constructor(dataset: Dataset, options: DataLoaderOptions) {
    const { batchSize, sampler = new SequentialSampler() } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new RetortError(`DataLoader: batchSize must be a whole number of at least 1, got ${batchSize}`);
    }
    this.dataset = dataset;
    this.#options = options;
    this.#sampler = sampler;
  }

  /** Batches per epoch. */
  get length(): number {
    const { batchSize, dropLast = false } = this.#options;
    const batches = this.dataset.length / batchSize;
    return dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** Batch `index` of epoch `epoch`, both counted from 0; the same whenever it is asked for. */
  load(epoch: number, index: number): Batch {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RetortError(`DataLoader.load: there is no batch ${index}, an epoch has ${this.length}`);
    }
    const { batchSize, transforms = [], seed = 0, memoryFormat = 'contiguous' } = this.#options;
    const samples = this.#indices(epoch).slice(index * batchSize, (index + 1) * batchSize);
    let inputs = this.dataset.images(samples);
    for (const transform of transforms) inputs = transform.apply(inputs, { seed, epoch, samples });
    return {
      inputs: inputs.contiguous({ memoryFormat }),
      dataSamples: samples.map((sampleIdx) => ({ gtLabel: this.dataset.label(sampleIdx), sampleIdx })),
    };
  }

  #indices(epoch: number): readonly number[] {
    if (this.#order?.epoch !== epoch) {
      this.#order = { epoch, indices: this.#sampler.order(epoch, this.dataset.length) };
    }
    return this.#order.indices;
  }
}
