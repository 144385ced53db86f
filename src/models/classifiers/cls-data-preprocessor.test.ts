// What is done to images and batches: normalization, mixing, and that a loss on batches that should be mixed asks for it.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { targetsOf } from '../../nn/index.ts';
import { manualSeed, ops, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import {
  batchAugments,
  buildModel,
  BatchCutMix,
  BatchMixup,
  ClsDataPreprocessor,
  RandomBatchMixing,
} from '../index.ts';
import type { ImageClassifier } from '../index.ts';

const labels = [0, 1, 2, 1, 0, 2, 2, 1];
const samples = labels.map((gtLabel, sampleIdx) => ({ gtLabel, sampleIdx }));
const batchOf = () => ({ inputs: images(), targets: targetsOf(samples) });
/** Image i is all i. */
const images = (): Tensor => ops.arange(8).to('float32').view([8, 1, 1, 1]).expand([8, 1, 6, 6]).contiguous();
const oneHot = (): Tensor => tensor(labels.map((label) => [0, 1, 2].map((k) => Number(k === label))));

describe('normalize', () => {
  it('turns channels around, subtracts, divides, fills up', () => {
    const options = { mean: [1, 2, 3], std: [1, 2, 4], toRgb: true, padSizeDivisor: 4, padValue: -1 };
    tidy(() => {
      const x = tensor([3, 2, 1], { shape: [1, 3, 1, 1] }).expand([1, 3, 5, 4]);
      const y = new ClsDataPreprocessor(options).normalize(x);
      expect(y.shape).toEqual([1, 3, 8, 4]);
      expect(y.narrow(2, 0, 5).mean([2, 3])).toBeAllClose([[0, 0, 0]]);
      expect(y.narrow(2, 5, 3).mean().item()).toBe(-1);
      expect(new ClsDataPreprocessor().normalize(x)).toBe(x);
    });
  });

  it('names channels that do not fit', () => {
    expect(() => new ClsDataPreprocessor({ mean: [1] })).toThrow(refusal('invalid-argument', 'mean', 'std', '1 and 0'));
    tidy(() => {
      const preprocessor = new ClsDataPreprocessor({ mean: [1], std: [1] });
      expect(() => preprocessor.normalize(ops.ones([1, 3, 2, 2]))).toThrow(
        refusal('invalid-argument', 'inputs', 1, 'got 3'),
      );
    });
  });

  it('is the first thing a classifier does, in every mode', () => {
    const model = classifier({ dataPreprocessor: { mean: [2], std: [4] } }).eval();
    const plain = classifier({}).eval();
    tidy(() => {
      plain.loadStateDict(model.stateDict());
      expect(model.forward(images())).toBeAllClose(plain.forward(images().sub(2).div(4)), { rtol: 1e-5, atol: 1e-6 });
      const batch = batchOf();
      expect(model.preprocess(batch)).toBe(batch);
    });
  });
});

function classifier(options: object): ImageClassifier {
  manualSeed(0);
  return buildModel({
    type: 'ImageClassifier',
    backbone: { type: 'ResNet_CIFAR', depth: 18, stemChannels: 4, baseChannels: 4, inChannels: 1, numStages: 1 },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 3, inChannels: 4 },
    ...options,
  }) as ImageClassifier;
}

describe('mixing', () => {
  const mixup = { type: 'Mixup', alpha: 0.8 } as const;

  it('Mixup blends images and labels by one weight', () => {
    manualSeed(5);
    tidy(() => {
      const { inputs, shares } = new BatchMixup({ alpha: 0.8 }).mix({ inputs: images(), shares: oneHot() });
      expect(shares.sum(1)).toBeAllClose(
        labels.map(() => 1),
        { rtol: 1e-6 },
      );
      expect(inputs.mean().item()).toBeCloseTo(3.5, 5); // a permutation keeps the mean
      const own = Array.from(inputs.mean([1, 2, 3]).data(), Number);
      // x_i = w i + (1 - w) j: the weight that explains one image explains all
      const fits = (weight: number): boolean =>
        own.every((value, i) => labels.some((_, j) => Math.abs(value - (weight * i + (1 - weight) * j)) < 1e-4));
      const weights = new Set((shares.toArray() as number[][]).flat());
      expect([...weights].some(fits)).toBe(true);
    });
  });

  it.each([
    [{ alpha: 1 }, 4],
    [{ alpha: 1, cutmixMinmax: [0.3, 0.9] as const }, 9],
    [{ alpha: 1, correctLam: false }, 4],
  ])('CutMix %j takes a rectangle, and its share of the label', (options, seed) => {
    manualSeed(seed);
    tidy(() => {
      for (let round = 0; round < 10; round++) {
        const { inputs, shares } = new BatchCutMix(options).mix({ inputs: images(), shares: oneHot() });
        const own = images();
        const kept = Number(inputs.eq(own).to('float32').mean([1, 2, 3]).min().item());
        const changed = inputs.ne(own).to('float32').mean([1, 2, 3]).max().item();
        expect(changed).toBeCloseTo(1 - kept, 5);
        expect(shares.sum(1)).toBeAllClose(
          labels.map(() => 1),
          { rtol: 1e-5 },
        );
        // the share of the first label is what is kept of the image, unless the other one shows the same class
        const least = shares.mul(oneHot()).sum(1).min().item();
        if ((options as { correctLam?: boolean }).correctLam !== false && changed > 0)
          expect(least).toBeGreaterThan(kept - 1e-5);
      }
    });
  });

  it('picks augmentations by chance, the rest of it being none', () => {
    manualSeed(1);
    const none = new RandomBatchMixing({ augments: [mixup, { type: 'CutMix', alpha: 1 }], probs: [0, 0] });
    tidy(() => {
      const batch = { inputs: images(), shares: oneHot() };
      expect(none.mix(batch)).toBe(batch);
      const half = new RandomBatchMixing({ augments: mixup, probs: 0.5 });
      const mixed = Array.from({ length: 200 }, () => half.mix(batch) !== batch).filter(Boolean).length;
      expect(mixed).toBeGreaterThan(70);
      expect(mixed).toBeLessThan(130);
    });
    expect(() => new RandomBatchMixing({ augments: [mixup], probs: [0.6, 0.6] })).toThrow(
      refusal('invalid-argument', 'probs', '[0.6, 0.6]'),
    );
    expect(() => batchAugments.build({ type: 'Mixpu', alpha: 1 })).toThrow(
      refusal('unknown-name', '"Mixpu"', '"Mixup"'),
    );
    expect(() => new BatchCutMix({ alpha: 0 })).toThrow(refusal('invalid-argument', 'CutMix', 'alpha', 0));
  });

  it('is done by preprocess in training, and a loss without it is refused', () => {
    const model = classifier({ trainCfg: { augments: [mixup] } });
    tidy(() => {
      const batch = batchOf();
      expect(() => model.forward(batch.inputs, samples, 'loss')).toThrow(
        refusal('invalid-argument', 'targets: expected scores'),
      );
      const { inputs, targets } = model.preprocess(batch);
      expect(targets.scores!.shape).toEqual([8, 3]);
      expect(targets.labels).toBe(batch.targets.labels);
      expect(targets.sampleIdxs!.toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(model.forward(inputs, targets, 'loss')['loss']!.shape).toEqual([]);
      model.eval();
      expect(model.preprocess(batch)).toBe(batch);
      expect(model.forward(batch.inputs, samples, 'loss')).toHaveProperty('loss');
    });
  });

  it('gives labels as shares where that is asked for, and names a label outside the classes', () => {
    const preprocessor = new ClsDataPreprocessor({ toOnehot: true });
    tidy(() => {
      const batch = batchOf();
      expect((preprocessor.augment(batch, 3).targets.scores!.toArray() as unknown[])[1]).toEqual([0, 1, 0]);
      expect(() => preprocessor.augment(batch, 2)).toThrow(refusal('invalid-argument', 'targets: labels', 2));
      expect(() => preprocessor.augment(batch, undefined)).toThrow(refusal('invalid-argument', 'numClasses'));
    });
  });
});
