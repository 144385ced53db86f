// Batches by epoch and number. A batch is made inside the caller's scope, so that a training step, which is one scope, frees it;
// and any batch can be asked for, so that a resumed run goes on in the middle of an epoch with exactly the batch that is next.
// Images in files are decoded ahead by `prepare`, so that `load` itself never waits.
import { availableParallelism } from 'node:os';

import { RetortError } from '../errors.ts';
import { ops, tensorFromBytes, tidy } from '../torch/index.ts';
import type { DType, MemoryFormat, Tensor } from '../torch/index.ts';
import type { Dataset, LoadedSample } from './dataset.ts';
import { PreparedBatches } from './prepared-batches.ts';
import type { BatchRequest, PreparedImage } from './prepared-batches.ts';
import { SequentialSampler } from './samplers/index.ts';
import type { Sampler } from './samplers/index.ts';
import { applyAll, place } from './transform-list.ts';
import type { Placed } from './transform-list.ts';
import type { LabelledBatch, Transform } from './transforms/index.ts';

export interface Batch {
  /** `(N, C, H, W)` */
  inputs: Tensor;
  /** One per image. */
  dataSamples: readonly LoadedSample[];
  /** The same images as other networks are to see them, by the network's name. */
  views?: Readonly<Record<string, Tensor>>;
}

export interface DataLoaderOptions {
  batchSize: number;
  /** Default: first to last. */
  sampler?: Sampler;
  /** Applied to each batch in order. Default none. */
  transforms?: readonly Transform[];
  /**
   * Transforms for networks that see the images otherwise (another normalisation, a further augmentation), by the network's name,
   * applied in place of `ownTransforms` after `transforms`. Default: none, all see the same.
   */
  views?: Readonly<Record<string, readonly Transform[]>>;
  /** Applied after `transforms` to what the student sees, and not to `views`. Default none. */
  ownTransforms?: readonly Transform[];
  /** Leave out a last batch that is smaller. Default false. */
  dropLast?: boolean;
  /** Seed of the transforms' random numbers. Default 0. */
  seed?: number;
  /** Default `'contiguous'`. */
  memoryFormat?: MemoryFormat;
  /** Batches of files that are decoded ahead of the one that is due. Default 2. */
  prefetch?: number;
  /** Files that are decoded at once. Default: twice the processors, 16 at most. */
  decodeConcurrency?: number;
}

/** Height and width that transforms can cut from. */
const largeEnough = [1024, 1024];

export class DataLoader {
  readonly dataset: Dataset;
  readonly #options: DataLoaderOptions;
  readonly #sampler: Sampler;
  /** Done to each image when it is decoded: the transforms up to the first that gives all one size. */
  readonly #early: readonly Placed[];
  readonly #shared: readonly Placed[];
  readonly #own: readonly Placed[];
  readonly #views: readonly (readonly [name: string, transforms: readonly Placed[]])[];
  readonly #prepared: PreparedBatches | undefined;
  #order: { epoch: number; indices: readonly number[] } | undefined;

  /** @throws {RetortError} for counts that make no sense, or transforms in a place where they cannot be. */
  constructor(dataset: Dataset, options: DataLoaderOptions) {
    const { batchSize, sampler = new SequentialSampler(), transforms = [], ownTransforms = [], views = {} } = options;
    const { prefetch = 2, decodeConcurrency = Math.min(16, 2 * availableParallelism()) } = options;
    const counts = { batchSize: [batchSize, 1], prefetch: [prefetch, 0], decodeConcurrency: [decodeConcurrency, 1] };
    for (const [name, [count, least]] of Object.entries(counts) as [string, [number, number]][]) {
      if (Number.isInteger(count) && count >= least) continue;
      throw new RetortError(`DataLoader: ${name} must be a whole number of at least ${least}, got ${count}`);
    }
    if ((dataset.images === undefined) === (dataset.decode === undefined)) {
      throw new RetortError('DataLoader: dataset: it must have either images(indices) or decode(index)');
    }
    this.dataset = dataset;
    this.#options = options;
    this.#sampler = sampler;
    const placed = place(transforms);
    const early = dataset.decode === undefined ? 0 : transforms.findIndex(({ fixesSize }) => fixesSize === true) + 1;
    this.#early = placed.slice(0, early);
    this.#shared = placed.slice(early);
    this.#own = place(ownTransforms, placed);
    this.#views = Object.entries(views).map(([name, list]) => [name, place(list, placed)] as const);
    requireImagesOnly('transforms', this.#early, 'put it after the transform that gives all images one size');
    for (const [name, list] of this.#views) requireImagesOnly(`views.${name}`, list, 'put it into transforms');
    if (dataset.decode !== undefined) {
      this.#prepared = new PreparedBatches((epoch, sample) => this.#decode(epoch, sample), decodeConcurrency);
    }
  }

  /** Among how many processes the sampler shares the samples. */
  get worldSize(): number {
    return this.#sampler.worldSize ?? 1;
  }

  /** Images of a batch. */
  get batchSize(): number {
    return this.#options.batchSize;
  }

  /** Batches per epoch, of this process. */
  get length(): number {
    const { batchSize, dropLast = false } = this.#options;
    const batches = Math.ceil(this.dataset.length / this.worldSize) / batchSize;
    return dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** Whether images of a batch are mixed, and labels with them, by Mixup, CutMix and the like. */
  get mixes(): boolean {
    return this.#shared.some(({ transform }) => transform.applyLabelled !== undefined);
  }

  /** `(C, H, W)` of the images in a batch; undefined where files are not given one size by `transforms`. */
  get imageShape(): readonly number[] | undefined {
    const [channels, height, width] = this.dataset.shape;
    if (height === 0 && this.#early.length === 0) return undefined;
    const size = height === 0 ? largeEnough : [height, width];
    return tidy(() => this.#transformed(ops.zeros([1, channels, ...size], { dtype: 'uint8' })).shape.slice(1));
  }

  /** What networks are given: element type and channels after all transforms. Decodes no file; waits for the data set to open. */
  async imageKind(): Promise<{ dtype: DType; channels: number }> {
    await this.dataset.open?.();
    const [channels] = this.dataset.shape;
    return tidy(() => {
      const image = this.dataset.images?.([0]) ?? ops.zeros([1, channels, ...largeEnough], { dtype: 'uint8' });
      const { dtype, shape } = this.#transformed(image);
      return { dtype, channels: shape[1]! };
    });
  }

  /** One image `(1, C, H, W)` after all transforms. */
  #transformed(image: Tensor): Tensor {
    const batch: LabelledBatch = {
      inputs: image,
      dataSamples: [{ gtLabel: 0, sampleIdx: 0 }],
      numClasses: this.dataset.classes.length,
    };
    const all = [...this.#early, ...this.#shared, ...this.#own];
    return applyAll(all, batch, { seed: 0, epoch: 0, samples: [0] }).inputs;
  }

  /**
   * Waits until batch `index` of epoch `epoch` can be loaded: reads its files and decodes them, and begins with the next batches.
   * Nothing to wait for where the images are in memory. To be awaited before each {@link load}, outside of any scope.
   * @throws {RetortError} that names the file which cannot be decoded, or has another size than the transforms need.
   */
  async prepare(epoch: number, index: number): Promise<void> {
    const first = this.#request('prepare', epoch, index);
    await this.dataset.open?.();
    if (this.#prepared === undefined) return;
    const { prefetch = 2 } = this.#options;
    const ahead = Math.max(0, Math.min(prefetch, this.length - 1 - index));
    const next = Array.from({ length: ahead }, (_, i) => this.#request('prepare', epoch, index + 1 + i));
    await this.#prepared.prepare([first, ...next]);
  }

  /**
   * Batch `index` of epoch `epoch`, both counted from 0; the same whenever it is asked for.
   * @throws {RetortError} when there is no such batch, or its files are not decoded: `await prepare(epoch, index)` before.
   */
  load(epoch: number, index: number): Batch {
    const request = this.#request('load', epoch, index);
    const { samples } = request;
    const { seed = 0, memoryFormat = 'contiguous' } = this.#options;
    const context = { seed, epoch, samples };
    let dataSamples: readonly LoadedSample[] = samples.map((sampleIdx) => ({
      gtLabel: this.dataset.label(sampleIdx),
      sampleIdx,
      ...this.dataset.sample?.(sampleIdx, { seed, epoch }),
    }));
    const { inputs, views } = tidy(() => {
      const images = this.#prepared === undefined ? this.dataset.images!(samples) : stack(this.#prepared.take(request));
      const numClasses = this.dataset.classes.length;
      const shared = applyAll(this.#shared, { inputs: images, dataSamples, numClasses }, context);
      const own = applyAll(this.#own, shared, context);
      dataSamples = own.dataSamples;
      return {
        inputs: own.inputs.contiguous({ memoryFormat }),
        views: this.#views.map(([, list]) => applyAll(list, shared, context).inputs.contiguous({ memoryFormat })),
      };
    });
    if (this.#options.views === undefined) return { inputs, dataSamples };
    return { inputs, dataSamples, views: Object.fromEntries(this.#views.map(([name], i) => [name, views[i]!])) };
  }

  async #decode(epoch: number, sample: number): Promise<PreparedImage> {
    const { data, height, width, channels, source } = await this.dataset.decode!(sample);
    const { seed = 0 } = this.#options;
    const context = { seed, epoch, samples: [sample] };
    try {
      return tidy(() => {
        const image = tensorFromBytes(data, 'uint8', [1, height, width, channels]).permute([0, 3, 1, 2]);
        const { inputs } = applyAll(this.#early, { inputs: image, dataSamples: [], numClasses: 0 }, context);
        return { bytes: inputs.contiguous().bytes(), dtype: inputs.dtype, shape: inputs.shape.slice(1), source };
      });
    } catch (error) {
      if (error instanceof RetortError) error.locate(source);
      throw error;
    }
  }

  #request(method: string, epoch: number, index: number): BatchRequest {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RetortError(`DataLoader.${method}: there is no batch ${index}, an epoch has ${this.length}`);
    }
    const { batchSize } = this.#options;
    return { epoch, index, samples: this.#indices(epoch).slice(index * batchSize, (index + 1) * batchSize) };
  }

  #indices(epoch: number): readonly number[] {
    if (this.#order?.epoch !== epoch) {
      this.#order = { epoch, indices: this.#sampler.order(epoch, this.dataset.length) };
    }
    return this.#order.indices;
  }
}

function requireImagesOnly(where: string, placed: readonly Placed[], help: string): void {
  const other = placed.find(({ transform }) => transform.applyLabelled !== undefined)?.transform;
  if (other === undefined) return;
  throw new RetortError(`DataLoader: ${where}: ${other.constructor.name} changes labels and cannot be here`, { help });
}

/** Prepared images as one tensor. @throws {RetortError} when they differ in size. */
function stack(images: readonly PreparedImage[]): Tensor {
  const [first] = images;
  const sizeOf = ({ shape }: PreparedImage): string => `${shape[1]}x${shape[2]}`;
  const other = images.find((image) => sizeOf(image) !== sizeOf(first!));
  if (other !== undefined) {
    throw new RetortError(
      `DataLoader.load: images differ in size: ${first!.source} is ${sizeOf(first!)}, ${other.source} is ${sizeOf(other)}`,
      { help: 'begin transforms with RandomResizedCrop, ResizeEdge and CenterCrop, or Resize' },
    );
  }
  const bytes = new Uint8Array(images.length * first!.bytes.length);
  images.forEach((image, i) => bytes.set(image.bytes, i * first!.bytes.length));
  return tensorFromBytes(bytes, first!.dtype, [images.length, ...first!.shape]);
}
