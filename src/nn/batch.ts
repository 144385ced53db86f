// What is learned from at once: inputs, what they are to give, and what else is known of each sample. The one description of a
// batch: data sets and loaders make it, algorithms, losses and evaluators read it.
import { RetortError } from '../errors.ts';
import { Tensor, tensor } from '../torch/index.ts';

/** What a network is given: one tensor, or several by name. The first dimension of each is N, the number of samples. */
export type Inputs = Tensor | Readonly<Record<string, Tensor>>;

/** What a network gives: a tensor, or several in lists and by name. */
export type Outputs = Tensor | readonly Outputs[] | { readonly [name: string]: Outputs };

/** What the samples of a batch are to give. A task may add tensors, or lists of one tensor per sample, under names of its own. */
export interface Targets {
  /** The true classes, int64 `(N)`; or one for each token or pixel, int64 `(N, ...)`. */
  readonly labels?: Tensor | undefined;
  /** The share of each class, `(N, K)`, rows that add up to 1: learned in place of `labels` where samples were mixed. */
  readonly scores?: Tensor | undefined;
  /** Boxes of objects, `(n, 4)` for each sample: `[left, top, right, bottom]` in pixels of the input. */
  readonly boxes?: readonly Tensor[] | undefined;
  /** The samples' numbers in the data set, int64 `(N)`. */
  readonly sampleIdxs?: Tensor | undefined;
  /** Numbers of samples to contrast with, int64 `(N, 1 + K)`: the positive one first (contrastive methods). */
  readonly contrastSampleIdxs?: Tensor | undefined;
  readonly [name: string]: Tensor | readonly Tensor[] | undefined;
}

/** What is known of one sample besides; no loss needs it. */
export interface SampleMeta {
  /** The sample's number in its data set. */
  readonly sampleIdx?: number;
  /** The file it comes from. */
  readonly path?: string;
  /** Height and width before anything was padded. */
  readonly size?: readonly number[];
}

/** Where a batch comes from: all that decides what networks are given. The same origin means the same inputs, in another run too. */
export interface BatchOrigin {
  /** The samples' numbers in the data set. */
  readonly samples: readonly number[];
  /** How many samples the data set has. */
  readonly length: number;
  /** Seed of the augmentation. */
  readonly seed: number;
  /** Which augmentation of the samples: the epoch that it is of. */
  readonly view: number;
  /** How many there are, one after the other over epochs; undefined where each epoch has its own. */
  readonly views: number | undefined;
  /** What is done to what a network sees, a line for each transform; undefined where samples are mixed. By the network's name. */
  readonly preparation: (network: string) => readonly string[] | undefined;
}

/** Samples that are learned from, or evaluated, at once. */
export interface Batch<I extends Inputs = Inputs> {
  readonly inputs: I;
  readonly targets: Targets;
  /** One per sample. */
  readonly meta: readonly SampleMeta[];
  /** The same samples as other networks are to see them (another normalization, another augmentation), by the network's name. */
  readonly views?: Readonly<Record<string, I>>;
  /** Where it comes from, if that can be told. */
  readonly origin?: BatchOrigin | undefined;
}

/** A labeled sample as OpenMMLab's code writes it; {@link targetsOf} packs a list of them. */
export interface DataSample {
  /** The class, counted from 0. Samples read from targets without `labels` have none. */
  gtLabel?: number;
  /** The share of each class, `K` numbers that add up to 1: what is learned in place of `gtLabel` where images were mixed. */
  gtScore?: readonly number[];
  /** The sample's number in its data set. */
  sampleIdx?: number;
  /** Boxes of objects, `[left, top, right, bottom]` in pixels of the input (methods on detectors). */
  gtBoxes?: readonly (readonly [number, number, number, number])[];
  /** Numbers of samples to contrast with: the positive one first (contrastive methods). */
  contrastSampleIdxs?: readonly number[];
}

/** Targets, or the list of samples that {@link targetsOf} makes them from. */
export type GivenTargets = Targets | readonly DataSample[];

/** Inputs with their targets, as they may be given where a distiller is used by itself. */
export interface GivenBatch {
  readonly inputs: Inputs;
  readonly targets?: Targets;
  /** In place of `targets`. */
  readonly dataSamples?: readonly DataSample[];
}

/** How many samples there are. @throws {RetortError} for a record without tensors, or of different numbers of samples. */
export function sizeOf(inputs: Inputs): number {
  if (inputs instanceof Tensor) return inputs.shape[0] ?? 0;
  const sizes = Object.entries(inputs).map(([name, { shape }]) => [name, shape[0] ?? 0] as const);
  const [first] = sizes;
  const other = sizes.find(([, size]) => size !== first![1]);
  if (first !== undefined && other === undefined) return first[1];
  const got = first === undefined ? 'none' : `${first[1]} of "${first[0]}" and ${other![1]} of "${other![0]}"`;
  throw new RetortError(`batch: inputs: expected tensors with the same number of samples, got ${got}`);
}

/** `inputs` with `change` applied to its tensors. */
export function mapInputs<I extends Inputs>(inputs: I, change: (tensor: Tensor, name?: string) => Tensor): I {
  if (inputs instanceof Tensor) return change(inputs) as I;
  return Object.fromEntries(Object.entries(inputs).map(([name, one]) => [name, change(one, name)])) as I;
}

/** The first `count` samples of a batch. */
export function firstSamples<B extends Omit<Batch, 'meta'>>(batch: B, count: number): B {
  const most = Math.min(count, sizeOf(batch.inputs));
  return partOf(batch, { tensor: (one) => one.narrow(0, 0, most), list: (list) => list.slice(0, most) });
}

/** The samples of a batch at these places. */
export function samplesAt<B extends Omit<Batch, 'meta'>>(batch: B, places: readonly number[]): B {
  const index = integers(places);
  return partOf(batch, {
    tensor: (one) => one.indexSelect(0, one.device === 'cpu' ? index : index.to({ device: one.device })),
    list: (list) => places.map((place) => list[place]!),
  });
}

/** A batch with all that it has of each sample cut alike. */
function partOf<B extends Omit<Batch, 'meta'>>(
  batch: B,
  cut: { tensor: (one: Tensor) => Tensor; list: <T>(list: readonly T[]) => readonly T[] },
): B {
  const targets = Object.entries(batch.targets).map(([name, value]) => [
    name,
    value instanceof Tensor ? cut.tensor(value) : value === undefined ? undefined : cut.list(value),
  ]);
  const inputs = (one: Inputs): Inputs => mapInputs(one, cut.tensor);
  const { meta, origin } = batch as Partial<Batch>;
  const views = Object.entries(batch.views ?? {}).map(([name, view]) => [name, inputs(view)]);
  return {
    ...batch,
    inputs: inputs(batch.inputs),
    targets: Object.fromEntries(targets) as Targets,
    ...(origin === undefined ? {} : { origin: { ...origin, samples: cut.list(origin.samples) } }),
    ...(meta === undefined ? {} : { meta: cut.list(meta) }),
    ...(batch.views === undefined ? {} : { views: Object.fromEntries(views) }),
  };
}

/** int64 of this shape; one number after the other. */
export function integers(values: ArrayLike<number>, shape?: readonly number[]): Tensor {
  return tensor(BigInt64Array.from(values, BigInt), shape === undefined ? {} : { shape });
}

/**
 * Targets as they are, or a list of samples packed into tensors: `labels`, and what the samples have besides (`scores`, float64;
 * `boxes`; `sampleIdxs`; `contrastSampleIdxs`).
 * @throws {RetortError} for a sample that lacks what others have, a class or number that is no integer, or lists of different
 * lengths; it names the sample.
 */
export function targetsOf(given: GivenTargets): Targets {
  if (!Array.isArray(given)) return given as Targets;
  const samples = given as readonly DataSample[];
  const count = samples.length;
  const scores = column(samples, 'gtScore');
  const own = column(samples, 'sampleIdx');
  const contrast = column(samples, 'contrastSampleIdxs');
  const boxes = column(samples, 'gtBoxes', false);
  const labels = column(samples, 'gtLabel');
  return {
    ...(labels === undefined ? {} : { labels: wholes(labels, 'gtLabel') }),
    ...(scores === undefined ? {} : { scores: tensor(flat(scores, 'gtScore'), { shape: [count, scores[0]!.length] }) }),
    ...(boxes === undefined ? {} : { boxes: boxes.map((list, i) => boxesTensor(list ?? [], i)) }),
    ...(own === undefined ? {} : { sampleIdxs: wholes(own, 'sampleIdx') }),
    ...(contrast === undefined
      ? {}
      : {
          contrastSampleIdxs: wholes(flat(contrast, 'contrastSampleIdxs'), 'contrastSampleIdxs', [
            count,
            contrast[0]!.length,
          ]),
        }),
  };
}

/** The tensor of a sample's boxes, float32 `(n, 4)`. @throws {RetortError} for a box that is not four numbers. */
function boxesTensor(boxes: readonly (readonly number[])[], sample: number): Tensor {
  const wrong = boxes.findIndex((box) => box.length !== 4 || !box.every(Number.isFinite));
  if (wrong !== -1) {
    throw new RetortError(
      `data samples: gtBoxes of sample ${sample} of the batch: expected [left, top, right, bottom], got [${boxes[wrong]!.join(', ')}] for box ${wrong}`,
    );
  }
  return tensor(Float32Array.from(boxes.flat()), { shape: [boxes.length, 4] });
}

/** One field of all samples; undefined where none has it. */
function column<K extends keyof DataSample>(
  samples: readonly DataSample[],
  field: K,
  whole = true,
): Exclude<DataSample[K], undefined>[] | undefined {
  if (samples.every((sample) => sample[field] === undefined)) return undefined;
  const without = samples.findIndex((sample) => sample[field] === undefined);
  if (whole && without !== -1) {
    throw new RetortError(`data samples: sample ${without} of the batch has no ${field}, others have`);
  }
  return samples.map((sample) => sample[field] as Exclude<DataSample[K], undefined>);
}

function wholes(values: readonly number[] | Float64Array, field: string, shape?: readonly number[]): Tensor {
  const wrong = values.findIndex((value: number) => !Number.isInteger(value));
  if (wrong === -1) return integers(values, shape);
  const sample = shape === undefined ? wrong : Math.floor(wrong / shape[1]!);
  throw new RetortError(
    `data samples: ${field} of sample ${sample} of the batch: expected an integer, got ${String(values[wrong])}`,
  );
}

/** Rows of one length, one behind the other. */
function flat(rows: readonly (readonly number[])[], field: string): Float64Array {
  const width = rows[0]!.length;
  const values = new Float64Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    if (row.length !== width) {
      throw new RetortError(
        `data samples: ${field} of sample ${i} of the batch: expected ${width} numbers like the first one, got ${row.length}`,
      );
    }
    values.set(row, i * width);
  }
  return values;
}

/**
 * Targets that can also be used as a list of samples (`for (const { gtLabel } of targets)`, `targets.map(...)`, `targets[0].gtLabel`), which
 * is how networks of users with a loss of their own may be written. The list is read from the tensors once, when it is asked for.
 */
export function withSamples(targets: Targets): Targets & Iterable<DataSample> {
  let list: readonly DataSample[] | undefined;
  return new Proxy(targets, {
    get(_, key): unknown {
      if (Object.hasOwn(targets, key)) return targets[key as string];
      const ofLists = key in Array.prototype && !(key in Object.prototype);
      if (!ofLists && !/^\d+$/.test(String(key))) return Reflect.get(targets, key);
      list ??= samplesOf(targets);
      const value: unknown = Reflect.get(list, key);
      return typeof value === 'function' ? (value as () => unknown).bind(list) : value;
    },
  }) as Targets & Iterable<DataSample>;
}

/** @throws {RetortError} for labels of tokens or pixels, which are no class of a sample. */
function samplesOf(targets: Targets): DataSample[] {
  const rows = (value: Tensor | undefined): unknown[] | undefined => value?.toArray() as unknown[] | undefined;
  if (targets.labels !== undefined && targets.labels.ndim !== 1) {
    throw new RetortError(
      `targets: labels: expected (N), one class per sample, to be gone through sample by sample, got (${targets.labels.shape.join(', ')})`,
      { help: 'take targets.labels as a whole' },
    );
  }
  const [labels, scores] = [rows(targets.labels), rows(targets.scores)];
  const [own, contrast] = [rows(targets.sampleIdxs), rows(targets.contrastSampleIdxs)];
  const boxes = targets.boxes?.map((one) => one.toArray() as [number, number, number, number][]);
  const count = [labels, scores, own, contrast, boxes].find((list) => list !== undefined)?.length ?? 0;
  return Array.from({ length: count }, (_, i) => ({
    ...(labels === undefined ? {} : { gtLabel: Number(labels[i]) }),
    ...(scores === undefined ? {} : { gtScore: scores[i] as number[] }),
    ...(own === undefined ? {} : { sampleIdx: Number(own[i]) }),
    ...(contrast === undefined ? {} : { contrastSampleIdxs: (contrast[i] as unknown[]).map(Number) }),
    ...(boxes === undefined ? {} : { gtBoxes: boxes[i]! }),
  }));
}
