// Batches by epoch and number. A batch is made inside the caller's scope, so that a training step, which is one scope, frees it;
// and any batch can be asked for, so that a resumed run goes on in the middle of an epoch with exactly the batch that is next.
// Samples in files are read ahead by `prepare`, into tensors that stay until their batch is over, so that `load` itself never waits.
import { availableParallelism } from 'node:os';

import { RetortError } from '../errors.ts';
import { integers, mapInputs, sizeOf } from '../nn/index.ts';
import type { Batch, BatchOrigin, Inputs, SampleMeta, Targets } from '../nn/index.ts';
import { keep, mapLeaves, ops, requireDevice, Tensor, tensorFromBytes, tensorsIn, tidy } from '../torch/index.ts';
import type { Device, DType, MemoryFormat } from '../torch/index.ts';
import { stackSamples } from './collate.ts';
import type { Collate } from './collate.ts';
import type { Dataset, Sample, SampleContext } from './dataset.ts';
import { PreparedBatches } from './prepared-batches.ts';
import type { BatchRequest } from './prepared-batches.ts';
import { SequentialSampler } from './samplers/index.ts';
import type { Sampler } from './samplers/index.ts';
import { applyAll, imagesOf, place } from './transform-list.ts';
import type { Placed } from './transform-list.ts';
import { describeTransform } from './transforms/index.ts';
import type { BatchContext, Transform, TransformedBatch } from './transforms/index.ts';

/** Options of {@link DataLoader}. */
export interface DataLoaderOptions<I extends Inputs = Inputs> {
  batchSize: number;
  /** Default: first to last. */
  sampler?: Sampler;
  /** Applied to each batch in order. Default none. */
  transforms?: readonly Transform[];
  /**
   * Transforms for networks that see the images otherwise (another normalization, a further augmentation), by the network's name,
   * applied in place of `ownTransforms` after `transforms`. Default: none, all see the same.
   */
  views?: Readonly<Record<string, readonly Transform[]>>;
  /** Applied after `transforms` to what the student sees, and not to `views`. Default none. */
  ownTransforms?: readonly Transform[];
  /** Leave out a last batch that is smaller. Default false. */
  dropLast?: boolean;
  /** Seed of the transforms' random numbers. Default 0. */
  seed?: number;
  /**
   * Seed of the transforms alone, so that runs of other seeds see the same images, in another order. Default: `seed`.
   */
  augmentSeed?: number;
  /**
   * So many augmentations of each sample, one after the other over epochs: epoch `e` sees those of epoch `e % augmentViews` (Shen and Xing,
   * arXiv 2112.01528). Default: each epoch has its own.
   */
  augmentViews?: number;
  /** Of the images, `(N, C, H, W)`. Default `'contiguous'`. */
  memoryFormat?: MemoryFormat;
  /**
   * Where batches are put, all of each: inputs, targets, views. They are made on the CPU, so that augmentation is the same everywhere, and
   * moved when they are done. Default `'cpu'`.
   */
  device?: Device;
  /**
   * How samples that are read one by one (images in files, `item` of a data set) become a batch, such as `padSamples()`. With it, and
   * without a transform that gives images one size, transforms up to the first that mixes are applied to each image by itself.
   * Default: that of the data set, or `stackSamples`.
   */
  collate?: Collate<I>;
  /** Batches that are read ahead of the one that is due, where samples are read one by one. Default 2. */
  prefetch?: number;
  /** Samples that are read at once. Default: twice the processors, 16 at most. */
  decodeConcurrency?: number;
}

/** Height and width that transforms can cut from. */
const largeEnough = [1024, 1024];

/** What says what networks are given of a data set: exactly one of these. */
const sources = ['images', 'inputs', 'decode', 'item'] as const;

/**
 * Batches of a data set by epoch and number: the same batch whenever it is asked for.
 *
 * @example
 * ```ts
 * const loader = new DataLoader(dataset, { batchSize: 16, transforms: [new Normalize({ mean: [0.5], std: [0.5] })] });
 * await loader.prepare(0, 0); // reads files, if there are any
 * tidy(() => {
 *   const { inputs, targets } = loader.load(0, 0); // (16, C, H, W), and { labels: int64 (16), ... }
 * });
 * ```
 */
export class DataLoader<I extends Inputs = Tensor> implements Disposable {
  readonly dataset: Dataset<I>;
  readonly #options: DataLoaderOptions<I>;
  readonly #sampler: Sampler;
  /** Done to each image when it is decoded: the transforms up to the first that gives all one size. */
  readonly #early: readonly Placed[];
  readonly #shared: readonly Placed[];
  readonly #own: readonly Placed[];
  readonly #views: readonly (readonly [name: string, transforms: readonly Placed[]])[];
  readonly #prepared: PreparedBatches<Sample> | undefined;
  readonly #collate: Collate;
  #order: { epoch: number; indices: readonly number[] } | undefined;
  #device: Device;

  /** @throws {RetortError} for counts that make no sense, transforms in a place where they cannot be, or a device that there is not. */
  constructor(dataset: Dataset<I>, options: DataLoaderOptions<I>) {
    const { batchSize, sampler = new SequentialSampler(), transforms = [], ownTransforms = [], views = {} } = options;
    const { prefetch = 2, decodeConcurrency = Math.min(16, 2 * availableParallelism()), augmentViews = 1 } = options;
    const counts = {
      ...{ batchSize: [batchSize, 1], prefetch: [prefetch, 0], decodeConcurrency: [decodeConcurrency, 1] },
      augmentViews: [augmentViews, 1],
    };
    for (const [name, [count, least]] of Object.entries(counts) as [string, [number, number]][]) {
      if (Number.isInteger(count) && count >= least) continue;
      throw new RetortError(`DataLoader: ${name}: expected an integer of at least ${least}, got ${count}`);
    }
    const given = sources.filter((name) => dataset[name] !== undefined);
    if (given.length !== 1) {
      const got = given.length === 0 ? 'none of them' : given.join(' and ');
      throw new RetortError(
        `DataLoader: dataset: expected one of images(indices), decode(index), inputs(indices) and item(index), got ${got}`,
      );
    }
    this.dataset = dataset;
    this.#device = requireDevice(options.device ?? 'cpu', 'DataLoader: device');
    this.#options = options;
    this.#sampler = sampler;
    this.#collate = options.collate ?? dataset.collate ?? stackSamples;
    const one = given[0] === 'decode' || given[0] === 'item';
    const placed = place(transforms);
    const early = one ? this.#countEarly(transforms) : 0;
    this.#early = placed.slice(0, early);
    this.#shared = placed.slice(early);
    this.#own = place(ownTransforms, placed);
    this.#views = Object.entries(views).map(([name, list]) => [name, place(list, placed)] as const);
    const ofBatches = transforms.slice(0, early).find(({ applyBatch }) => applyBatch !== undefined);
    if (ofBatches !== undefined) {
      throw new RetortError(
        `DataLoader: transforms: ${ofBatches.constructor.name} changes whole batches and cannot be here`,
        {
          help: 'put it after the transform that gives all images one size',
        },
      );
    }
    for (const [name, list] of Object.entries(views)) requireUnmixed(`views.${name}`, list);
    if (one) {
      this.#prepared = new PreparedBatches<Sample>({
        make: (epoch, sample) => this.#read(epoch, sample),
        free,
        concurrency: decodeConcurrency,
      });
    }
  }

  /** How many transforms are done to each image by itself: see {@link DataLoaderOptions.collate}. */
  #countEarly(transforms: readonly Transform[]): number {
    const fixed = transforms.findIndex(({ fixesSize }) => fixesSize === true);
    if (fixed !== -1 || this.#collate === stackSamples) return fixed + 1;
    const mixing = transforms.findIndex(({ applyBatch }) => applyBatch !== undefined);
    return mixing === -1 ? transforms.length : mixing;
  }

  /** A loader of these samples alone, in this order, made into batches as they are here. */
  of(samples: readonly number[]): DataLoader<I> {
    return new DataLoader(this.dataset, {
      ...this.#options,
      device: this.#device,
      dropLast: false,
      sampler: { order: () => samples },
    });
  }

  /** Among how many processes the sampler shares the samples. */
  get worldSize(): number {
    return this.#sampler.worldSize ?? 1;
  }

  /** Where batches are put. */
  get device(): Device {
    return this.#device;
  }

  /** Puts the batches that are loaded from now on elsewhere. Returns the loader. @throws {RetortError} for a device that there is not. */
  to({ device }: { device: Device }): this {
    this.#device = requireDevice(device, 'DataLoader.to: device');
    return this;
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

  /** What randomness of transforms depends on besides samples. */
  #augmentation(epoch: number): SampleContext {
    const { seed = 0, augmentSeed = seed, augmentViews } = this.#options;
    return { seed: augmentSeed, epoch: augmentViews === undefined ? epoch : epoch % augmentViews };
  }

  /** What is done to what a network sees. */
  #preparation(network: string): readonly string[] | undefined {
    const own = this.#views.find(([name]) => name === network)?.[1] ?? this.#own;
    const all = [...this.#early, ...this.#shared, ...own].map(({ transform }) => transform);
    return all.some(({ mixes }) => mixes === true) ? undefined : all.map(describeTransform);
  }

  /** What is done to what the student sees, in order. */
  get transforms(): readonly Transform[] {
    return [...this.#early, ...this.#shared, ...this.#own].map(({ transform }) => transform);
  }

  /** Whether images of a batch are mixed, and labels with them, by Mixup, CutMix and the like. */
  get mixes(): boolean {
    return [...this.#shared, ...this.#own].some(({ transform }) => transform.mixes === true);
  }

  /** `(C, H, W)` of the images in a batch; undefined where there are none, or files are not given one size by `transforms`. */
  get imageShape(): readonly number[] | undefined {
    if (this.dataset.shape === undefined) return undefined;
    const [channels, height, width] = this.dataset.shape;
    if (height === 0 && !this.#early.some(({ transform }) => transform.fixesSize === true)) return undefined;
    const size = height === 0 ? largeEnough : [height, width];
    return tidy(() => this.#transformed(ops.zeros([1, channels, ...size], { dtype: 'uint8' })).shape.slice(1));
  }

  /**
   * What networks are given: element type and channels of images after all transforms; undefined where the data set has none. Decodes
   * no file, but reads the first sample of a set that reads samples one by one; waits for the data set to open.
   */
  async imageKind(): Promise<{ dtype: DType; channels: number } | undefined> {
    const { dataset } = this;
    await dataset.open?.();
    if (dataset.length === 0) return undefined;
    const context = { seed: 0, epoch: 0, samples: [0] };
    if (dataset.item !== undefined) {
      const sample = await this.#read(0, 0);
      try {
        return tidy(() => imageKindOf(this.#ofStudent(this.#batch(this.#together([sample]), context), context).inputs));
      } finally {
        free(sample);
      }
    }
    if (dataset.inputs !== undefined) {
      return tidy(() => {
        const inputs = dataset.inputs!([0]);
        if (imageKindOf(inputs) === undefined) return undefined;
        return imageKindOf(this.#ofStudent(this.#batch({ inputs }, context), context).inputs);
      });
    }
    if (dataset.shape === undefined) return undefined;
    const [channels] = dataset.shape;
    return tidy(() => {
      const image = dataset.images?.([0]) ?? ops.zeros([1, channels, ...largeEnough], { dtype: 'uint8' });
      return imageKindOf(this.#transformed(image));
    });
  }

  /** One image `(1, C, H, W)` after all transforms. */
  #transformed(image: Tensor): Tensor {
    const targets = { labels: integers([0]), sampleIdxs: integers([0]) };
    const batch: TransformedBatch = { inputs: image, targets, numClasses: this.dataset.classes.length };
    const all = [...this.#early, ...this.#shared, ...this.#own];
    return applyAll(all, batch, { seed: 0, epoch: 0, samples: [0] }).inputs as Tensor;
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
   * @throws {RetortError} when there is no such batch, or its samples are not read: `await prepare(epoch, index)` before.
   */
  load(epoch: number, index: number): Batch<I> {
    const request = this.#request('load', epoch, index);
    const { samples } = request;
    const { seed = 0, memoryFormat = 'contiguous', augmentViews } = this.#options;
    const augmentation = this.#augmentation(epoch);
    const context = { ...augmentation, samples };
    const read = this.#prepared?.take(request);
    const format = (inputs: Inputs): I =>
      mapInputs(inputs as I, (one) => one.contiguous(one.ndim === 4 ? { memoryFormat } : {}));
    const { inputs, targets, views } = tidy(() => {
      const given = read === undefined ? { inputs: this.#inMemory(samples) } : this.#together(read);
      const batch = this.#batch(given, { seed, epoch, samples });
      requireSize(batch.inputs, samples.length);
      const shared = applyAll(this.#shared, batch, context);
      const own = applyAll(this.#own, shared, context);
      return this.#moved({
        inputs: format(own.inputs),
        targets: own.targets,
        views: this.#views.map(([name, list]) => format(this.#view(name, list, { shared, context }))),
      });
    });
    const meta = samples.map((sampleIdx, i): SampleMeta => ({ ...read?.[i]?.meta, sampleIdx }));
    const origin: BatchOrigin = {
      ...{
        samples,
        length: this.dataset.length,
        seed: augmentation.seed,
        view: augmentation.epoch,
        views: augmentViews,
      },
      preparation: (network) => this.#preparation(network),
    };
    if (this.#options.views === undefined) return { inputs, targets, meta, origin };
    const seen: Record<string, I> = Object.fromEntries(this.#views.map(([name], i) => [name, views[i]!]));
    return { inputs, targets, meta, origin, views: seen };
  }

  /** Frees what was read ahead. The loader can go on: the next batch is prepared anew. */
  [Symbol.dispose](): void {
    this.#prepared?.clear();
  }

  /** A batch where it is to be: each tensor of it once. */
  #moved<B>(batch: B): B {
    const device = this.#device;
    if (device === 'cpu') return batch;
    const moved = new Map<Tensor, Tensor>();
    const there = (one: Tensor): Tensor => {
      const found = moved.get(one) ?? one.to({ device });
      moved.set(one, found);
      return found;
    };
    return mapLeaves(batch, (leaf) => (leaf instanceof Tensor ? there(leaf) : leaf)) as B;
  }

  #inMemory(samples: readonly number[]): Inputs {
    return this.dataset.images?.(samples) ?? this.dataset.inputs!(samples);
  }

  /** What a data set gives of samples, before transforms of batches. */
  #batch(given: ReturnType<Collate>, { samples, ...context }: BatchContext): TransformedBatch {
    const targets = { ...this.#targets(samples, context), ...given.targets };
    return { inputs: given.inputs, targets, numClasses: this.dataset.classes.length };
  }

  #ofStudent(batch: TransformedBatch, context: BatchContext): TransformedBatch {
    return applyAll(this.#own, applyAll(this.#shared, batch, context), context);
  }

  /** Samples that were read as a batch of its own: they are freed with what was read, it with the caller's scope. */
  #together(read: readonly Sample[]): ReturnType<Collate> {
    const given = this.#collate(read);
    const kept = new Set(read.flatMap(({ inputs, targets }) => tensorsIn([inputs, targets])));
    const own = (one: Tensor): Tensor => (kept.has(one) ? one.clone() : one);
    const targets = Object.entries(given.targets ?? {}).map(([name, value]) => [
      name,
      value instanceof Tensor ? own(value) : value?.map(own),
    ]);
    return { inputs: mapInputs(given.inputs, own), targets: Object.fromEntries(targets) as Targets };
  }

  /** What another network is given. @throws {RetortError} for transforms that change targets, which are the student's. */
  #view(
    name: string,
    list: readonly Placed[],
    { shared, context }: { shared: TransformedBatch; context: BatchContext },
  ): Inputs {
    const { inputs, targets } = applyAll(list, shared, context);
    const all = Object.keys({ ...shared.targets, ...targets });
    const changed = all.find((target) => targets[target] !== shared.targets[target]);
    if (changed === undefined) return inputs;
    throw new RetortError(
      `DataLoader: views.${name}: expected transforms that leave targets as they are, got another "${changed}": a batch has one, for all networks`,
      { help: 'put the transform into transforms, or let it change inputs alone' },
    );
  }

  /** What the data set says of samples at once. */
  #targets(samples: readonly number[], context: SampleContext): Targets {
    const { dataset } = this;
    const labels =
      dataset.labels?.(samples) ??
      (dataset.label === undefined ? undefined : integers(samples.map((sample) => dataset.label!(sample))));
    return {
      ...(labels === undefined ? {} : { labels }),
      sampleIdxs: integers(samples),
      ...dataset.targets?.(samples, context),
    };
  }

  /** One sample, kept; its images are transformed as far as each can be by itself. */
  async #read(epoch: number, sample: number): Promise<Sample> {
    const augmentation = this.#augmentation(epoch);
    const { dataset } = this;
    const early = (image: Tensor): Tensor => {
      const batch = { inputs: image, targets: {}, numClasses: 0 };
      return applyAll(this.#early, batch, { ...augmentation, samples: [sample] }).inputs as Tensor;
    };
    const at = (where: string | undefined, make: () => Sample): Sample => {
      try {
        return tidy(() => keep(make()));
      } catch (error) {
        if (error instanceof RetortError && where !== undefined) error.locate(where);
        throw error;
      }
    };
    if (dataset.decode !== undefined) {
      const { data, height, width, channels, source } = await dataset.decode(sample);
      return at(source, () => {
        const image = tensorFromBytes(data, 'uint8', [1, height, width, channels]).permute([0, 3, 1, 2]);
        const inputs = early(image).squeeze(0).contiguous();
        return { inputs, meta: { path: source, size: inputs.shape.slice(1) } };
      });
    }
    const item = await dataset.item!(sample, augmentation);
    if (this.#early.length === 0) return keep(item);
    const change = (one: Tensor, name?: string): Tensor =>
      name === undefined || name === 'images' ? early(one.unsqueeze(0)).squeeze(0).contiguous() : one;
    try {
      const made = at(item.meta?.path, () => {
        imagesOf({ inputs: item.inputs }, this.#early[0]!.transform); // a record without is an error
        return { ...item, inputs: mapInputs(item.inputs, change) };
      });
      const used = new Set(tensorsIn(made.inputs));
      for (const tensor of tensorsIn(item.inputs)) if (!used.has(tensor)) tensor.dispose();
      return made;
    } catch (error) {
      free(item);
      throw error;
    }
  }

  #request(method: string, epoch: number, index: number): BatchRequest {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RetortError(`DataLoader.${method}: index: expected a batch below ${this.length}, got ${index}`);
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

/** @throws {RetortError} for a transform that mixes where only one network would see it. */
function requireUnmixed(where: string, transforms: readonly Transform[]): void {
  const mixing = transforms.find(({ mixes }) => mixes === true);
  if (mixing === undefined) return;
  throw new RetortError(`DataLoader: ${where}: ${mixing.constructor.name} changes labels, which is not possible here`, {
    help: 'put it into transforms',
  });
}

/** @throws {RetortError} when a data set or collate gives another number of samples than were asked for. */
function requireSize(inputs: Inputs, samples: number): void {
  const size = sizeOf(inputs);
  if (size !== samples) {
    throw new RetortError(`DataLoader.load: dataset: expected inputs of ${samples} samples, got ${size}`);
  }
}

/** Of the images of a batch; undefined where it has none. */
function imageKindOf(inputs: Inputs): { dtype: DType; channels: number } | undefined {
  const images = inputs instanceof Tensor ? inputs : inputs['images'];
  return images?.ndim === 4 ? { dtype: images.dtype, channels: images.shape[1]! } : undefined;
}

/** Disposes of a sample's tensors. */
function free({ inputs, targets }: Sample): void {
  for (const tensor of tensorsIn([inputs, targets])) tensor.dispose();
}
