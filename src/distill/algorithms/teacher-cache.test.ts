// Records out of a cache are those of the teacher: losses and gradients stay what they were, the teacher is not run, and whatever the
// cache was not made of is refused with what differs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { tinyNetwork } from '../../../test/networks.ts';
import { refusal } from '../../../test/refusal.ts';
import {
  DataLoader,
  Mixup,
  Normalize,
  RandomCrop,
  RandomHorizontalFlip,
  RandomSampler,
  SyntheticImages,
} from '../../data/index.ts';
import type { DataLoaderOptions, Dataset, Transform } from '../../data/index.ts';
import { RowStore } from '../../formats/index.ts';
import { buildModel } from '../../models/index.ts';
import type { LearnedBatch, Network } from '../../nn/index.ts';
import { grad, manualSeed, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildAlgorithm, isCacheComplete } from './index.ts';
import type { SingleTeacherDistill, TeacherCacheOption } from './index.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-cache-'))));
afterEach(() => rmSync(folder, { recursive: true }));
const dir = (): string => join(folder, 'cache');

const output = (source: string) => ({ type: 'ModuleOutputs', source });
const from = (recorder: string, fromStudent: boolean) => ({ recorder, fromStudent });
const distillers = {
  scores: {
    type: 'ConfigurableDistiller',
    studentRecorders: { fc: output('head.fc') },
    teacherRecorders: { fc: output('head.fc') },
    distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4 } },
    lossForwardMappings: { loss_kl: { predsS: from('fc', true), predsT: from('fc', false) } },
  },
  features: {
    type: 'ConfigurableDistiller',
    studentRecorders: { map: output('backbone.layer1') },
    teacherRecorders: { map: output('backbone.layer1') },
    distillLosses: { loss_at: { type: 'ATLoss', lossWeight: 10 } },
    lossForwardMappings: { loss_at: { sFeature: from('map', true), tFeature: from('map', false) } },
  },
};

const dataset = new SyntheticImages({ samples: 24 });
const augmented = (): Transform[] => [
  new RandomCrop({ cropSize: 8, padding: 1 }),
  new RandomHorizontalFlip(),
  new Normalize({ mean: [0.5], std: [0.5] }),
];
const loading = () => ({
  ...{ batchSize: 8, augmentSeed: 0, augmentViews: 2, transforms: augmented() },
  sampler: new RandomSampler({ seed: 3 }),
});
const loaderOf = (options: Partial<DataLoaderOptions<Tensor>> = {}): DataLoader =>
  new DataLoader(dataset, { ...loading(), ...options });

/** An algorithm whose networks are always the same. */
function algorithmOf(
  cache: Partial<TeacherCacheOption> | undefined,
  more: object = {},
  seed = 0,
): SingleTeacherDistill {
  manualSeed(seed);
  const teacher = buildModel(tinyNetwork(6)) as Network;
  manualSeed(1);
  return buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher,
    distiller: distillers.scores,
    teacherPlan: 'plain',
    ...(cache === undefined ? {} : { teacherCache: { dir: dir(), views: 2, ...cache } }),
    ...more,
  }) as SingleTeacherDistill;
}

/** Losses and the norm of the student's gradient, and how often the teacher ran. */
function stepOf(algorithm: SingleTeacherDistill, batch: LearnedBatch): { numbers: number[]; ran: number } {
  const forward = vi.spyOn(algorithm.teacher, 'forward');
  const numbers: number[] = [];
  algorithm.trainStep(batch, ({ total, entries }) => {
    numbers.push(...Object.values(entries).map((one) => one.item()));
    const gradients = grad([total], algorithm.student.parameters(), { allowUnused: true });
    numbers.push(gradients.reduce((sum, one) => sum + (one?.square().sum().item() ?? 0), 0));
  });
  const ran = forward.mock.calls.length;
  forward.mockRestore();
  return { numbers, ran };
}

/** Steps of some epochs. */
function epochs(algorithm: SingleTeacherDistill, loader: DataLoader, count: number): ReturnType<typeof stepOf>[] {
  return Array.from({ length: count * loader.length }, (_, i) =>
    tidy(() => stepOf(algorithm, loader.load(Math.floor(i / loader.length), i % loader.length))),
  );
}

const numbersOf = (steps: ReturnType<typeof stepOf>[]): number[] => steps.flatMap(({ numbers }) => numbers);
const ranOf = (steps: ReturnType<typeof stepOf>[]): number => steps.reduce((sum, { ran }) => sum + ran, 0);
function free(...algorithms: SingleTeacherDistill[]): void {
  for (const one of algorithms) for (const tensor of [...one.parameters(), ...one.buffers()]) tensor.dispose();
}

describe('a teacher cache', () => {
  it.each([
    ['scores', 1e-6],
    ['features', 2e-3],
  ] as const)('gives the losses and gradients of the teacher, on %s', (kind, off) => {
    const distiller = distillers[kind];
    const [plain, cold, warm] = [undefined, {}, {}].map((cache) => algorithmOf(cache, { distiller }));
    const wanted = epochs(plain!, loaderOf(), 4);
    const first = epochs(cold!, loaderOf(), 4);
    const second = epochs(warm!, loaderOf(), 4);
    for (const [i, number] of numbersOf(wanted).entries()) {
      expect(Math.abs(numbersOf(first)[i]! - number)).toBeLessThan(off * Math.abs(number));
    }
    expect(numbersOf(second)).toEqual(numbersOf(first)); // to the last bit
    // Once more for the two samples that it is checked by.
    expect([ranOf(wanted), ranOf(first), ranOf(second)]).toEqual([12, 7, 1]);
    expect(cold!.notes().join()).toMatch(/is made, .* KiB for 24 samples in 2 views: /);
    expect(warm!.notes()).toEqual([`teacher cache: ${dir()} has all 48 rows: the teacher is not run`]);
    free(plain!, cold!, warm!);
  });

  it('runs the teacher on those samples alone that it lacks', () => {
    const [plain, cold, warm] = [undefined, {}, {}].map((cache) => algorithmOf(cache));
    const some = loaderOf({ batchSize: 5, dropLast: true });
    epochs(cold!, some, 1);
    const wanted = tidy(() => stepOf(plain!, loaderOf({ batchSize: 24 }).load(0, 0)));
    const { teacher } = warm!;
    const { forward } = teacher;
    const sizes: number[] = [];
    teacher.forward = (images) => {
      sizes.push((images as Tensor).shape[0]!);
      return forward.call(teacher, images);
    };
    tidy(() => warm!.trainStep(loaderOf({ batchSize: 24 }).load(0, 0), () => undefined));
    expect(sizes).toEqual([4, 2]);
    const again = tidy(() => stepOf(warm!, loaderOf({ batchSize: 24 }).load(0, 0)));
    expect(again.ran).toBe(0);
    for (const [i, number] of wanted.numbers.entries()) expect(again.numbers[i]).toBeCloseTo(number, 4);
    free(plain!, cold!, warm!);
  });

  it('is shared by runs of other seeds, and keeps epochs apart where there are no views', () => {
    const epochal = { teacherCache: { dir: dir() } };
    const [cold, warm] = [algorithmOf(undefined, epochal), algorithmOf(undefined, epochal)];
    const { augmentViews: _, ...options } = loading();
    epochs(cold, new DataLoader(dataset, options), 2);
    const other = new DataLoader(dataset, { ...options, seed: 7, sampler: new RandomSampler({ seed: 7 }) });
    const later = epochs(warm, other, 3);
    expect(ranOf(later.slice(0, 6))).toBe(1);
    expect(ranOf(later.slice(6))).toBe(3);
    expect(isCacheComplete({ dir: dir() }, 3)).toBe(true);
    expect(isCacheComplete({ dir: dir() }, 4)).toBe(false);
    free(cold, warm);
  });

  it.each([
    ['float16', { format: 'float16' }, 2e-3],
    ['int8', { format: 'int8' }, 0.05],
    ['top 3 of 4', { formats: { fc: { topk: 3 } } }, 1e-5],
    ['top 2 of 4', { formats: { fc: { topk: 2 } } }, 0.9],
  ] as const)('stores as %s, with what is lost by that', (_, option, off) => {
    const [plain, cold] = [algorithmOf(undefined), algorithmOf(option)];
    const [wanted, got] = [epochs(plain, loaderOf(), 1), epochs(cold, loaderOf(), 1)];
    for (const [i, number] of numbersOf(wanted).entries()) {
      expect(Math.abs(numbersOf(got)[i]! - number)).toBeLessThan(off * Math.abs(number) + 1e-6);
    }
    free(plain, cold);
  });

  it('keeps the share of the classes that topk leaves out', () => {
    const cold = algorithmOf({ formats: { fc: { topk: 2 } } });
    tidy(() => {
      const batch = loaderOf().load(0, 0);
      const before = cold.teacher.forward(batch.inputs) as Tensor;
      cold.trainStep(batch, () => {
        const kept = cold.distiller.teacherRecorders.getRecorder('fc').getRecordData() as Tensor;
        const [a, b] = [before.softmax(1), kept.softmax(1)];
        const highest = a.topk(2, 1)[1];
        expect(b.gather(1, highest)).toBeAllClose(a.gather(1, highest), { rtol: 1e-4, atol: 1e-6 });
      });
    });
    free(cold);
  });
});

describe('refuses', () => {
  const made = (): void => {
    const cold = algorithmOf({});
    epochs(cold, loaderOf(), 2);
    free(cold);
  };
  const refusedStep =
    (algorithm: SingleTeacherDistill, loader = loaderOf()): (() => void) =>
    () => {
      try {
        tidy(() => algorithm.trainStep(loader.load(0, 0), () => undefined));
      } finally {
        free(algorithm);
      }
    };

  it('a cache of another teacher, transform, seed, recorder or format, and says what differs', () => {
    made();
    expect(refusedStep(algorithmOf({}, {}, 9))).toThrow(refusal('mismatch', dir(), 'weights of teacher'));
    const other = loaderOf({ transforms: [new Normalize({ mean: [0.4], std: [0.5] })] });
    expect(refusedStep(algorithmOf({}), other)).toThrow(refusal('mismatch', 'transform 1', 'RandomCrop', 'Normalize'));
    expect(refusedStep(algorithmOf({ format: 'int8' }))).toThrow(
      refusal('mismatch', 'format of fc', 'float32', 'int8'),
    );
    expect(refusedStep(algorithmOf({}, { distiller: distillers.features }))).toThrow(refusal('mismatch', 'recorders'));
    expect(refusedStep(algorithmOf({ seed: 4 }), loaderOf({ augmentSeed: 4 }))).toThrow(refusal('mismatch', 'seed: 0'));
    expect(refusedStep(algorithmOf({ views: 3 }), loaderOf({ augmentViews: 3 }))).toThrow(
      refusal('mismatch', 'views: 2'),
    );
  });

  it('other images under the same description', () => {
    made();
    const changed: Dataset = {
      ...{ length: 24, shape: dataset.shape, classes: dataset.classes },
      images: (samples) => dataset.images(samples.map((one) => (one + 1) % 24)),
      label: (sample) => dataset.label(sample),
    };
    const loader = new DataLoader(changed, { batchSize: 8, augmentSeed: 0, augmentViews: 2, transforms: augmented() });
    expect(refusedStep(algorithmOf({}), loader)).toThrow(refusal('mismatch', 'other inputs', 'sample', 'teacher'));
  });

  it('a file that was changed or cut', async () => {
    made();
    const { openSync, writeSync, closeSync, truncateSync } = await import('node:fs');
    const rows = join(dir(), '000001.rows');
    const fd = openSync(rows, 'r+');
    writeSync(fd, Buffer.alloc(16 * 48, 7), 0, 16 * 48, 0);
    closeSync(fd);
    expect(refusedStep(algorithmOf({}))).toThrow(refusal('checksum', rows, 'cache prune'));
    expect(RowStore.open(dir()).verify().length).toBeGreaterThan(0);
    truncateSync(rows, 100);
    expect(refusedStep(algorithmOf({}))).toThrow(refusal('size-mismatch', rows));
  });

  it('batches that do not say what they are, mixed ones, and augmentation that is not the cache’s', () => {
    const bare = algorithmOf({});
    expect(() => tidy(() => bare.trainStep({ ...loaderOf().load(0, 0), origin: undefined }, () => undefined))).toThrow(
      refusal('invalid-state', 'DataLoader'),
    );
    free(bare);
    const mixing = loaderOf({ ownTransforms: [new Mixup({ alpha: 1 })] });
    expect(refusedStep(algorithmOf({}), mixing)).toThrow(refusal('unsupported', 'mixed'));
    expect(refusedStep(algorithmOf({}), loaderOf({ augmentSeed: 5 }))).toThrow(
      refusal('mismatch', 'augmentSeed 0', 'augmentSeed 5'),
    );
  });

  it('what cannot be kept, before anything is trained', () => {
    const gradients = {
      ...distillers.scores,
      teacherRecorders: { fc: { type: 'ModuleGradients', source: 'head.fc' } },
    };
    expect(() => algorithmOf({}, { distiller: gradients })).toThrow(refusal('unsupported', 'gradients'));
    expect(() => algorithmOf({ formats: { fcc: 'int8' } })).toThrow(refusal('unknown-name', 'fcc', 'fc'));
    expect(() => algorithmOf({}, { teacherTrainable: true })).toThrow(refusal('invalid-argument', 'teacherTrainable'));
    const delivers = {
      ...distillers.scores,
      distillDeliveries: {
        fc: { type: 'MethodOutputs', maxKeepData: 1, source: { class: Normalize, method: 'apply' } },
      },
    };
    expect(() => algorithmOf({}, { distiller: delivers })).toThrow(refusal('unsupported', 'delivered'));
    const absent = algorithmOf({ weights: false });
    expect(refusedStep(absent)).toThrow(refusal('not-found', 'weights are not here'));
  });
});
