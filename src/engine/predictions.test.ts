// What networks make of the validation data: the numbers of scripted networks, the pictures that are kept, runs with and without them.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyNetwork } from '../../test/networks.ts';
import { refusal } from '../../test/refusal.ts';
import { DataLoader, decodeImage, InMemoryImages, Normalize } from '../data/index.ts';
import { Module } from '../nn/index.ts';
import { run } from '../runner/index.ts';
import { tensor, zeros } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { evaluate, readPredictions } from './index.ts';
import { PredictionsRecorder } from './predictions.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-predictions-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Gives image `i` the logits in row `i`: the first pixel of each image is its number. */
class Scripted extends Module {
  readonly #rows: readonly (readonly number[])[];
  constructor(rows: readonly (readonly number[])[]) {
    super();
    this.#rows = rows;
  }
  override forward(images: Tensor): Tensor {
    const numbers = images.select(1, 0).select(1, 0).select(1, 0).mul(255).round();
    return tensor(Array.from(numbers.data() as Float32Array, (i) => [...this.#rows[i]!]));
  }
}

/** Images whose every pixel is their number. */
function numbered(labels: readonly number[], size = 4): InMemoryImages {
  const pixels = new Uint8Array(labels.length * 3 * size * size).map((_, at) => Math.floor(at / (3 * size * size)));
  const images = tensor(pixels, { dtype: 'uint8' }).reshape([labels.length, 3, size, size]);
  return new InMemoryImages({ images, labels, classes: ['cat', 'dog', 'owl'] });
}

const sure = (of: number, by = 4): number[] => [0, 1, 2].map((k) => (k === of ? by : 0));
/** The probability of the most likely of three classes that is `by` above the others. */
const probability = (by: number): number => Math.exp(by) / (Math.exp(by) + 2);

async function saved(
  networks: Readonly<Record<string, readonly (readonly number[])[]>>,
  labels: readonly number[],
  size?: number,
): Promise<PredictionsRecorder> {
  using dataset = numbered(labels, size);
  const transforms = [new Normalize({ mean: [0, 0, 0], std: [1, 1, 1] })];
  const loader = new DataLoader(dataset, { batchSize: 2, transforms });
  const recorder = new PredictionsRecorder();
  for (const [name, rows] of Object.entries(networks)) {
    await evaluate(new Scripted(rows), loader, { evaluators: [recorder.of(name, dataset.classes)] });
  }
  await recorder.save(folder, { loader, step: 12, epoch: 2 });
  return recorder;
}

const pictures = (): string[] => readdirSync(join(folder, 'predictions')).toSorted();

it('says who is right, what is taken for what, and which images are judged differently', async () => {
  const labels = [0, 1, 2, 0, 1];
  await saved(
    {
      // right: 0, 2; takes the dog for an owl, the second cat for a dog, the second dog for a cat
      student: [sure(0), sure(2, 1), sure(2), sure(1, 3), sure(0)],
      // right: 0, 1; takes the owl for a cat, the second cat for an owl, the second dog for a cat
      teacher: [sure(0), sure(1, 2), sure(0), sure(2, 3), sure(0)],
    },
    labels,
  );
  const { networks, counts, agreement, differing, ...rest } = readPredictions(folder);
  expect(rest).toMatchObject({ version: 1, step: 12, epoch: 2, samples: 5, pair: ['student', 'teacher'] });
  expect(rest.classes).toEqual(['cat', 'dog', 'owl']);
  expect(networks['student']).toMatchObject({
    accuracy: 40,
    confusion: [
      [1, 1, 0],
      [1, 0, 1],
      [0, 0, 1],
    ],
    confused: [
      [0, 1, 1],
      [1, 0, 1],
      [1, 2, 1],
    ],
  });
  expect(networks['student']!.perClass[2]).toEqual({ label: 'owl', count: 1, recall: 100, precision: 50, f1: 66.6667 });
  // nothing is taken for a dog rightly, and no owl is found: there is no share of nothing
  expect(networks['teacher']!.perClass[2]).toMatchObject({ recall: 0, precision: 0, f1: 0 });
  expect(counts).toEqual({ bothRight: 1, bothWrong: 2, wrongSame: 1, onlyFirst: 1, onlySecond: 1 });
  expect(agreement).toEqual({ agreement: 40 });
  expect(differing.map(({ index }) => index)).toEqual([2, 3, 1]); // the surest first
  const [, , dog] = differing;
  expect(dog).toMatchObject({ file: 'predictions/1.png', label: 1, first: { class: 2 }, second: { class: 1 } });
  expect(dog!.first.probabilities[0]).toEqual([2, Number(probability(1).toFixed(4))]);
  expect(pictures()).toEqual(['1.png', '2.png', '3.png']);
  const picture = await decodeImage(join(folder, 'predictions', '3.png'));
  expect(new Set(picture.data)).toEqual(new Set([3])); // as the data has it, not normalized
});

it('keeps a share of each kind of difference, and removes pictures that are no longer of any', async () => {
  const labels = Array.from({ length: 200 }, (_, i) => (i < 180 ? 0 : 1));
  // of 180 cats the student alone is right, of 20 dogs the teacher alone
  const student = labels.map((_, i) => sure(0, 1 + i / 100));
  const teacher = labels.map(() => sure(1, 2));
  mkdirSync(join(folder, 'predictions'));
  for (const stale of ['7.png', 'mine.png']) writeFileSync(join(folder, 'predictions', stale), '');
  await saved({ student, teacher }, labels, 2);
  const { differing } = readPredictions(folder);
  expect(differing).toHaveLength(64);
  expect(differing.filter(({ label }) => label === 1)).toHaveLength(20);
  expect(pictures()).toHaveLength(65);
  expect(pictures()).toContain('mine.png');
  expect(pictures()).not.toContain('7.png');
});

it('large images become small pictures; scores that are not finite are told', async () => {
  await saved({ student: [sure(0), [NaN, 0, 0]], teacher: [sure(1), sure(2)] }, [0, 1], 200);
  const picture = await decodeImage(join(folder, 'predictions', '0.png'));
  expect([picture.height, picture.width]).toEqual([96, 96]);
  const { networks } = readPredictions(folder);
  expect(networks['student']).toMatchObject({ accuracy: null, calibrationError: null });
  expect(networks['teacher']).toMatchObject({ accuracy: 0 });
});

it('two students are compared with each other, one alone with nothing, what is no classifier is left out', async () => {
  await saved({ small: [sure(0)], peer: [sure(1)] }, [0]);
  expect(readPredictions(folder)).toMatchObject({ pair: ['small', 'peer'], counts: { onlyFirst: 1 } });
  await saved({ student: [sure(0)] }, [0]);
  const alone = readPredictions(folder);
  expect(alone.pair).toBeUndefined();
  expect(alone.differing).toEqual([]);
  rmSync(join(folder, 'predictions.json'));
  using dataset = numbered([0]);
  const loader = new DataLoader(dataset, { batchSize: 1 });
  const recorder = new PredictionsRecorder();
  class Maps extends Module {
    override forward(): Tensor {
      return zeros([1, 3, 2, 2]);
    }
  }
  await evaluate(new Maps(), loader, { evaluators: [recorder.of('student', dataset.classes)] });
  await recorder.save(folder, { loader, step: 1, epoch: 1 });
  expect(existsSync(join(folder, 'predictions.json'))).toBe(false);
});

it('a file that is none is refused, with the way out', () => {
  expect(() => readPredictions(folder)).toThrow(refusal('not-found', 'predictions.json', '--predictions'));
  writeFileSync(join(folder, 'predictions.json'), '{"version": 1');
  expect(() => readPredictions(folder)).toThrow(refusal('invalid-file', 'predictions.json', 'next evaluation'));
  writeFileSync(join(folder, 'predictions.json'), '{"version": 2}');
  expect(() => readPredictions(folder)).toThrow(refusal('invalid-file', 'predictions.json', 'version'));
});

it('runs write them, unless they are not to, and training is the same', async () => {
  const model = {
    ...{ type: 'SingleTeacherDistill', architecture: tinyNetwork(4), teacher: tinyNetwork(6) },
    distiller: logitsDistiller(),
  };
  const config = tinyExperiment({ model, epochs: 2, agreement: true });
  const train = (name: string, changes = {}) =>
    run({ ...config, ...changes }, { workDir: join(folder, name), progress: { step() {}, line() {} } });
  await train('with');
  await train('without', { predictions: false });
  const found = readPredictions(join(folder, 'with'));
  expect(found).toMatchObject({ epoch: 2, pair: ['student', 'teacher'] });
  expect(Object.keys(found.agreement!)).toEqual(['agreement', 'kl', 'cka']);
  expect(existsSync(join(folder, 'without', 'predictions.json'))).toBe(false);
  const student = (name: string): Buffer => readFileSync(join(folder, name, 'student.safetensors'));
  expect(student('with').equals(student('without'))).toBe(true);
  await run(config, { workDir: join(folder, 'with'), progress: { step() {}, line() {} }, overwrite: true });
  expect(readPredictions(join(folder, 'with')).differing).toEqual(found.differing);
});
