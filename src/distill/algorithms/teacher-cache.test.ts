// Records out of a cache are those of the teacher: losses and gradients stay what they were, the teacher is not run, and whatever the
// cache was not made of is refused with what differs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { tinyNetwork } from '../../../test/networks.ts';
import { refusal } from '../../../test/refusal.ts';
import {
  CrdDataset,
  DataLoader,
  Mixup,
  Normalize,
  RandomCrop,
  RandomHorizontalFlip,
  RandomSampler,
  SyntheticImages,
} from '../../data/index.ts';
import type { DataLoaderOptions, Dataset, Transform } from '../../data/index.ts';
import { RetortError } from '../../errors.ts';
import { RowStore } from '../../formats/index.ts';
import { buildModel } from '../../models/index.ts';
import { firstSamples, Linear } from '../../nn/index.ts';
import type { LearnedBatch, Network } from '../../nn/index.ts';
import { autocast, grad, manualSeed, noGrad, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildAlgorithm, isCacheComplete, MultiTeacherDistill, probe } from './index.ts';
import type { Algorithm, SingleTeacherDistill, TeacherCacheOption } from './index.ts';

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
  const teacher = 'teachers' in more ? {} : { teacher: buildModel(tinyNetwork(6)) as Network };
  manualSeed(1);
  return buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    ...teacher,
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

  class Gram extends Linear {
    override forward(x: Tensor): Tensor {
      const scores = super.forward(x);
      return scores.t().matmul(scores); // (4, 4), of however many samples
    }
  }
  it.each([2, 4])('records of a batch as a whole, where it has %s samples', (batchSize) => {
    manualSeed(0);
    const teacher = buildModel(tinyNetwork(6)) as unknown as { head: { fc: Linear } };
    const { fc } = teacher.head;
    teacher.head.fc = new Gram(fc.inFeatures, fc.outFeatures);
    for (const one of fc.parameters()) one.dispose();
    const algorithm = algorithmOf({}, { teacher });
    expect(refusedStep(algorithm, loaderOf({ batchSize }))).toThrow(refusal('unsupported', 'fc', 'other samples'));
    expect(RowStore.isAt(dir())).toBe(false);
  });

  it('files that were removed, or made anew, while it reads them', () => {
    made();
    const [reader, other] = [algorithmOf({}), algorithmOf({})];
    tidy(() => reader.trainStep(loaderOf().load(0, 0), () => undefined));
    rmSync(dir(), { recursive: true });
    epochs(other, loaderOf(), 1);
    free(other);
    expect(refusedStep(reader)).toThrow(refusal('checksum', dir(), 'made anew'));
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

describe('of other methods', () => {
  const stage = 'backbone.layer1';
  const ofMaps = (loss: object, names: readonly [string, string], more: object = {}) => ({
    type: 'ConfigurableDistiller',
    studentRecorders: { map: output(stage) },
    teacherRecorders: { map: output(stage) },
    distillLosses: { loss_x: loss },
    lossForwardMappings: { loss_x: { [names[0]]: from('map', true), [names[1]]: from('map', false) } },
    ...more,
  });
  const methods: Readonly<Record<string, () => { more: object; data?: Partial<DataLoaderOptions<Tensor>> }>> = {
    FPN: () => ({
      more: { type: 'FpnTeacherDistill', distiller: ofMaps({ type: 'ATLoss' }, ['sFeature', 'tFeature']) },
    }),
    OFD: () => ({
      more: {
        type: 'OverhaulFeatureDistillation',
        distiller: {
          type: 'OFDDistiller',
          studentRecorders: { bn: output(`${stage}.0.bn2`) },
          teacherRecorders: { bn: output(`${stage}.0.bn2`) },
          connectors: {
            s: { type: 'ConvModuleConnector', inChannel: 4, outChannel: 6, normCfg: { type: 'BN' }, actCfg: null },
            t: { type: 'OFDTeacherConnector' },
          },
          distillLosses: { loss_x: { type: 'OFDLoss' } },
          lossForwardMappings: {
            loss_x: {
              sFeature: { ...from('bn', true), connector: 's' },
              tFeature: { ...from('bn', false), connector: 't' },
            },
          },
        },
      },
    }),
    RKD: () => ({
      more: {
        distiller: {
          ...distillers.scores,
          distillLosses: { loss_x: { type: 'AngleWiseRKD' } },
          lossForwardMappings: { loss_x: { predsS: from('fc', true), predsT: from('fc', false) } },
        },
      },
    }),
    CRD: () => ({
      more: {
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: { fc: output('neck') },
          teacherRecorders: { fc: output('neck') },
          connectors: {
            s: { type: 'CRDConnector', dimIn: 4, dimOut: 4 },
            t: { type: 'CRDConnector', dimIn: 6, dimOut: 4 },
          },
          distillLosses: { loss_x: { type: 'CRDLoss', sampleN: 24, negNum: 8, dimOut: 4 } },
          lossForwardMappings: {
            loss_x: {
              sFeats: { ...from('fc', true), connector: 's', dataIdx: 0 },
              tFeats: { ...from('fc', false), connector: 't', dataIdx: 0 },
              dataSamples: { field: 'targets' },
            },
          },
        },
      },
      data: { transforms: augmented() },
    }),
    'several teachers, one with a view of its own': () => ({
      more: {
        type: 'MultiTeacherDistill',
        teachers: { a: drawn(6, 10), b: drawn(4, 11) },
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: { fc: output('head.fc'), map: output(stage) },
          teacherRecorders: { fc: output('a.head.fc'), map: output(`b.${stage}`) },
          distillLosses: { loss_kl: { type: 'KLDivergence' }, loss_at: { type: 'L2Loss' } },
          lossForwardMappings: {
            loss_kl: { predsS: from('fc', true), predsT: from('fc', false) },
            loss_at: { sFeature: from('map', true), tFeature: from('map', false) },
          },
        },
      },
      data: {
        transforms: [new RandomCrop({ cropSize: 8, padding: 1 })],
        ownTransforms: [new Normalize({ mean: [0.5], std: [0.5] })],
        views: { b: [new RandomHorizontalFlip(), new Normalize({ mean: [0.4], std: [0.3] })] },
      },
    }),
  };
  const drawn = (width: number, seed: number): Network => {
    manualSeed(seed);
    return buildModel(tinyNetwork(width));
  };
  const teachersOf = (algorithm: Algorithm): Network[] =>
    algorithm instanceof MultiTeacherDistill
      ? algorithm.teachers.keys().map((name) => algorithm.teachers.get(name))
      : [(algorithm as SingleTeacherDistill).teacher];
  /** Losses and gradients of everything that is trained, step by step, and how often teachers ran. */
  function seen(algorithm: Algorithm, loader: DataLoader): { numbers: number[]; ran: number } {
    const spies = teachersOf(algorithm).map((teacher) => vi.spyOn(teacher.getModule('backbone')!, 'forward'));
    const numbers: number[] = [];
    for (let i = 0; i < 2 * loader.length; i++) {
      tidy(() => {
        manualSeed(100 + i); // CRD draws
        algorithm.trainStep(loader.load(Math.floor(i / loader.length), i % loader.length), ({ total, entries }) => {
          numbers.push(...Object.values(entries).map((one) => one.item()));
          const trained = algorithm.parameters().filter(({ requiresGrad }) => requiresGrad);
          const all = grad([total], trained, { allowUnused: true });
          numbers.push(...all.map((one) => one?.square().sum().sqrt().item() ?? 0));
        });
      });
    }
    const ran = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    for (const spy of spies) spy.mockRestore();
    return { numbers, ran };
  }

  it.each(Object.keys(methods))('losses and gradients are those without a cache: %s', (method) => {
    const set = method === 'CRD' ? new CrdDataset({ dataset, negNum: 8 }) : dataset;
    const made = (cached: boolean): { algorithm: Algorithm; loader: DataLoader } => {
      const { more, data } = methods[method]!();
      manualSeed(0);
      const algorithm = algorithmOf(cached ? { format: 'float32' } : undefined, more) as Algorithm;
      return { algorithm, loader: new DataLoader(set, { ...loading(), ...data }) };
    };
    const [plain, cold, warm] = [false, true, true].map((cached) => {
      const { algorithm, loader } = made(cached);
      const result = seen(algorithm, loader);
      for (const tensor of [...algorithm.parameters(), ...algorithm.buffers()]) tensor.dispose();
      return result;
    });
    const teachers = method.startsWith('several') ? 2 : 1;
    expect([plain!.ran, warm!.ran]).toEqual([6 * teachers, teachers]);
    expect(warm!.numbers).toEqual(cold!.numbers);
    for (const [i, number] of plain!.numbers.entries()) {
      expect(Math.abs(cold!.numbers[i]! - number)).toBeLessThan(1e-4 * Math.abs(number) + 1e-6);
    }
  });

  it('networks whose weights are not here are said to be absent, and are not evaluated', () => {
    const { more } = methods['several teachers, one with a view of its own']!();
    const [with_, without] = [algorithmOf({}, more), algorithmOf({ weights: false }, more)];
    expect([with_, without].map((one) => [Object.keys(one.evaluated()), Object.keys(one.absent())])).toEqual([
      [['student', 'a', 'b'], []],
      [['student'], ['a', 'b']],
    ]);
    const initial = (algorithm: Algorithm): string =>
      tidy(() =>
        probe(algorithm, loaderOf().load(0, 0))
          .warnings.filter((one) => one.includes('no checkpoint'))
          .join(),
      );
    expect(initial(with_)).toContain('teachers');
    expect(initial(without)).toBe('');
    free(with_, without);
  });
});

describe('what a run computes in', () => {
  it('is no matter: teachers compute in float32, and what they gave is read by every run', () => {
    const [cold, warm, plain] = [algorithmOf({}), algorithmOf({}), algorithmOf(undefined)];
    tidy(() => autocast(() => void cold.trainStep(loaderOf().load(0, 0), () => undefined)));
    const step = tidy(() => stepOf(warm, loaderOf().load(0, 0)));
    const wanted = tidy(() => stepOf(plain, loaderOf().load(0, 0)));
    expect(step.ran).toBe(1); // on the two samples that it is checked by
    for (const [i, number] of wanted.numbers.entries()) expect(step.numbers[i]).toBeCloseTo(number, 5);
    free(cold, warm, plain);
  });

  it('numbers that are not finite are not stored, and said once; those too large for float16 are refused', () => {
    const bad = algorithmOf({});
    tidy(() => noGrad(() => void (bad.teacher.getModule('head.fc') as Linear).weight.fill_(Number.NaN)));
    epochs(bad, loaderOf(), 1);
    expect(bad.notes().filter((note) => note.includes('not finite'))).toHaveLength(1);
    expect(RowStore.isAt(dir())).toBe(false);
    const large = algorithmOf({ format: 'float16' });
    tidy(() => noGrad(() => void (large.teacher.getModule('head.fc') as Linear).weight.fill_(1e7)));
    expect(() => tidy(() => large.trainStep(loaderOf().load(0, 0), () => undefined))).toThrow(
      refusal('invalid-argument', 'formats.fc', 'float16', 65504, 'float32'),
    );
    free(bad, large);
  });

  it('goes on with the teacher where the disk is full, and says so once', () => {
    const [plain, cold] = [algorithmOf(undefined), algorithmOf({})];
    const append = vi.spyOn(RowStore.prototype, 'append').mockImplementation(() => {
      throw new RetortError('cannot write x: the disk is full', { code: 'file-system' });
    });
    const [wanted, got] = [epochs(plain, loaderOf(), 2), epochs(cold, loaderOf(), 2)];
    append.mockRestore();
    for (const [i, number] of numbersOf(wanted).entries()) expect(numbersOf(got)[i]).toBeCloseTo(number, 4);
    expect(cold.notes().filter((note) => note.includes('the disk is full'))).toHaveLength(1);
    expect(RowStore.open(dir()).count).toBe(0);
    free(plain, cold);
  });
});

describe('a probe', () => {
  it('neither writes nor needs the cache, and says where it is another', () => {
    const cold = algorithmOf({});
    const batch = () => firstSamples(loaderOf().load(0, 0), 4);
    expect(tidy(() => probe(cold, batch())).mistakes).toEqual([]);
    expect(RowStore.isAt(dir())).toBe(false);
    epochs(cold, loaderOf(), 1);
    const count = RowStore.open(dir()).count;
    const [warm, other] = [algorithmOf({}), algorithmOf({}, {}, 9)];
    const found = tidy(() => probe(warm, batch()));
    expect([found.mistakes, found.recorders.map(({ records }) => records)]).toEqual([[], [1, 1]]);
    expect(tidy(() => probe(other, batch())).mistakes.join()).toContain('weights of teacher');
    expect(RowStore.open(dir()).count).toBe(count);
    free(cold, warm, other);
  });
});
