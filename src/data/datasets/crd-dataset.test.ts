// CrdDataset: positives of the same class, negatives of all others, the same for a seed, epoch and sample.
import { describe, expect, it } from 'vitest';

import { integers } from '../../nn/index.ts';
import { tidy } from '../../torch/index.ts';
import { DataLoader, RandomSampler } from '../index.ts';
import type { Dataset } from '../index.ts';
import { CrdDataset, InMemoryImages, SyntheticImages } from './index.ts';
import { ops } from '../../torch/index.ts';
import { refusal } from '../../../test/refusal.ts';

const at = (epoch: number, seed = 0) => ({ seed, epoch });
const contrastOf = (dataset: CrdDataset, index: number, epoch = 0, seed = 0): number[] =>
  tidy(() => Array.from(dataset.targets([index], at(epoch, seed)).contrastSampleIdxs!.data(), Number));
const negativesOf = (dataset: CrdDataset, index: number, epoch = 0, seed = 0): readonly number[] =>
  contrastOf(dataset, index, epoch, seed).slice(1);

describe('CrdDataset', () => {
  it('contrasts a sample with itself and with others of other classes, without repetition', () => {
    using inner = new SyntheticImages({ samples: 40, numClasses: 4 });
    const dataset = new CrdDataset({ dataset: inner, negNum: 30 });
    for (let i = 0; i < 40; i++) {
      const [positive, ...negatives] = contrastOf(dataset, i, 3);
      expect(positive).toBe(i);
      expect(new Set(negatives).size).toBe(30); // all there are
      expect(negatives.every((other) => other % 4 !== i % 4)).toBe(true);
    }
    expect(negativesOf(dataset, 0, 1)).toEqual(negativesOf(dataset, 0, 1));
    const others = [negativesOf(dataset, 0, 2), negativesOf(dataset, 4, 1), negativesOf(dataset, 0, 1, 9)];
    for (const other of others) expect(other).not.toEqual(negativesOf(dataset, 0, 1));
  });

  it('draws evenly, and again where there are too few', () => {
    using inner = new SyntheticImages({ samples: 20, numClasses: 2 });
    const dataset = new CrdDataset({ dataset: inner, negNum: 5, sampleMode: 'random' });
    const drawn = Array.from({ length: 1000 }, (_, epoch) => contrastOf(dataset, 7, epoch));
    const positives = drawn.map(([positive]) => positive!);
    expect(new Set(positives)).toEqual(new Set([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]));
    const counts = Array.from({ length: 10 }, (_, i) => drawn.filter((one) => one.slice(1).includes(2 * i)).length);
    for (const count of counts) expect(count / 1000).toBeCloseTo(0.5, 1);
    const many = new CrdDataset({ dataset: inner, negNum: 64 });
    expect(negativesOf(many, 0)).toHaveLength(64);
    expect(negativesOf(many, 0).every((other) => other % 2 === 1)).toBe(true);
  });

  it('draws from a share of the negatives, the same for a class all along', () => {
    using inner = new SyntheticImages({ samples: 60, numClasses: 3 });
    const dataset = new CrdDataset({ dataset: inner, negNum: 10, percent: 0.25 });
    const pool = new Set(negativesOf(dataset, 0));
    expect(pool.size).toBe(10);
    for (let epoch = 1; epoch < 5; epoch++) {
      expect(new Set(negativesOf(dataset, 3, epoch))).toEqual(pool); // another sample of the class
    }
    expect(new Set(negativesOf(dataset, 0, 0, 1))).not.toEqual(pool);
  });

  it('takes classes from labels(indices) alone, and refuses those that are none', () => {
    const of = (labels: readonly number[], classes: readonly string[] = []): Dataset => ({
      length: labels.length,
      classes,
      inputs: (indices) => ops.zeros([indices.length, 2]),
      labels: (indices) => integers(indices.map((index) => labels[index]!)),
    });
    const dataset = new CrdDataset({ dataset: of([0, 1, 0, 1, 0, 1]), negNum: 3 });
    expect(dataset.label(3)).toBe(1);
    expect(contrastOf(dataset, 2)[0]).toBe(2);
    expect(new Set(negativesOf(dataset, 2))).toEqual(new Set([1, 3, 5]));
    expect(() => new CrdDataset({ dataset: of([0, 1, 2], ['a', 'b']) })).toThrow(
      refusal('invalid-argument', 'CrdDataset', '2 classes', 'got 2', 'sample 2'),
    );
    const { labels: _, ...blind } = of([0, 1]);
    expect(() => new CrdDataset({ dataset: blind })).toThrow(refusal('invalid-argument', 'CrdDataset', 'labels'));
  });

  it('goes through the loader, whatever the order', () => {
    using inner = new SyntheticImages({ samples: 12, numClasses: 3 });
    const dataset = new CrdDataset({ dataset: inner, negNum: 4 });
    const visit = (batchSize: number, sampler?: RandomSampler) => {
      const loader = new DataLoader(dataset, { batchSize, seed: 5, ...(sampler === undefined ? {} : { sampler }) });
      return Array.from({ length: loader.length }, (_, i) =>
        tidy(() => {
          const { targets, meta } = loader.load(2, i);
          const rows = targets.contrastSampleIdxs!.toArray() as unknown[];
          return meta.map(({ sampleIdx }, k) => ({ sampleIdx: sampleIdx!, contrast: rows[k] }));
        }),
      ).flat();
    };
    const ordered = visit(12);
    for (const sample of visit(5, new RandomSampler())) expect(sample).toEqual(ordered[sample.sampleIdx]);
    expect(ordered[3]!.contrast).toHaveLength(5);
  });

  it('refuses numbers that make no sense, and data of one class', () => {
    using inner = new SyntheticImages({ samples: 8, numClasses: 2 });
    expect(() => new CrdDataset({ dataset: inner, negNum: 0 })).toThrow(
      refusal('invalid-argument', 'CrdDataset', 'negNum', 'expected a number > 0', 'got 0'),
    );
    expect(() => new CrdDataset({ dataset: inner, percent: 2 })).toThrow(
      refusal('invalid-argument', 'CrdDataset', 'percent', 'expected a number <= 1', 'got 2'),
    );
    using same = new InMemoryImages({ images: ops.zeros([2, 1, 1, 1]), labels: [1, 1], classes: ['a', 'b'] });
    expect(() => new CrdDataset({ dataset: same })).toThrow(refusal('invalid-argument', '"b"'));
  });
});
