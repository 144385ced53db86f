// Images in files through the loader: decoded ahead, the same whatever the batch, bounded, and clear about what goes wrong.
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { liveTensors, ops, tidy } from '../torch/index.ts';
import { temporaryFolder, write, writePicture } from './images.contract.ts';
import {
  CenterCrop,
  DataLoader,
  ImageFolder,
  Mixup,
  Normalize,
  RandomBatchAugment,
  RandomHorizontalFlip,
  RandomResizedCrop,
  RandomSampler,
  ResizeEdge,
  SyntheticImages,
} from './index.ts';
import type { Dataset, Transform } from './index.ts';
import { PreparedBatches } from './prepared-batches.ts';
import { refusal } from '../../test/refusal.ts';

async function folderOf(count: number): Promise<ImageFolder> {
  const root = temporaryFolder();
  for (let i = 0; i < count; i++) {
    await writePicture(join(root, `class${i % 2}`, `${i}.png`), { width: 12 + i, height: 20 - i, seed: i });
  }
  return new ImageFolder({ root });
}

const transforms = (): Transform[] => [
  new RandomHorizontalFlip(),
  new RandomResizedCrop({ size: 8 }),
  new Normalize({ mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] }),
];

describe('files through the loader', () => {
  it('come the same whatever the batch size and order, and differ by epoch', async () => {
    const dataset = await folderOf(7);
    const whole = new DataLoader(dataset, { batchSize: 7, transforms: transforms(), seed: 4 });
    const parts = new DataLoader(dataset, {
      batchSize: 3,
      transforms: transforms(),
      seed: 4,
      sampler: new RandomSampler(),
    });
    await whole.prepare(1, 0);
    const { inputs: all } = whole.load(1, 0);
    expect(all.shape).toEqual([7, 3, 8, 8]);
    expect(whole.imageShape).toEqual([3, 8, 8]);
    for (let i = 0; i < parts.length; i++) {
      await parts.prepare(1, i);
      tidy(() => {
        const { inputs, meta } = parts.load(1, i);
        meta.forEach(({ sampleIdx }, k) =>
          expect(ops.equal(inputs.select(0, k), all.select(0, sampleIdx!))).toBe(true),
        );
      });
    }
    await whole.prepare(2, 0);
    tidy(() => expect(ops.equal(whole.load(2, 0).inputs, all)).toBe(false));
    all.dispose();
  });

  it('equal the transforms applied to the decoded images', async () => {
    const dataset = await folderOf(3);
    const list = [new ResizeEdge({ size: 10 }), new CenterCrop({ size: 9 })];
    const loader = new DataLoader(dataset, { batchSize: 3, transforms: list, memoryFormat: 'channels_last' });
    await loader.prepare(0, 0);
    const decoded = await Promise.all([0, 1, 2].map((i) => dataset.decode(i)));
    tidy(() => {
      const { inputs } = loader.load(0, 0);
      decoded.forEach(({ data, height, width }, i) => {
        const image = ops.empty([height, width, 3], { dtype: 'uint8' });
        image.copy_(ops.stack([...data].map((value) => ops.full([], value))).view([height, width, 3]));
        const want = list.reduce((batch, transform) => transform.apply(batch), image.permute([2, 0, 1]).unsqueeze(0));
        expect(ops.equal(inputs.narrow(0, i, 1), want)).toBe(true);
      });
    });
  });

  it('must be prepared, and stay prepared until another batch is', async () => {
    using loader = new DataLoader(await folderOf(4), {
      batchSize: 1,
      transforms: [new RandomResizedCrop({ size: 8 })],
      prefetch: 0,
    });
    expect(() => loader.load(0, 0)).toThrow(
      refusal('invalid-state', 'DataLoader.load', 'batch 0 of epoch 0', 'loader.prepare', '(0, 0)'),
    );
    await loader.prepare(0, 1);
    tidy(() => loader.load(0, 1) && loader.load(0, 1));
    expect(() => loader.load(1, 1)).toThrow(refusal('invalid-state', 'batch 1 of epoch 1'));
    await loader.prepare(0, 2);
    expect(() => loader.load(0, 1)).toThrow(refusal('invalid-state', 'batch 1 of epoch 0'));
    await expect(loader.prepare(0, 4)).rejects.toThrow(
      refusal('invalid-argument', 'DataLoader.prepare', 'index', 'got 4'),
    );
  });

  it('wait as one tensor each, and are freed when another batch is asked for, and at the end', async () => {
    const loader = new DataLoader(await folderOf(8), { batchSize: 2, transforms: transforms() });
    const before = liveTensors().length;
    const settle = () => new Promise((resolve) => setTimeout(resolve, 100)); // the next batches too
    await loader.prepare(0, 0);
    await settle();
    expect(liveTensors().length - before).toBe(6); // of three batches
    tidy(() => void loader.load(0, 0));
    expect(liveTensors().length - before).toBe(6);
    await loader.prepare(0, 2);
    await settle();
    expect(liveTensors().length - before).toBe(4); // the last two
    const abandoned = loader.prepare(1, 0).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 0));
    loader[Symbol.dispose]();
    await abandoned;
    await settle(); // those under way are freed when they come
    expect(liveTensors().length).toBe(before);
    await loader.prepare(1, 0);
    expect(tidy(() => loader.load(1, 0).inputs.shape)).toEqual([2, 3, 8, 8]);
    loader[Symbol.dispose]();
  });

  it('that are bad are named, when their batch is due, and again', async () => {
    const root = temporaryFolder();
    await writePicture(join(root, 'a', '1.png'));
    write(join(root, 'a', '2.png'), 'nothing');
    await writePicture(join(root, 'b', '3.png'), { width: 4 });
    const dataset = new ImageFolder({ root });
    const loader = new DataLoader(dataset, { batchSize: 1, transforms: [new CenterCrop({ size: 6 })] });
    await loader.prepare(0, 0); // begins with the bad ones, whose turn it is not
    for (let k = 0; k < 2; k++) await expect(loader.prepare(0, 1)).rejects.toThrow(refusal('invalid-file', 2, 'JPEG'));
    expect(() => loader.load(0, 1)).toThrow(refusal('invalid-state', 'loader.prepare'));
    await expect(loader.prepare(0, 2)).rejects.toThrow(refusal('invalid-argument', 'CenterCrop', '6x6', '8x4', 3));
    const plain = new DataLoader(dataset, { batchSize: 2, sampler: { order: () => [0, 2] } });
    await plain.prepare(0, 0);
    expect(() => plain.load(0, 0)).toThrow(refusal('invalid-argument', '8x10', 3, '8x4', 'RandomResizedCrop'));
  });

  it('in memory need no preparation', async () => {
    using dataset = new SyntheticImages({ samples: 4 });
    const loader = new DataLoader(dataset, { batchSize: 2, transforms: [new RandomResizedCrop({ size: 5 })] });
    expect(loader.imageShape).toEqual([1, 5, 5]);
    await expect(loader.prepare(0, 0)).resolves.toBeUndefined();
    expect(tidy(() => loader.load(0, 1).meta)).toEqual([{ sampleIdx: 2 }, { sampleIdx: 3 }]);
  });
});

describe('transforms in the loader', () => {
  it('of one kind make choices of their own; those of two networks alike', () => {
    using dataset = new SyntheticImages({ samples: 64, shape: [1, 1, 2] });
    const flip = (): Transform => new RandomHorizontalFlip();
    const twice = new DataLoader(dataset, { batchSize: 64, transforms: [flip(), flip()] });
    const views = new DataLoader(dataset, {
      batchSize: 64,
      transforms: [flip()],
      ownTransforms: [flip()],
      views: { teacher: [flip()] },
    });
    const plain = new DataLoader(dataset, { batchSize: 64 });
    tidy(() => {
      expect(ops.equal(twice.load(0, 0).inputs, plain.load(0, 0).inputs)).toBe(false); // the second undoes not all
      const { inputs, views: seen } = views.load(0, 0);
      expect(ops.equal(inputs, seen!['teacher']!)).toBe(true);
      expect(ops.equal(inputs, twice.load(0, 0).inputs)).toBe(true);
    });
  });

  it('that mix labels give scores, for all networks', () => {
    using dataset = new SyntheticImages({ samples: 8, numClasses: 4 });
    const loader = new DataLoader(dataset, {
      batchSize: 8,
      transforms: [new RandomBatchAugment({ augments: [{ type: 'Mixup', alpha: 0.8 }, { type: 'CutMix' }] })],
      views: { teacher: [new Normalize({ mean: [0], std: [1] })] },
    });
    const { inputs, targets, views } = loader.load(0, 0);
    expect(targets.labels!.toArray()).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    expect(targets.scores!.shape).toEqual([8, 4]);
    expect(targets.scores!.dtype).toBe('float64');
    expect(inputs).toBeAllClose(
      tidy(() => views!['teacher']!.mul(255)),
      { rtol: 1e-4, atol: 1e-3 },
    );
  });

  it('that mix labels are refused where labels cannot change', async () => {
    using dataset = new SyntheticImages({ samples: 8 });
    const mixup = new Mixup({ alpha: 1 });
    expect(new DataLoader(dataset, { batchSize: 2, ownTransforms: [mixup] }).mixes).toBe(true);
    expect(new DataLoader(dataset, { batchSize: 2 }).mixes).toBe(false);
    expect(() => new DataLoader(dataset, { batchSize: 2, views: { teacher: [mixup] } })).toThrow(
      refusal('invalid-argument', 'views.teacher', 'Mixup'),
    );
    const adding: Transform = {
      applyBatch: (batch) => ({ ...batch, targets: { ...batch.targets, extra: ops.zeros([2]) } }),
    };
    const added = new DataLoader(dataset, { batchSize: 2, views: { teacher: [adding] } });
    expect(() => tidy(() => added.load(0, 0))).toThrow(refusal('invalid-argument', 'views.teacher', 'extra'));
    const early = [mixup, new CenterCrop({ size: 4 })];
    const files = await folderOf(2);
    expect(() => new DataLoader(files, { batchSize: 2, transforms: early })).toThrow(
      refusal('invalid-argument', 'transforms', 'Mixup'),
    );
    expect(() => new DataLoader(files, { batchSize: 2, prefetch: -1 })).toThrow(refusal('invalid-argument', 'least 0'));
    const neither = { length: 1, classes: [], shape: [1, 1, 1], label: () => 0 } satisfies Dataset;
    expect(() => new DataLoader(neither, { batchSize: 1 })).toThrow(
      refusal('invalid-argument', 'dataset', 'images(indices)', 'decode(index)'),
    );
  });
});

describe('PreparedBatches', () => {
  const request = (index: number, samples: number[]) => ({ epoch: 0, index, samples });

  it('has only so many images under way, first those that are due, and forgets what is not asked for', async () => {
    const [begun, open] = [[] as number[], [] as (() => void)[]];
    let most = 0;
    const freed: number[] = [];
    const batches = new PreparedBatches({
      make: async (_, sample) => {
        begun.push(sample);
        most = Math.max(most, open.length + 1);
        await new Promise<void>((resolve) => open.push(resolve));
        return sample;
      },
      free: (sample) => void freed.push(sample),
      concurrency: 2,
    });
    const finish = async (): Promise<void> => {
      for (const resolve of open.splice(0)) resolve();
      await new Promise((resolve) => setTimeout(resolve, 0));
    };
    const first = batches.prepare([request(0, [0, 1, 2]), request(1, [3, 4, 5, 6, 7, 8, 9])]);
    await finish();
    await finish();
    await finish();
    await first;
    expect(batches.take(request(0, [0, 1, 2]))).toEqual([0, 1, 2]);
    expect(begun.slice(0, 4)).toEqual([0, 1, 2, 3]);
    const third = batches.prepare([request(2, [10])]); // batch 1 is given up: what waits of it is not begun
    for (let k = 0; k < 4; k++) await finish();
    await third;
    expect(begun).toContain(10);
    expect(begun).not.toContain(9);
    expect(most).toBeLessThanOrEqual(2);
    expect(freed.toSorted((a, b) => a - b)).toEqual(begun.filter((sample) => sample !== 10));
    expect(() => batches.take(request(1, []))).toThrow(refusal('invalid-state', 'loader.prepare'));
  });

  it('says so when a batch is given up by another call', async () => {
    let release = (): void => undefined;
    const batches = new PreparedBatches({
      make: async (_, sample) => {
        await new Promise<void>((resolve) => (release = resolve));
        return sample;
      },
      free: () => undefined,
      concurrency: 1,
    });
    const first = batches.prepare([request(0, [0, 1])]);
    const refused = first.then(
      () => 'ready',
      (error: unknown) => String(error),
    );
    await new Promise((resolve) => setTimeout(resolve, 0));
    const second = batches.prepare([request(1, [2])]);
    release();
    expect(await refused).toMatch(/another batch was requested before this one was ready/);
    await new Promise((resolve) => setTimeout(resolve, 0));
    release();
    await second;
  });
});
