// `predictions.json` of a run: what its networks make of each class of the validation data, and the images that student and teacher
// judge most differently, as pictures in `predictions/`. It comes of the evaluations that there are: no network runs for it.
import { join } from 'node:path';

import { z } from 'zod';

import type { DataLoader } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import type { Picture } from '../features/index.ts';
import { imageOf } from '../features/images.ts';
import { exists, makeFolder, removeFile } from '../files.ts';
import { serializePng, writeFileAtomicSync } from '../formats/index.ts';
import type { Inputs, Outputs, Targets } from '../nn/index.ts';
import { readJsonAs } from '../registry/index.ts';
import { ops, Tensor, tensor, tidy } from '../torch/index.ts';
import { ClassificationReport } from './evaluators/index.ts';
import type { Evaluator, Metric, Metrics } from './evaluators/index.ts';
import { predictionPictures, predictionPicturesIn, runFiles } from './run-files.ts';

/** At most so many images are kept of those that two networks judge differently. */
const mostImages = 64;
/** Classes kept of each image: the most likely ones. */
const kept = 3;
/** Up to so many classes there is a matrix of confusion; beyond, the pairs that are confused most often. */
const mostInMatrix = 100;
const mostPairs = 100;
/** Pictures are made smaller to this height and width. */
const largestPicture = 96;

const count = z.int().nonnegative();
/** A share in percent, or a distance; null where there is nothing to measure, or it is not finite. */
const measured = z.number().nullable();

const network = z.object({
  accuracy: measured,
  /** Of at least six classes. */
  top5: measured.exactOptional(),
  calibrationError: measured,
  perClass: z.array(z.object({ label: z.string(), count, recall: measured, precision: measured, f1: measured })),
  /** Samples by their class (rows) and the class they were taken for (columns); of at most 100 classes. */
  confusion: z.array(z.array(count)).exactOptional(),
  /** `[class, taken for, samples]`, the most frequent first. */
  confused: z.array(z.tuple([count, count, count])),
});

const judgment = z.object({
  class: count,
  /** `[class, probability]`, the most likely first; null of scores that are not finite. */
  probabilities: z.array(z.tuple([count, measured])),
});

const schema = z.object({
  version: z.literal(1),
  /** Updates of the weights so far. */
  step: count,
  /** Epochs done. */
  epoch: z.number(),
  /** ISO 8601. */
  time: z.string(),
  classes: z.array(z.string()),
  samples: count,
  /** By name, such as `student` and `teacher`. */
  networks: z.record(z.string(), network),
  /** The two that are compared. */
  pair: z.tuple([z.string(), z.string()]).exactOptional(),
  /** Images by which of the two is right; `wrongSame`: both wrong, in the same way. */
  counts: z
    .object({ bothRight: count, bothWrong: count, wrongSame: count, onlyFirst: count, onlySecond: count })
    .exactOptional(),
  /** Share of images with the same most likely class, in percent, and what `agreement: true` measures. */
  agreement: z
    .object({ agreement: measured, kl: measured.exactOptional(), cka: measured.exactOptional() })
    .exactOptional(),
  /** Images that the two take for different classes, the surest of both first. */
  differing: z.array(
    z.object({
      /** The sample's number in the data set. */
      index: count,
      /** Within the run's folder; null where the data has no images. */
      file: z.string().nullable(),
      label: count,
      first: judgment,
      second: judgment,
    }),
  ),
});

/** What {@link readPredictions} gives. */
export type Predictions = z.output<typeof schema>;
type Judgment = z.output<typeof judgment>;

/** What a network made of each sample of an evaluation. Networks that give no scores `(N, K)` leave it empty. */
class PredictionLog implements Evaluator {
  readonly report: ClassificationReport;
  readonly #labels: number[] = [];
  readonly #samples: number[] = [];
  readonly #classes: number[] = [];
  readonly #probabilities: number[] = [];
  #each = 0;
  /** How many classes there are. */
  classes = 0;

  constructor(classes: readonly string[]) {
    this.report = new ClassificationReport(classes);
  }

  get length(): number {
    return this.#labels.length;
  }

  begin(): Metric {
    for (const list of [this.#labels, this.#samples, this.#classes, this.#probabilities]) list.length = 0;
    const report = this.report.begin();
    return {
      update: (outputs, targets) => {
        report.update(outputs, targets);
        this.#update(outputs, targets);
      },
      compute: () => ({}),
    };
  }

  #update(outputs: Outputs, { labels, sampleIdxs }: Targets): void {
    if (!(outputs instanceof Tensor) || outputs.ndim !== 2 || labels?.ndim !== 1) return;
    const [samples, classes] = outputs.shape as [number, number];
    if (labels.shape[0] !== samples || sampleIdxs?.shape[0] !== samples || classes === 0) return;
    this.classes = classes;
    this.#each = Math.min(kept, classes);
    tidy(() => {
      const [values, indices] = outputs.to('float32').softmax(1).topk(this.#each, 1);
      append(this.#probabilities, values);
      append(this.#classes, indices);
      append(this.#labels, labels);
      append(this.#samples, sampleIdxs);
    });
  }

  /** The sample at a place in the order of the evaluation. */
  at(place: number): { index: number; label: number; class: number; sure: number } {
    const first = place * this.#each;
    return {
      index: this.#samples[place]!,
      label: this.#labels[place]!,
      class: this.#classes[first]!,
      sure: this.#probabilities[first]!,
    };
  }

  judgment(place: number): Judgment {
    const first = place * this.#each;
    const pairs = Array.from({ length: this.#each }, (_, i): [number, number | null] => [
      this.#classes[first + i]!,
      rounded(this.#probabilities[first + i]!),
    ]);
    return { class: this.#classes[first]!, probabilities: pairs };
  }
}

/** To four digits; JSON has no NaN and no infinity. */
const rounded = (value: number): number | null => (Number.isFinite(value) ? Number(value.toFixed(4)) : null);

function append(list: number[], tensor: Tensor): void {
  for (const value of tensor.contiguous().reshape([-1]).data()) list.push(Number(value));
}

/** What is known of the evaluation that predictions are saved of. */
export interface PredictionsOf {
  loader: DataLoader<Inputs>;
  step: number;
  epoch: number;
  /** What `agreement: true` has measured. */
  agreement?: Metrics | undefined;
}

type Named = readonly [name: string, log: PredictionLog];

/** Collects what networks make of the samples of an evaluation, and writes it into a run's folder. @internal */
export class PredictionsRecorder {
  readonly #logs = new Map<string, PredictionLog>();

  /** To be given to the evaluation of a network; of one that is not evaluated again, what it saw last counts. */
  of(name: string, classes: readonly string[]): Evaluator {
    const log = this.#logs.get(name) ?? new PredictionLog(classes);
    this.#logs.set(name, log);
    return log;
  }

  /** Writes `predictions.json` and the pictures; nothing where no network is a classifier of samples of one class each. */
  async save(folder: string, { loader, step, epoch, agreement = {} }: PredictionsOf): Promise<void> {
    const classifiers = [...this.#logs].filter(([, log]) => log.length > 0);
    if (classifiers.length === 0) return;
    const pair = comparable(classifiers);
    const compared = pair === undefined ? undefined : compare(pair[0][1], pair[1][1]);
    const places = compared?.places ?? [];
    const [first, second] = pair?.map(([, log]) => log) ?? [];
    const pictures = await draw(
      places.map((place) => first!.at(place).index),
      { folder, loader },
    );
    const found: Predictions = {
      ...{ version: 1, step, epoch, time: new Date().toISOString() },
      classes: [...loader.dataset.classes],
      samples: classifiers[0]![1].length,
      networks: Object.fromEntries(classifiers.map(([name, { report }]) => [name, described(report)])),
      ...(pair === undefined ? {} : { pair: [pair[0][0], pair[1][0]] }),
      ...(compared === undefined
        ? {}
        : { counts: compared.counts, agreement: { agreement: compared.agreement, ...agreement } }),
      differing: places.map((place) => {
        const { index, label } = first!.at(place);
        const judgments = { first: first!.judgment(place), second: second!.judgment(place) };
        return { index, file: pictures.get(index) ?? null, label, ...judgments };
      }),
    };
    writeFileAtomicSync(join(folder, runFiles.predictions), Buffer.from(`${JSON.stringify(found)}\n`));
    for (const file of predictionPicturesIn(folder)) {
      if (!places.some((place) => pictures.get(first!.at(place).index) === file)) removeFile(join(folder, file));
    }
  }
}

/** The two networks that are compared: student and teacher, or else the first two; those that saw the same samples. */
function comparable(classifiers: readonly Named[]): readonly [Named, Named] | undefined {
  const named = (name: string): Named | undefined => classifiers.find(([own]) => own === name);
  const [first, second] = [named('student') ?? classifiers[0], named('teacher') ?? classifiers[1]];
  if (first === undefined || second === undefined || first === second) return undefined;
  const [a, b] = [first[1], second[1]];
  const alike = a.length === b.length && a.classes === b.classes && a.at(0).index === b.at(0).index;
  return alike ? [first, second] : undefined;
}

interface Compared {
  counts: NonNullable<Predictions['counts']>;
  /** In percent. */
  agreement: number;
  /** Places of samples that are judged differently, those to be kept. */
  places: readonly number[];
}

function compare(first: PredictionLog, second: PredictionLog): Compared {
  const counts = { bothRight: 0, bothWrong: 0, wrongSame: 0, onlyFirst: 0, onlySecond: 0 };
  const groups: { onlyFirst: Differing[]; onlySecond: Differing[]; neither: Differing[] } = {
    onlyFirst: [],
    onlySecond: [],
    neither: [],
  };
  let same = 0;
  for (let place = 0; place < first.length; place++) {
    const [a, b] = [first.at(place), second.at(place)];
    const [right, other] = [a.class === a.label, b.class === a.label];
    if (a.class === b.class) same++;
    if (right && other) counts.bothRight++;
    else if (right) counts.onlyFirst++;
    else if (other) counts.onlySecond++;
    else {
      counts.bothWrong++;
      if (a.class === b.class) counts.wrongSame++;
    }
    if (a.class === b.class) continue;
    groups[right ? 'onlyFirst' : other ? 'onlySecond' : 'neither'].push({ place, sure: a.sure * b.sure || 0 });
  }
  return { counts, agreement: (100 * same) / first.length, places: surest(Object.values(groups)) };
}

interface Differing {
  place: number;
  /** Product of the two networks' probabilities of what they take it for. */
  sure: number;
}

/** Those of which both networks are surest, as evenly of all groups as there are. */
function surest(groups: readonly Differing[][]): number[] {
  const sorted = groups.map((group) => group.toSorted((a, b) => b.sure - a.sure || a.place - b.place));
  const taken: Differing[] = [];
  for (let rank = 0; taken.length < mostImages && sorted.some((group) => rank < group.length); rank++) {
    for (const group of sorted) {
      const one = group[rank];
      if (one !== undefined && taken.length < mostImages) taken.push(one);
    }
  }
  return taken.toSorted((a, b) => b.sure - a.sure || a.place - b.place).map(({ place }) => place);
}

function described(report: ClassificationReport): Predictions['networks'][string] {
  const { accuracy, top5, calibrationError, perClass, confusion } = report.result()!;
  const pairs = confusion.flatMap((row, is) =>
    row.flatMap((samples, taken): [number, number, number][] =>
      samples > 0 && is !== taken ? [[is, taken, samples]] : [],
    ),
  );
  return {
    accuracy: rounded(accuracy),
    ...(top5 === undefined ? {} : { top5: rounded(top5) }),
    calibrationError: rounded(calibrationError),
    perClass: perClass.map(({ label, count: samples, recall, precision, f1 }) => ({
      ...{ label, count: samples, recall: rounded(recall), precision: rounded(precision), f1: rounded(f1) },
    })),
    ...(confusion.length > mostInMatrix ? {} : { confusion: confusion.map((row) => [...row]) }),
    confused: pairs.toSorted((a, b) => b[2] - a[2]).slice(0, mostPairs),
  };
}

/** Draws samples of the data as pictures, unless they are there. Gives the files, by sample; those that are no images have none. */
async function draw(
  indices: readonly number[],
  { folder, loader }: { folder: string; loader: DataLoader<Inputs> },
): Promise<Map<number, string>> {
  const files = new Map<number, string>();
  if (indices.length === 0) return files;
  const shown = loader.of(indices);
  makeFolder(join(folder, predictionPictures));
  try {
    for (let batch = 0; batch < shown.length; batch++) {
      await shown.prepare(0, batch);
      tidy(() => {
        const { inputs } = shown.load(0, batch);
        const images = inputs instanceof Tensor ? inputs : inputs['images'];
        if (images?.ndim !== 4) return;
        for (let i = 0; i < images.shape[0]!; i++) {
          const index = indices[files.size]!;
          const picture = imageOf(images.narrow(0, i, 1), loader.transforms);
          if (picture === undefined) return;
          const file = `${predictionPictures}/${index}.png`;
          writeFileAtomicSync(join(folder, file), serializePng({ ...reduced(picture), channels: 3 }));
          files.set(index, file);
        }
      });
    }
  } finally {
    shown[Symbol.dispose]();
  }
  return files;
}

/** The picture, or the averages of its regions where it is large. */
function reduced(picture: Picture): Picture {
  const { height, width, data } = picture;
  const factor = Math.max(height, width) / largestPicture;
  if (factor <= 1) return picture;
  const [rows, columns] = [height, width].map((size) => Math.max(1, Math.round(size / factor))) as [number, number];
  const image = tensor(data, { dtype: 'uint8' }).reshape([height, width, 3]).permute([2, 0, 1]).to('float32');
  const small = ops.adaptiveAvgPool2d(image.unsqueeze(0), [rows, columns]).squeeze(0);
  const bytes = small.round().to('uint8').permute([1, 2, 0]).contiguous();
  return { data: Uint8Array.from(bytes.data() as Uint8Array), height: rows, width: columns };
}

/**
 * Reads `predictions.json` of a run: accuracy, confusion and, of a student with a teacher, the images that the two judge most differently,
 * all of the last evaluation.
 * @param folder of a run, or of a stage in a run
 * @throws {RetortError} when it has none, or it is not such a file.
 * @example
 * ```ts
 * const { networks, differing } = readPredictions('runs/kd');
 * console.log(networks['student']?.confused[0], differing.length);
 * ```
 */
export function readPredictions(folder: string): Predictions {
  const path = join(folder, runFiles.predictions);
  if (!exists(path)) {
    throw new RetortError(`${folder} has no ${runFiles.predictions}`, {
      code: 'not-found',
      help: 'runs of classifiers have one after their first evaluation; retort test RUN --teacher --predictions makes one of a run that has none',
    });
  }
  return readJsonAs(schema, path, {
    kind: 'a file of predictions',
    help: 'it is written anew by the next evaluation; retort test RUN --teacher --predictions makes one now',
  });
}
