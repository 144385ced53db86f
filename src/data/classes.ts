// One list of classes for all data sets of an experiment: labels are numbers, and mean the same only where the lists are the same.
// The list is that of the training data; labels of the other sets are brought to it by the names of their classes.
import { nearest, RetortError } from '../errors.ts';
import { integers } from '../nn/index.ts';
import type { Targets } from '../nn/index.ts';
import { ops, tensorsIn, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import type { Dataset, Sample } from './dataset.ts';

/** Names for classes of which only the number is known: `class 0`, `class 1`, ... */
export function numberedClasses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `class ${i}`);
}

/** Whether the names say no more than the numbers. */
const onlyNumbers = (names: readonly string[]): boolean => names.every((name, i) => name === `class ${i}`);

/** Options of {@link alignClasses}. */
export interface AlignOptions {
  /** What the data set is called in errors and notes, such as `valData`. */
  name: string;
  /** What the reference is called. Default `trainData`. */
  reference?: string;
  /**
   * `'byName'` (default): a class is the reference's of the same name. `'byNumber'`: class i is the reference's class i, whatever
   * both are called.
   */
  labels?: 'byName' | 'byNumber' | undefined;
}

/** What {@link alignClasses} returns. */
export interface AlignedDataset {
  /** With the classes of the reference, in its order. */
  dataset: Dataset;
  /** What was done, or may not be meant. */
  notes: readonly string[];
}

/**
 * The data set with labels that mean what they mean in `reference`. A class that it lacks, or another order, is no mistake where
 * both know the names of their classes: its labels go by name. Where one of both knows only numbers, their counts are compared.
 * @throws {RetortError} for classes that the reference does not have.
 */
export function alignClasses(dataset: Dataset, reference: Dataset, options: AlignOptions): AlignedDataset {
  const { name, reference: other = 'trainData', labels = 'byName' } = options;
  const [own, wanted] = [dataset.classes, reference.classes];
  if (own.length === wanted.length && own.every((one, i) => one === wanted[i])) return { dataset, notes: [] };
  const counts = `${name} has ${counted(own.length)}, ${other} ${wanted.length}`;
  const unnamed = onlyNumbers(own) ? name : onlyNumbers(wanted) ? other : undefined;
  if (labels === 'byNumber' || unnamed !== undefined) {
    if (own.length > wanted.length) {
      throw new RetortError(`${counts}: its labels from ${wanted.length} on belong to no class of ${other}`, {
        code: 'mismatch',
        help: `leave these classes out of ${name}, or put them into ${other}`,
      });
    }
    const notes: string[] = [];
    if (own.length < wanted.length) notes.push(`${counts}; its labels are taken as numbers of the first ${own.length}`);
    else if (labels === 'byName')
      notes.push(`${unnamed} does not name its classes: labels of ${name} and ${other} go by number`);
    return {
      dataset: own.length === wanted.length && labels === 'byName' ? dataset : withClasses(dataset, wanted),
      notes,
    };
  }
  const numberOf = new Map(wanted.map((one, i) => [comparable(one), i]));
  const unknown = own.filter((one) => !numberOf.has(comparable(one)));
  if (unknown.length > 0) throw unknownClasses(unknown, wanted, { name, other, counts });
  if (numberOf.size < wanted.length || new Set(own.map(comparable)).size < own.length) {
    throw new RetortError(`${counts}, and a name stands for two classes`, {
      code: 'mismatch',
      help: 'give each class a different name',
    });
  }
  const numbers = own.map((one) => numberOf.get(comparable(one))!);
  const missing = wanted.filter((_, i) => !numbers.includes(i));
  const moved = numbers.some((number, i) => number !== i);
  const what =
    missing.length === 0
      ? `${name} has the classes of ${other}${moved ? ' in another order' : ', spelled with other code points'}`
      : `${counts}: it lacks ${quoted(missing)}`;
  return {
    dataset: withClasses(dataset, wanted, numbers),
    notes: [`${what}; its labels go by the names of the classes`],
  };
}

/**
 * Labels of two data sets must mean the same classes to be learned from the one and measured on the other. Sets without classes are
 * not compared, and where one knows only the numbers of its classes, only their counts are.
 * @internal
 * @throws {RetortError} `mismatch` for other classes, or the same ones in another order.
 */
export function requireSameClasses(val: Pick<Dataset, 'classes'>, train: Pick<Dataset, 'classes'>): void {
  const [own, wanted] = [val.classes, train.classes];
  if (own.length === 0 || wanted.length === 0) return;
  const byNumber = onlyNumbers(own) || onlyNumbers(wanted);
  if (own.length === wanted.length && (byNumber || own.every((name, i) => name === wanted[i]))) return;
  const at = own.findIndex((name, i) => name !== wanted[i]);
  const first =
    own.length === wanted.length
      ? `class ${at} is ${JSON.stringify(own[at])} in valLoader and ${JSON.stringify(wanted[at])} in trainLoader`
      : `${quoted(own)} and ${quoted(wanted)}`;
  throw new RetortError(
    `Trainer: valLoader: expected the ${counted(wanted.length)} of trainLoader, got ${counted(own.length)}: ${first}`,
    {
      code: 'mismatch',
      help: "give the loader the data set that alignClasses(valData, trainData, { name: 'valData' }) of retort-kd/data makes: its labels go by the names of the classes",
    },
  );
}

/** File systems differ in how they store letters with accents. */
const comparable = (name: string): string => name.normalize('NFC');

const counted = (count: number): string => `${count} ${count === 1 ? 'class' : 'classes'}`;

function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name));
  return names.length > 5 ? `${shown.join(', ')}, ... (${names.length})` : shown.join(', ');
}

function unknownClasses(
  unknown: readonly string[],
  wanted: readonly string[],
  { name, other, counts }: { name: string; other: string; counts: string },
): RetortError {
  const near = unknown.length === 1 ? nearest(unknown[0]!, wanted) : [];
  const meant = near.length === 0 ? `${other} has ${quoted(wanted)}` : `did you mean ${quoted(near)}?`;
  return new RetortError(
    `${counts}: ${quoted(unknown)} ${unknown.length === 1 ? 'is' : 'are'} not in ${other}; ${meant}`,
    {
      code: 'mismatch',
      help:
        `give both the same class folders, or name those to take in the option classes of the data set of ${name}; ` +
        `where class i is the same in both under another name, write ${name}.labels: 'byNumber'`,
    },
  );
}

/** The same samples under the classes of another set; `numbers` says which of them each own class is, default the same. */
function withClasses(dataset: Dataset, classes: readonly string[], numbers?: readonly number[]): Dataset {
  const { label, labels, targets, item, collate } = dataset;
  const moved = (given: Targets): Targets => movedTargets(given, numbers, classes.length);
  return {
    length: dataset.length,
    classes,
    shape: dataset.shape,
    label: label && ((index) => movedLabel(label.call(dataset, index), numbers)),
    labels: labels && ((indices) => movedLabels(labels.call(dataset, indices), numbers)),
    targets: targets && ((indices, context) => moved(targets.call(dataset, indices, context))),
    open: dataset.open?.bind(dataset),
    images: dataset.images?.bind(dataset),
    inputs: dataset.inputs?.bind(dataset),
    decode: dataset.decode?.bind(dataset),
    item: item && (async (index, context) => movedSample(await item.call(dataset, index, context), moved)),
    collate:
      collate &&
      ((samples) => {
        // What samples say of classes is moved already; a collate may also be the first to say it.
        const said = new Set(samples.flatMap((sample) => Object.keys(sample.targets ?? {})));
        const { inputs, targets: given = {} } = collate(samples);
        const first = Object.entries(given).filter(([name]) => !said.has(name));
        return { inputs, targets: { ...given, ...moved(Object.fromEntries(first)) } };
      }),
    file: dataset.file?.bind(dataset),
    leftOut: dataset.leftOut,
  };
}

/** A sample with its targets moved; the tensors that it has no more are freed, as the loader would have done. */
function movedSample(sample: Sample, moved: (given: Targets) => Targets): Sample {
  const { targets } = sample;
  if (targets === undefined) return sample;
  let used = new Set<Tensor>();
  try {
    const made = { ...sample, targets: tidy(() => moved(targets)) };
    used = new Set(tensorsIn([made.inputs, made.targets]));
    return made;
  } finally {
    for (const tensor of tensorsIn([sample.inputs, targets])) if (!used.has(tensor)) tensor.dispose();
  }
}

/** New numbers of classes; undefined where they stay. */
type Numbers = readonly number[] | undefined;

/** Targets whose classes are other ones: `labels`, and the columns of `scores`. */
function movedTargets(targets: Targets, numbers: Numbers, classes: number): Targets {
  const { labels, scores } = targets;
  return {
    ...targets,
    ...(labels === undefined ? {} : { labels: movedLabels(labels, numbers) }),
    ...(scores === undefined ? {} : { scores: movedScores(scores, numbers, classes) }),
  };
}

function movedLabel(label: number, numbers: Numbers): number {
  if (numbers === undefined || label < 0) return label;
  return numbers[label] ?? strangeLabel(label, numbers.length);
}

/** Classes `(N)` or `(N, ...)` by their new numbers; negative ones, which losses ignore, stay. */
function movedLabels(labels: Tensor, numbers: Numbers): Tensor {
  if (numbers === undefined) return labels;
  const ignored = labels.lt(0);
  const known = labels.maskedFill(ignored, 0).to('int64').reshape([-1]);
  const largest = known.numel === 0 ? 0 : known.max().item();
  if (largest >= numbers.length) strangeLabel(largest, numbers.length);
  const moved = integers(numbers).indexSelect(0, known).reshape(labels.shape);
  return ops.where(ignored, labels.to('int64'), moved);
}

/** Shares `(N, K)`, or `(K)` of a sample, with each column where its class is; classes that are not known have 0. */
function movedScores(scores: Tensor, numbers: Numbers, classes: number): Tensor {
  const width = scores.shape.at(-1) ?? 0;
  if (numbers === undefined && width >= classes) return scores;
  const columns = numbers ?? Array.from({ length: width }, (_, i) => i);
  if (width !== columns.length) {
    throw new RetortError(
      `data set: targets: scores: expected one for each of its ${counted(columns.length)}, got (${scores.shape.join(', ')})`,
      { code: 'mismatch' },
    );
  }
  const empty = ops.zeros([...scores.shape.slice(0, -1), classes], { dtype: scores.dtype });
  return empty.indexCopy_(scores.ndim - 1, integers(columns), scores);
}

function strangeLabel(label: number, classes: number): never {
  throw new RetortError(`data set: label ${label} is none of its ${counted(classes)}`, {
    code: 'mismatch',
    help: 'name all classes in the order of their labels; what losses are to ignore has a negative label',
  });
}
