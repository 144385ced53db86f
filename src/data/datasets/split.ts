// A part of a data set: the training samples that are learned from, or those held out to choose by. Which is which follows from a seed.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Inputs, Targets } from '../../nn/index.ts';
import { checkOptions, entry, typedOf } from '../../registry/index.ts';
import type { Entry, OptionsFrom, TypedConfig } from '../../registry/index.ts';
import { tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Dataset, SampleContext } from '../dataset.ts';
import { hash, hashText } from '../hash.ts';

const own = {
  /** `'validation'`: the samples that are held out; `'train'`: all others. */
  part: z.enum(['train', 'validation']),
  /** How much of each class is held out, above 0 and below 1. Default 0.1. */
  share: z.number().gt(0).lt(1).default(0.1),
  /** Which samples: those of a seed are always the same, whatever the seed of a run. Default 0. */
  seed: z.number().int().nonnegative().default(0),
};
/** Options of {@link Split}. */
export interface SplitOptions<I extends Inputs = Tensor> extends OptionsFrom<typeof own> {
  /** The samples that are split. */
  dataset: Dataset<I>;
}

const stream = hashText('Split');

/**
 * One of two parts of a data set that have no sample in common: `share` of each class (rounded, at least one sample where the class has
 * two) is held out, the rest is to learn from. Both parts are made of equal options but `part`. Hyper-parameters are chosen on
 * what is held out, so that the test set stays unseen.
 *
 * @example
 * ```ts
 * const whole = new FashionMnist({ split: 'train' });
 * const train = new Split({ dataset: whole, part: 'train' }); // 54,000 images
 * const validation = new Split({ dataset: whole, part: 'validation' }); // the other 6,000
 * ```
 */
export class Split<I extends Inputs = Tensor> implements Dataset<I>, Disposable {
  static readonly schema = z.strictObject({
    ...own,
    dataset: z.custom<Dataset>((value) => typeof (value as Dataset | null)?.length === 'number', 'expected a data set'),
  });
  readonly classes: readonly string[];
  readonly shape: Dataset['shape'];
  readonly open: Dataset['open'];
  readonly label: Dataset['label'];
  readonly labels: Dataset['labels'];
  readonly targets: Dataset['targets'];
  readonly images: Dataset['images'];
  readonly inputs: Dataset<I>['inputs'];
  readonly decode: Dataset['decode'];
  readonly item: Dataset['item'];
  readonly collate: Dataset<I>['collate'];
  readonly file: Dataset['file'];
  readonly leftOut: Dataset['leftOut'];
  readonly #dataset: Dataset<I>;
  /** The numbers that its samples have in the whole set. */
  readonly #indices: Int32Array;

  /** @throws {RetortError} for a share that makes no sense, and where a part would be empty. */
  constructor(options: SplitOptions<I>) {
    const { part, share, seed } = checkOptions(Split.schema, options, new.target.name);
    const { dataset } = options;
    this.#dataset = dataset;
    this.#indices = partOf(dataset, { part, share, seed });
    const indices = this.#indices;
    const all = (numbers: readonly number[]): number[] => numbers.map((i) => indices[i]!);
    this.classes = dataset.classes;
    this.shape = dataset.shape;
    this.open = dataset.open?.bind(dataset);
    this.label = dataset.label && ((i) => dataset.label!(indices[i]!));
    this.labels = dataset.labels && ((numbers) => dataset.labels!(all(numbers)));
    this.targets = dataset.targets && ((numbers, context): Targets => dataset.targets!(all(numbers), context));
    this.images = dataset.images && ((numbers) => dataset.images!(all(numbers)));
    this.inputs = dataset.inputs && ((numbers) => dataset.inputs!(all(numbers)));
    this.decode = dataset.decode && ((i) => dataset.decode!(indices[i]!));
    this.item = dataset.item && ((i, context: SampleContext) => dataset.item!(indices[i]!, context));
    this.collate = dataset.collate;
    this.file = dataset.file && ((i) => dataset.file!(indices[i]!));
    this.leftOut = dataset.leftOut;
  }

  get length(): number {
    return this.#indices.length;
  }

  /** The numbers of its samples in the whole set, in rising order. */
  get indices(): readonly number[] {
    return Array.from(this.#indices);
  }

  /** Frees the whole set. */
  [Symbol.dispose](): void {
    (this.#dataset as Partial<Disposable>)[Symbol.dispose]?.();
  }
}

function partOf(
  dataset: Pick<Dataset, 'length' | 'label' | 'labels'>,
  { part, share, seed }: { part: 'train' | 'validation'; share: number; seed: number },
): Int32Array {
  const { length } = dataset;
  const byClass = new Map<number, number[]>();
  for (const [i, label] of labelsOf(dataset).entries()) {
    const known = byClass.get(label);
    if (known === undefined) byClass.set(label, [i]);
    else known.push(i);
  }
  const heldOut = new Uint8Array(length);
  for (const samples of byClass.values()) {
    const count =
      samples.length < 2 ? 0 : Math.min(samples.length - 1, Math.max(1, Math.round(share * samples.length)));
    const drawn = samples
      .map((i) => ({ i, key: hash(seed, stream, i) }))
      .toSorted((a, b) => a.key - b.key || a.i - b.i);
    for (const { i } of drawn.slice(0, count)) heldOut[i] = 1;
  }
  const wanted = part === 'validation' ? 1 : 0;
  const indices = Int32Array.from({ length }, (_, i) => i).filter((i) => heldOut[i] === wanted);
  if (indices.length > 0) return indices;
  throw new RetortError(`Split: the part "${part}" of ${length} samples would be empty`, {
    code: 'mismatch',
    help: 'a class needs two samples for one of them to be held out',
  });
}

/** The class of each sample; all are of one where samples have none. */
function labelsOf(dataset: Pick<Dataset, 'length' | 'label' | 'labels'>): number[] {
  const { length } = dataset;
  if (dataset.label !== undefined) return Array.from({ length }, (_, i) => dataset.label!(i));
  if (dataset.labels === undefined) return Array.from({ length }, () => 0);
  return tidy(() => {
    const labels = dataset.labels!(Array.from({ length }, (_, i) => i));
    return labels.ndim === 1 ? Array.from(labels.data(), Number) : Array.from({ length }, () => 0);
  });
}

/** The entry, given what builds the inner data set. */
export function splitEntry(build: (config: TypedConfig, where: string) => Dataset): Entry<Split, SplitConfig> {
  return entry(
    z.strictObject({ ...own, dataset: typedOf<TypedConfig>('dataset') }),
    ({ dataset, ...options }) => new Split({ ...options, dataset: build(dataset, 'Split dataset') }),
    { summary: 'One of two parts of a data set: to learn from, or held out to choose by.' },
  );
}

/** The config of a {@link Split}: its data set is a config too. */
export type SplitConfig = Omit<SplitOptions, 'dataset'> & { dataset: TypedConfig };
