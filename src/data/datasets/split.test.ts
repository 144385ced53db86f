// Split: two parts with nothing in common, of every class its share, the same for a seed.
import { expect, it } from 'vitest';

import { tidy, zeros } from '../../torch/index.ts';
import { DataLoader } from '../index.ts';
import { buildDataset, CrdDataset, Split, SyntheticImages, TensorDataset } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

const parts = (inner: SyntheticImages, options: { share?: number; seed?: number } = {}) =>
  (['train', 'validation'] as const).map((part) => new Split({ dataset: inner, part, ...options }));

it('holds out a share of each class, and has every sample once', () => {
  using inner = new SyntheticImages({ samples: 200, numClasses: 4 });
  const [train, validation] = parts(inner, { share: 0.2 });
  expect([train!.length, validation!.length]).toEqual([160, 40]);
  expect([...train!.indices, ...validation!.indices].toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 200 }, (_, i) => i),
  );
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 40; i++) counts[validation!.label!(i)]!++;
  expect(counts).toEqual([10, 10, 10, 10]);
  expect(validation!.indices).not.toEqual(Array.from({ length: 40 }, (_, i) => i));
});

it('follows from its seed, and from nothing else', () => {
  using inner = new SyntheticImages({ samples: 100, numClasses: 2 });
  const held = (seed: number): readonly number[] => parts(inner, { seed })[1]!.indices;
  expect(held(0)).toEqual(held(0));
  expect(held(0)).not.toEqual(held(1));
  expect(held(0)).toEqual([1, 23, 31, 36, 46, 47, 50, 56, 63, 68]); // so that a split of today is that of tomorrow
});

it('gives images and labels of the whole set', () => {
  using inner = new SyntheticImages({ samples: 40, numClasses: 4 });
  const [, validation] = parts(inner, { share: 0.5 });
  const loader = new DataLoader(validation!, { batchSize: 20 });
  tidy(() => {
    const { inputs, targets } = loader.load(0, 0);
    const wanted = inner.images(validation!.indices);
    expect(inputs.sub(wanted).abs().max().item()).toBe(0);
    expect(Array.from(targets.labels!.data(), Number)).toEqual(validation!.indices.map((i) => inner.label(i)));
  });
  expect(new CrdDataset({ dataset: validation!, negNum: 3 }).length).toBe(20);
});

it('takes samples without classes as one class, keeps a class of one, and refuses what would be empty', () => {
  tidy(() => {
    const plain = new TensorDataset({ inputs: zeros([10, 2]) });
    expect(new Split({ dataset: plain, part: 'validation', share: 0.3 }).length).toBe(3);
  });
  using inner = new SyntheticImages({ samples: 4, numClasses: 4 });
  expect(new Split({ dataset: inner, part: 'train', share: 0.9 }).length).toBe(4);
  expect(() => new Split({ dataset: inner, part: 'validation', share: 0.9 })).toThrow(refusal('mismatch', 'Split'));
  expect(() => buildDataset({ type: 'Split', dataset: { type: 'SyntheticImages' }, part: 'test' })).toThrow(
    refusal('invalid-argument', 'part', 'train'),
  );
  expect(() => parts(inner, { share: 1 })).toThrow(refusal('invalid-argument', 'share'));
});
