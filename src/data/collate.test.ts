// Samples of different sizes as a batch: images, lists of tokens, boxes; through a loader, ahead, and freed.
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { liveTensors, ops, tensor, tensorsIn, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { temporaryFolder, writePicture } from './images.contract.ts';
import { DataLoader, ImageFolder, Mixup, Normalize, padSamples, RandomHorizontalFlip, stackSamples } from './index.ts';
import type { Dataset, Sample, Transform } from './index.ts';
import { refusal } from '../../test/refusal.ts';

type Record2 = Readonly<Record<string, Tensor>>;

const at = { seed: 0, epoch: 0, samples: [0, 1, 2] };
const tokens = (...ids: number[]): Tensor => tensor(ids, { dtype: 'int64' });

describe('padSamples', () => {
  it('pads images to the largest, with a mask of where they are', () => {
    tidy(() => {
      const images = [ops.ones([3, 2, 5]), ops.ones([3, 4, 3])];
      const { inputs } = padSamples({ value: 7, divisor: 4 })(images.map((one) => ({ inputs: one })));
      expect(Object.keys(inputs)).toEqual(['images', 'mask']);
      expect(inputs['images']!.shape).toEqual([2, 3, 4, 8]);
      expect(inputs['mask']!.shape).toEqual([2, 4, 8]);
      expect(inputs['mask']!.dtype).toBe('bool');
      expect(inputs['mask']!.sum([1, 2]).toArray()).toEqual([10, 12]);
      const inside = inputs['images']!.eq(1).all(1);
      expect(ops.equal(inside, inputs['mask']!)).toBe(true);
      expect(inputs['images']!.max().item()).toBe(7);
    });
  });

  it('pads lists of tokens, their labels with what losses ignore, and leaves boxes as lists', () => {
    tidy(() => {
      const samples: Sample[] = [
        {
          inputs: { ids: tokens(5, 6, 7), types: tokens(0, 0, 1) },
          targets: { labels: tokens(1, 2, 3), boxes: [ops.ones([2, 4])], length: tensor(3) },
        },
        {
          inputs: { ids: tokens(8), types: tokens(1) },
          targets: { labels: tokens(4), boxes: [ops.ones([0, 4])], length: tensor(1) },
        },
      ];
      const { inputs, targets } = padSamples({ value: { ids: 9 }, masks: ['ids'] })(samples);
      expect(Object.keys(inputs)).toEqual(['ids', 'types', 'idsMask']);
      expect(inputs['ids']!.toArray()).toEqual([
        [5, 6, 7],
        [8, 9, 9],
      ]);
      expect(inputs['types']!.toArray()).toEqual([
        [0, 0, 1],
        [1, 0, 0],
      ]);
      expect(inputs['idsMask']!.toArray()).toEqual([
        [true, true, true],
        [true, false, false],
      ]);
      expect(targets!.labels!.toArray()).toEqual([
        [1, 2, 3],
        [4, -100, -100],
      ]);
      expect(targets!.boxes!.map(({ shape }) => shape)).toEqual([
        [2, 4],
        [0, 4],
      ]);
      expect((targets!['length'] as Tensor).toArray()).toEqual([3, 1]);
    });
  });

  it('pads labels to the same multiple, and features of sequences at the end of the sequence alone', () => {
    tidy(() => {
      const samples = [3, 1].map((length): Sample => ({
        inputs: { ids: ops.ones([length]).to('int64'), features: ops.ones([length, 5]) },
        targets: { labels: ops.ones([length]).to('int64') },
      }));
      const { inputs, targets } = padSamples({ divisor: 4 })(samples);
      expect(inputs['features']!.shape).toEqual([2, 4, 5]);
      expect(inputs['featuresMask']!.sum(1).toArray()).toEqual([3, 1]);
      expect(ops.equal(inputs['featuresMask']!, inputs['idsMask']!)).toBe(true);
      expect(targets!.labels!.toArray()).toEqual([
        [1, 1, 1, -100],
        [1, -100, -100, -100],
      ]);
      const pixels = [2, 3].map((size): Sample => ({
        inputs: ops.ones([3, size, 4]),
        targets: { labels: ops.ones([size, 4]).to('int64') },
      }));
      const images = padSamples({ divisor: 8 })(pixels);
      expect([images.inputs['images']!.shape, images.targets!.labels!.shape]).toEqual([
        [2, 3, 8, 8],
        [2, 8, 8],
      ]);
      const wide = [ops.ones([2, 5]), ops.ones([2, 4])].map((inputs) => ({ inputs }));
      expect(() => padSamples()(wide)).toThrow(refusal('invalid-argument', 'inputs', '(2, 5)', '(2, 4)', 'sample 1'));
    });
  });

  it('refuses what cannot be padded together, and options that are none', () => {
    tidy(() => {
      const collate = padSamples();
      expect(() => collate([{ inputs: ops.ones([3, 2, 2]) }, { inputs: ops.ones([1, 2, 2]) }])).toThrow(
        refusal('invalid-argument', 'images', '(3, 2, 2)', '(1, 2, 2)'),
      );
      const ids = tokens(1);
      expect(() => collate([{ inputs: { ids } }, { inputs: { other: ids } }])).toThrow(
        refusal('mismatch', 'inputs', '"ids"', '"other"', 'sample 1'),
      );
      expect(() => collate([{ inputs: { ids } }, { inputs: { ids, more: ids } }])).toThrow(
        refusal('mismatch', '"more"'),
      );
      expect(() => collate([{ inputs: ids, targets: { boxes: [ids] } }, { inputs: ids }])).toThrow(
        refusal('invalid-argument', 'targets: boxes', 'a list of tensors for sample 0', 'nothing for sample 1'),
      );
      expect(() => padSamples({ divisor: 0 })).toThrow(refusal('invalid-argument', 'padSamples'));
      expect(() => stackSamples([{ inputs: { ids } }, { inputs: { ids: tokens(1, 2) } }])).toThrow(
        refusal('invalid-argument', 'ids', 'sample 0', '(1)', 'sample 1', '(2)'),
      );
    });
  });
});

describe('through a loader', () => {
  it('images in files of different sizes are transformed one by one, then padded', async () => {
    const root = temporaryFolder();
    for (let i = 0; i < 4; i++) {
      await writePicture(join(root, `class${i % 2}`, `${i}.png`), { width: 6 + i, height: 9 - i, seed: i });
    }
    const dataset = new ImageFolder({ root });
    using loader = new DataLoader(dataset, {
      batchSize: 3,
      transforms: [new RandomHorizontalFlip(), new Normalize({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] })],
      collate: padSamples(),
      memoryFormat: 'channels_last',
    });
    expect(loader.imageShape).toBeUndefined();
    await loader.prepare(0, 0);
    tidy(() => {
      const { inputs, targets, meta } = loader.load(0, 0);
      const sizes = meta.map(({ size }) => size as [number, number]);
      expect(inputs['images']!.shape).toEqual([
        3,
        3,
        Math.max(...sizes.map(([h]) => h)),
        Math.max(...sizes.map(([, w]) => w)),
      ]);
      expect(inputs['mask']!.sum([1, 2]).toArray()).toEqual(sizes.map(([h, w]) => h * w));
      expect(inputs['images']!.mul(inputs['mask']!.logicalNot().unsqueeze(1)).abs().sum().item()).toBe(0);
      expect(targets.labels!.shape).toEqual([3]);
      expect(meta.every(({ path }) => /class\d.\d\.png$/.test(path!))).toBe(true);
    });
  });

  /** Sample i has i + 1 tokens, and as many boxes. */
  const sentences = (length: number, made: { count: number }): Dataset<Record2> => ({
    length,
    classes: [],
    item: (index, { epoch }) => {
      made.count++;
      const ids = tokens(...Array.from({ length: index + 1 }, () => index + 10 * epoch));
      return { inputs: { ids }, targets: { labels: ids.clone(), boxes: [ops.zeros([index, 4])] } };
    },
    collate: padSamples(),
  });

  it('samples of any kind are read ahead, and freed when their batch is over', async () => {
    const before = liveTensors().length;
    const made = { count: 0 };
    using loader = new DataLoader(sentences(5, made), { batchSize: 2, prefetch: 1 });
    expect(() => loader.load(0, 0)).toThrow(refusal('invalid-state', 'loader.prepare', '(0, 0)'));
    for (let i = 0; i < loader.length; i++) {
      await loader.prepare(1, i);
      tidy(() => {
        const { inputs, targets, meta } = loader.load(1, i);
        const longest = Math.min(2 * i + 2, 5);
        expect(inputs['ids']!.shape).toEqual([i === 2 ? 1 : 2, longest]);
        expect(inputs['idsMask']!.sum(1).toArray()).toEqual(meta.map(({ sampleIdx }) => sampleIdx! + 1));
        expect(targets.boxes!.map(({ shape }) => shape[0])).toEqual(meta.map(({ sampleIdx }) => sampleIdx));
        expect(targets.sampleIdxs!.toArray()).toEqual(meta.map(({ sampleIdx }) => sampleIdx));
        expect(targets.labels!.max().item()).toBe(10 + longest - 1);
      });
    }
    expect(made.count).toBe(5);
    loader[Symbol.dispose]();
    expect(liveTensors().length).toBe(before);
    await loader.prepare(0, 0); // goes on
    tidy(() => expect(loader.load(0, 0).inputs['ids']!.shape).toEqual([2, 2]));
  });

  it('a transform of tokens sees the whole batch, masks and labels too', async () => {
    /** Hides the last token of each text. */
    const hideLast: Transform = {
      applyBatch(batch) {
        const { ids, idsMask } = batch.inputs as Record2;
        const last = idsMask!.to('int64').sum(1, true).sub(1);
        const hidden = ids!.scatter(1, last, 99);
        return { ...batch, inputs: { ...(batch.inputs as Record2), ids: hidden }, targets: { ...batch.targets, last } };
      },
    };
    using loader = new DataLoader(sentences(3, { count: 0 }), {
      batchSize: 3,
      transforms: [hideLast],
      views: { teacher: [{ applyBatch: (batch) => ({ ...hideLast.applyBatch!(batch, at), targets: batch.targets }) }] },
    });
    expect(loader.mixes).toBe(false);
    await loader.prepare(0, 0);
    tidy(() => {
      const { inputs, targets } = loader.load(0, 0);
      expect(inputs['ids']!.toArray()).toEqual([
        [99, 0, 0],
        [1, 99, 0],
        [2, 2, 99],
      ]);
      expect((targets['last'] as Tensor).toArray()).toEqual([[0], [1], [2]]);
      expect(targets.labels!.max().item()).toBe(2);
    });
    using changing = new DataLoader(sentences(3, { count: 0 }), {
      batchSize: 3,
      views: {
        teacher: [
          {
            applyBatch: (batch) => ({ ...batch, targets: { ...batch.targets, labels: batch.targets.labels!.add(1) } }),
          },
        ],
      },
    });
    await changing.prepare(0, 0);
    expect(() => tidy(() => changing.load(0, 0))).toThrow(refusal('invalid-argument', 'views.teacher', 'labels'));
  });

  it('lists of a batch live as long as its tensors', async () => {
    using loader = new DataLoader(sentences(4, { count: 0 }), { batchSize: 2, prefetch: 0 });
    await loader.prepare(0, 0);
    const { inputs, targets } = loader.load(0, 0);
    await loader.prepare(0, 1);
    expect(targets.boxes!.map((one) => one.sum().item())).toEqual([0, 0]);
    for (const one of tensorsIn([inputs, targets])) one.dispose();
  });

  it('a record without images is refused where transforms would change each image', async () => {
    using loader = new DataLoader(sentences(2, { count: 0 }), {
      batchSize: 2,
      transforms: [new RandomHorizontalFlip()],
    });
    await expect(loader.prepare(0, 0)).rejects.toThrow(
      refusal('invalid-argument', 'RandomHorizontalFlip', 'images', 'ids'),
    );
  });

  it('tells what images of records and items are', async () => {
    const images = (count: number): Tensor => ops.zeros([count, 3, 4, 4], { dtype: 'uint8' });
    const normalize = new Normalize({ mean: [0, 0, 0], std: [1, 1, 1] });
    const base = { length: 2, classes: [] };
    const kind = (dataset: Dataset<never>, transforms: readonly Transform[] = []): Promise<unknown> =>
      new DataLoader(dataset, { batchSize: 1, transforms }).imageKind();
    const records = { ...base, inputs: () => ({ images: images(1), ids: ops.ones([1, 2]) }) as never };
    expect(await kind(records)).toEqual({ dtype: 'uint8', channels: 3 });
    expect(await kind(records, [normalize])).toEqual({ dtype: 'float32', channels: 3 });
    const items = { ...base, item: () => ({ inputs: { images: ops.zeros([3, 4, 4]) } }) };
    expect(await kind(items as Dataset<never>)).toEqual({ dtype: 'float32', channels: 3 });
    expect(await kind({ ...base, inputs: () => ops.ones([1, 7]) as never })).toBeUndefined();
    expect(await kind(sentences(2, { count: 0 }) as unknown as Dataset<never>)).toBeUndefined();
  });

  it('a sample that cannot be read frees the others', async () => {
    const before = liveTensors().length;
    const dataset: Dataset<Record2> = {
      ...sentences(4, { count: 0 }),
      item: (index) => {
        if (index === 2) throw new Error('torn');
        return Promise.resolve({ inputs: { ids: tokens(index) } });
      },
    };
    const loader = new DataLoader(dataset, { batchSize: 4, transforms: [new RandomHorizontalFlip()] });
    await expect(loader.prepare(0, 0)).rejects.toThrow(/torn/);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(liveTensors().length).toBe(before);
  });

  it('records in memory come many at a time; transforms change their images', async () => {
    const images = ops.full([6, 1, 4, 4], 100).to('uint8');
    const notes = ops.arange(12).view([6, 2]);
    const dataset: Dataset<Record2> = {
      length: 6,
      classes: ['a', 'b'],
      inputs: (indices) => {
        const chosen = tensor(BigInt64Array.from(indices, BigInt));
        return { images: images.indexSelect(0, chosen), notes: notes.indexSelect(0, chosen) };
      },
      label: (index) => index % 2,
      targets: (indices) => ({ depth: tensor(indices.map((index) => index / 2)) }),
    };
    const normalize = new Normalize({ mean: [0], std: [1] });
    const loader = new DataLoader(dataset, {
      batchSize: 4,
      transforms: [new Mixup({ alpha: 1 })],
      ownTransforms: [normalize],
      views: { teacher: [] },
    });
    await loader.prepare(0, 0); // nothing to wait for
    tidy(() => {
      const { inputs, targets, views } = loader.load(0, 1);
      expect(inputs['images']!.max().item()).toBeCloseTo(100 / 255, 5);
      expect(views!['teacher']!['images']!.max().item()).toBeCloseTo(100, 3);
      expect(inputs['notes']!.toArray()).toEqual([
        [8, 9],
        [10, 11],
      ]);
      expect((targets['depth'] as Tensor).toArray()).toEqual([2, 2.5]);
      expect(targets.scores!.shape).toEqual([2, 2]);
    });
    const blind = { ...dataset, inputs: () => ({ notes }) };
    expect(() => tidy(() => new DataLoader(blind, { batchSize: 6, transforms: [normalize] }).load(0, 0))).toThrow(
      refusal('invalid-argument', 'Normalize'),
    );
    const both = { ...dataset, images: () => images };
    expect(() => new DataLoader(both, { batchSize: 2 })).toThrow(
      refusal('invalid-argument', 'dataset', 'images', 'inputs'),
    );
    const few = { ...dataset, inputs: () => ({ notes }) };
    expect(() => tidy(() => new DataLoader(few, { batchSize: 2 }).load(0, 0))).toThrow(
      refusal('invalid-argument', '2 samples', 6),
    );
    const nothing = { apply: undefined };
    expect(() =>
      tidy(() => new DataLoader(dataset, { batchSize: 2, transforms: [nothing as never] }).load(0, 0)),
    ).toThrow(refusal('invalid-argument', 'applyBatch'));
    images.dispose();
    notes.dispose();
  });
});
