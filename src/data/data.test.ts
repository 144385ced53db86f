// Data: every sample once per epoch, transforms equal to plain loops, the same numbers whatever the batch size.
import { existsSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ops, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import {
  buildTransform,
  DataLoader,
  FashionMnist,
  fashionMnistFolders,
  InMemoryImages,
  Normalize,
  RandomCrop,
  RandomHorizontalFlip,
  RandomSampler,
  SyntheticImages,
  uniforms,
} from './index.ts';
import { refusal } from '../../test/refusal.ts';

const context = (samples: readonly number[]) => ({ seed: 3, epoch: 2, samples });

/** `uint8 (n, c, h, w)` counting up. */
function counting(n: number, c: number, h: number, w: number): Tensor {
  return ops
    .arange(n * c * h * w)
    .remainder(251)
    .to('uint8')
    .view([n, c, h, w]);
}

describe('loader', () => {
  it('visits every sample once per epoch, in another order each', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }), (samples, batchSize) => {
        using dataset = new SyntheticImages({ samples });
        const loader = new DataLoader(dataset, { batchSize, sampler: new RandomSampler({ seed: 1 }) });
        const visit = (epoch: number): number[] =>
          Array.from({ length: loader.length }, (_, i) =>
            tidy(() => loader.load(epoch, i).meta.map(({ sampleIdx }) => sampleIdx!)),
          ).flat();
        const first = visit(0);
        expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: samples }, (_, i) => i));
        expect(visit(0)).toEqual(first);
      }),
      { numRuns: 20 },
    );
    const sampler = new RandomSampler();
    expect(sampler.order(0, 50)).not.toEqual(sampler.order(1, 50));
    expect(new RandomSampler({ seed: 1 }).order(0, 50)).not.toEqual(sampler.order(0, 50));
  });

  it('gives a sample the same augmentation whatever the batch size and order', () => {
    using dataset = new SyntheticImages({ samples: 12 });
    const transforms = [
      new RandomCrop({ padding: 2 }),
      new RandomHorizontalFlip(),
      new Normalize({ mean: [0.5], std: [0.5] }),
    ];
    const one = new DataLoader(dataset, { batchSize: 12, transforms, seed: 9 });
    const other = new DataLoader(dataset, {
      batchSize: 5,
      transforms,
      seed: 9,
      sampler: new RandomSampler({ seed: 4 }),
    });
    tidy(() => {
      const whole = one.load(1, 0).inputs;
      for (let i = 0; i < other.length; i++) {
        const { inputs, meta } = other.load(1, i);
        meta.forEach(({ sampleIdx }, k) => expect(inputs.select(0, k)).toBeAllClose(whole.select(0, sampleIdx!)));
      }
      expect(ops.allclose(whole, one.load(2, 0).inputs)).toBe(false);
    });
  });

  it('drops a small last batch when asked, and names wrong sizes', () => {
    using dataset = new SyntheticImages({ samples: 10 });
    expect(new DataLoader(dataset, { batchSize: 4 }).length).toBe(3);
    expect(new DataLoader(dataset, { batchSize: 4, dropLast: true }).length).toBe(2);
    expect(() => new DataLoader(dataset, { batchSize: 0 })).toThrow(
      refusal('invalid-argument', 'batchSize', 'least 1'),
    );
    expect(() => new DataLoader(dataset, { batchSize: 4 }).load(0, 3)).toThrow(
      refusal('invalid-argument', 'index', 'got 3'),
    );
  });
});

describe('transforms', () => {
  it('Normalize equals its formula', () => {
    const x = counting(2, 3, 2, 2);
    const [mean, std] = [
      [0.1, 0.2, 0.3],
      [0.5, 0.6, 0.7],
    ];
    const expected = Array.from(x.data(), Number).map((value, i) => {
      const channel = Math.floor(i / 4) % 3;
      return (value / 255 - mean[channel]!) / std[channel]!;
    });
    expect(new Normalize({ mean, std }).apply(x)).toBeAllClose(expected, { atol: 1e-6 });
    expect(() => new Normalize({ mean: [0, 1], std: [1] })).toThrow(refusal('invalid-argument', 'got 2 and 1'));
    expect(() => new Normalize({ mean: [0], std: [] })).toThrow(refusal('invalid-argument', 'std', 1, 'got []'));
    expect(() => new Normalize({ mean: [0], std: [0] })).toThrow(
      refusal('invalid-argument', 'std.0', 'expected a number > 0', 'got 0'),
    );
    expect(() => new Normalize({ mean: [0], std: [1] }).apply(x)).toThrow(refusal('invalid-argument', '1 channels', 3));
  });

  it('RandomHorizontalFlip mirrors the samples its numbers choose', () => {
    const samples = [5, 1, 9, 2, 7];
    const x = counting(5, 1, 2, 3);
    const y = new RandomHorizontalFlip().apply(x, context(samples)).toArray() as number[][][][];
    const rows = x.toArray() as number[][][][];
    let flipped = 0;
    y.forEach((image, i) => {
      const same = JSON.stringify(image) === JSON.stringify(rows[i]);
      if (!same) flipped++;
      expect(same ? image : image.map((c) => c.map((row) => row.toReversed()))).toEqual(rows[i]);
    });
    expect(flipped).toBeGreaterThan(0);
    expect(new RandomHorizontalFlip({ p: 0 }).apply(x, context(samples)).toArray()).toEqual(rows);
    expect(() => new RandomHorizontalFlip({ p: 2 })).toThrow(
      refusal('invalid-argument', 'expected a number <= 1', 'got 2'),
    );
  });

  it('RandomCrop equals the plain loop', () => {
    const samples = [3, 4, 8, 1];
    const x = counting(4, 2, 5, 4);
    const [padding, h, w] = [2, 5, 4];
    const values = x.toArray() as number[][][][];
    const cropped = new RandomCrop({ padding }).apply(x, context(samples)).toArray() as number[][][][];
    // The offsets are read back from the result: some offset must explain every pixel of an image.
    cropped.forEach((image, n) => {
      const fits = (dy: number, dx: number): boolean =>
        image.every((plane, c) =>
          plane.every((row, i) =>
            row.every((value, j) => {
              const [y, xx] = [i + dy - padding, j + dx - padding];
              const inside = y >= 0 && y < h && xx >= 0 && xx < w;
              return value === (inside ? values[n]![c]![y]![xx] : 0);
            }),
          ),
        );
      const offsets = Array.from({ length: 25 }, (_, k) => [Math.floor(k / 5), k % 5] as const);
      expect(offsets.some(([dy, dx]) => fits(dy, dx))).toBe(true);
    });
    expect(new RandomCrop({ padding: 0 }).apply(x, context(samples)).toArray()).toEqual(values);
  });

  it('their random numbers are even and differ by sample, epoch, seed and stream', () => {
    const samples = Array.from({ length: 20_000 }, (_, i) => i);
    const numbers = uniforms({ seed: 0, epoch: 0, samples }, 1);
    expect(numbers.reduce((a, b) => a + b) / numbers.length).toBeCloseTo(0.5, 1);
    expect(new Set(numbers).size).toBeGreaterThan(19_990);
    const firsts = [
      [0, 0, 1],
      [1, 0, 1],
      [0, 1, 1],
      [0, 0, 2],
    ].map(([seed, epoch, stream]) => uniforms({ seed: seed!, epoch: epoch!, samples: [7] }, stream!)[0]);
    expect(new Set(firsts).size).toBe(4);
  });

  it('are built by name', () => {
    expect(buildTransform({ type: 'RandomCrop', padding: 2 })).toBeInstanceOf(RandomCrop);
    expect(() => buildTransform({ type: 'Normalise', mean: [], std: [] })).toThrow(
      refusal('unknown-name', 'Normalise', 'Normalize'),
    );
  });
});

describe('data sets', () => {
  it('refuse labels that are no class and counts that disagree', () => {
    const images = (): Tensor => counting(2, 1, 2, 2);
    expect(() => new InMemoryImages({ images: images(), labels: [0, 2], classes: ['a', 'b'] })).toThrow(
      refusal('invalid-argument', 'sample 1', 'label 2'),
    );
    expect(() => new InMemoryImages({ images: images(), labels: [0], classes: ['a'] })).toThrow(
      refusal('invalid-argument', '2 images', '1 labels'),
    );
    expect(() => new InMemoryImages({ images: tensor([1]), labels: [0], classes: ['a'] })).toThrow(
      refusal('invalid-argument', '(N, C, H, W)'),
    );
    expect(() => new InMemoryImages({ images: ops.zeros([1, 1, 0, 2]), labels: [0], classes: ['a'] })).toThrow(
      refusal('invalid-argument', 'images', '[1, 1, 0, 2]'),
    );
  });

  it('Fashion-MNIST says where it looked', () => {
    expect(() => new FashionMnist({ split: 'test', root: '/nowhere' })).toThrow(
      refusal('not-found', '/nowhere', 't10k-images-idx3-ubyte.gz', 'apt-get install'),
    );
    expect(() => new FashionMnist({ split: 'tset' as never })).toThrow(
      refusal('invalid-argument', 'split', 'train', 'test', 'tset'),
    );
    expect(() => new FashionMnist({ split: 'test', limit: 0 })).toThrow(
      refusal('invalid-argument', 'limit', 'expected a number > 0', 'got 0'),
    );
  });

  it.runIf(fashionMnistFolders().some((folder) => existsSync(folder)))(
    'Fashion-MNIST is what it is known to be',
    () => {
      using test = new FashionMnist({ split: 'test' });
      expect([test.length, ...test.shape]).toEqual([10_000, 1, 28, 28]);
      const counts = Array.from({ length: 10 }, () => 0);
      for (let i = 0; i < test.length; i++) counts[test.label(i)]!++;
      expect(counts).toEqual(counts.map(() => 1000));
      using few = new FashionMnist({ split: 'train', limit: 3000 });
      expect(few.length).toBe(3000);
      tidy(() => {
        const x = few
          .images(Array.from({ length: 3000 }, (_, i) => i))
          .to('float32')
          .div(255);
        expect(x.mean().item()).toBeCloseTo(0.286, 2);
        expect(x.std().item()).toBeCloseTo(0.353, 2);
      });
    },
  );
});
