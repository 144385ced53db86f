// What random transforms choose: within their ranges, as often as they should, and done to the right pixels.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ops, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { augmentStepSchema, autoAugmentPolicies, randAugmentPolicies } from './augment-policies.ts';
import {
  AutoAugment,
  ColorJitter,
  CutMix,
  Cutout,
  Mixup,
  RandAugment,
  RandomBatchAugment,
  RandomCrop,
  RandomErasing,
  RandomHorizontalFlip,
  RandomResizedCrop,
} from './index.ts';
import type { ImageTransform } from './index.ts';
import { drawBeta, partnersOf } from './mixing.ts';
import { pictures } from './transform.contract.ts';
import { refusal } from '../../../test/refusal.ts';

const many = Array.from({ length: 400 }, (_, i) => i);
const context = (samples: readonly number[] = many, epoch = 0) => ({ seed: 1, epoch, samples });

/** For each of many gray images, the box that a transform painted with 255 on black; undefined for none. */
function painted(transform: ImageTransform, h: number, w: number) {
  return tidy(() => {
    const result = transform.apply(ops.zeros([many.length, 1, h, w], { dtype: 'uint8' }), context());
    return (result.squeeze(1).toArray() as number[][][]).map((image) => {
      const rows = image.flatMap((row, y) => (row.includes(255) ? [y] : []));
      if (rows.length === 0) return undefined;
      const columns = image[0]!.flatMap((_, x) => (image.some((row) => row[x] === 255) ? [x] : []));
      const area = image.flat().filter((value) => value === 255).length;
      expect(area).toBe(rows.length * columns.length);
      return { top: rows[0]!, left: columns[0]!, height: rows.length, width: columns.length };
    });
  });
}

describe('boxes', () => {
  it('RandomErasing keeps to its ranges and its chance', () => {
    const boxes = painted(
      new RandomErasing({ p: 0.3, areaRange: [0.1, 0.2], aspectRange: [0.5, 2], fill: 255 }),
      30,
      40,
    );
    const there = boxes.filter((box) => box !== undefined);
    expect(there.length / many.length).toBeCloseTo(0.3, 1);
    for (const { height, width } of there) {
      expect((height * width) / 1200).toBeGreaterThan(0.08);
      expect((height * width) / 1200).toBeLessThan(0.23);
      expect(height / width).toBeGreaterThan(0.4);
      expect(height / width).toBeLessThan(2.4);
    }
  });

  it('RandomErasing paints noise of its own on every image', () => {
    tidy(() => {
      const black = ops.zeros([2, 3, 8, 8], { dtype: 'uint8' });
      const all = { p: 1, areaRange: [1, 1], aspectRange: [1, 1], mode: 'random' } as const;
      const [a, b] = new RandomErasing(all).apply(black, context([1, 2])).unbind(0) as [Tensor, Tensor];
      expect(ops.equal(a, b)).toBe(false);
      expect(a.to('float32').mean().item()).toBeGreaterThan(90);
      const near = new RandomErasing({ ...all, fill: [50, 100, 200], fillStd: [1, 1, 1] }).apply(
        black,
        context([1, 2]),
      );
      expect(near.to('float32').mean([0, 2, 3])).toBeAllClose([50, 100, 200], { atol: 2 });
      expect(() => new RandomErasing({ fill: [1, 2] }).apply(black, context([1, 2]))).toThrow(
        refusal('invalid-argument', 'fill', '3 values', 'got 2'),
      );
    });
  });

  it('Cutout is cut off at the right and below, and whole elsewhere', () => {
    const boxes = painted(new Cutout({ size: [6, 4], fill: 255, p: 1 }), 20, 10);
    for (const box of boxes) {
      expect(box!.height).toBe(Math.min(6, 20 - box!.top));
      expect(box!.width).toBe(Math.min(4, 10 - box!.left));
    }
    expect(new Set(boxes.map((box) => box!.top)).size).toBe(17); // a center's row 19.99 puts the top at 16
    expect(painted(new Cutout({ size: 3, fill: 255, p: 0 }), 5, 5).every((box) => box === undefined)).toBe(true);
  });

  it('RandomResizedCrop cuts within the image, and the middle where nothing fits', () => {
    const crop = new RandomResizedCrop({ size: 4, areaRange: [0.2, 0.6] });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 40, maxLength: 40 }),
        (h, w, numbers) => {
          let k = 0;
          const { top, left, height, width } = crop.box(h, w, () => numbers[k++]!);
          expect([top, left].every((place) => Number.isInteger(place) && place >= 0)).toBe(true);
          expect(height >= 1 && width >= 1 && top + height <= h && left + width <= w).toBe(true);
        },
      ),
    );
    const none = new RandomResizedCrop({ size: 4, attempts: 0 });
    expect(none.box(90, 20, () => 0)).toEqual({ top: 31, left: 0, height: 27, width: 20 });
    expect(none.box(20, 90, () => 0)).toEqual({ top: 0, left: 31, height: 20, width: 27 });
    expect(none.box(20, 24, () => 0)).toEqual({ top: 0, left: 0, height: 20, width: 24 });
    expect(crop.box(100, 100, () => 0.5)).toEqual({ top: 19, left: 19, height: 63, width: 63 });
    tidy(() => {
      const whole = new RandomResizedCrop({ size: [9, 12], areaRange: [1, 1], aspectRange: [12 / 9, 12 / 9] });
      expect(ops.equal(whole.apply(pictures([1, 2]), context([1, 2])), pictures([1, 2]))).toBe(true);
    });
  });

  it('RandomCrop cuts any size at all places', () => {
    tidy(() => {
      const places = ops.arange(30).to('uint8').view([1, 1, 5, 6]).expand([many.length, 1, 5, 6]);
      const corners = new RandomCrop({ cropSize: [4, 3] }).apply(places, context()).select(3, 0).select(2, 0);
      expect(new Set(Array.from(corners.data(), Number))).toEqual(new Set([0, 1, 2, 3, 6, 7, 8, 9]));
      expect(() => new RandomCrop({ cropSize: 8, padding: 1 }).apply(places, context())).toThrow(
        refusal('invalid-argument', '8x8', '5x6', '1 pixels'),
      );
      const filled = new RandomCrop({ padding: 5, fill: 9 }).apply(places, context());
      expect(Array.from(filled.data(), Number)).toContain(9);
    });
  });

  it('RandomHorizontalFlip mirrors the way it is told', () => {
    tidy(() => {
      const x = pictures([1, 2]);
      const flip = (direction: 'vertical' | 'diagonal') =>
        new RandomHorizontalFlip({ p: 1, direction }).apply(x, context([1, 2]));
      expect(ops.equal(flip('vertical'), x.flip([2]))).toBe(true);
      expect(ops.equal(flip('diagonal'), x.flip([2, 3]))).toBe(true);
    });
  });
});

describe('policies', () => {
  it('are those of the papers', () => {
    for (const policies of Object.values(autoAugmentPolicies)) {
      expect(policies).toHaveLength(25);
      for (const step of policies.flat()) expect(augmentStepSchema.safeParse(step).success).toBe(true);
    }
    expect(autoAugmentPolicies.imagenet[0]).toEqual([
      { type: 'Posterize', p: 0.4, magnitude: 4 },
      { type: 'Rotate', p: 0.6, magnitude: 30 },
    ]);
    expect(autoAugmentPolicies.cifar10[14]).toEqual([
      { type: 'Solarize', p: 0.5, magnitude: (256 / 9) * 7 },
      { type: 'Invert', p: 0 },
    ]);
    expect(randAugmentPolicies.timm_increasing).toHaveLength(15);
  });

  it('AutoAugment chooses each evenly, and turns half the magnitudes negative', () => {
    const shift = { type: 'TranslateX', magnitude: 0.25, p: 0.8 } as const;
    const augment = new AutoAugment({ policies: [[shift], [{ type: 'Invert', p: 1 }]], fill: 255 });
    tidy(() => {
      const result = augment.apply(ops.zeros([many.length, 1, 1, 4], { dtype: 'uint8' }), context());
      const kinds = (result.view([-1, 4]).toArray() as number[][]).map((row) => row.join());
      const share = (kind: string): number => kinds.filter((one) => one === kind).length / many.length;
      expect(share('255,255,255,255')).toBeCloseTo(0.5, 1); // inverted
      expect(share('255,0,0,0')).toBeCloseTo(0.2, 1); // to the right
      expect(share('0,0,0,255')).toBeCloseTo(0.2, 1);
      expect(share('0,0,0,0')).toBeCloseTo(0.1, 1);
    });
  });

  it('RandAugment draws magnitudes as it is told', () => {
    const add = { type: 'SolarizeAdd', magnitudeRange: [0, 100], p: 1 } as const;
    const levels = (options: { magnitudeStd?: number | 'inf' }): number[] =>
      tidy(() => {
        const augment = new RandAugment({ policies: [add], numPolicies: 1, magnitudeLevel: 5, ...options });
        const result = augment.apply(ops.zeros([many.length, 1, 1, 1], { dtype: 'uint8' }), context());
        return Array.from(result.data(), Number);
      });
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
    expect(new Set(levels({}))).toEqual(new Set([50]));
    const normal = levels({ magnitudeStd: 1 });
    expect(mean(normal)).toBeGreaterThan(48);
    expect(mean(normal)).toBeLessThan(52);
    expect(Math.sqrt(mean(normal.map((value) => (value - 50) ** 2)))).toBeCloseTo(10, -1);
    expect(Math.max(...levels({ magnitudeStd: 100 }))).toBe(100);
    expect(Math.max(...levels({ magnitudeStd: 'inf' }))).toBeLessThan(50);
    expect(mean(levels({ magnitudeStd: 'inf' }))).toBeCloseTo(25, -1);
  });

  it('ColorJitter draws factors from its ranges', () => {
    tidy(() => {
      const gray = ops.full([many.length, 3, 2, 2], 100).to('uint8');
      const jitter = new ColorJitter({ brightness: [0.5, 1.5], saturation: 0.4 });
      const values = Array.from(jitter.apply(gray, context()).amax([1, 2, 3]).data(), Number);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(50);
      expect(Math.max(...values)).toBeLessThanOrEqual(150);
      expect(new Set(values).size).toBeGreaterThan(60);
      expect(ops.equal(new ColorJitter().apply(gray, context()), gray)).toBe(true);
    });
  });
});

describe('mixing', () => {
  const samples = [7, 1, 30, 12];
  const labeled = (inputs: Tensor) => ({
    inputs,
    targets: { labels: ops.arange(4) },
    numClasses: 5,
  });

  it('Beta numbers have the mean and spread they should', () => {
    let k = 0;
    const draw = (): number => (k = (k * 16_807 + 12_345) % 2_147_483_647) / 2_147_483_647;
    for (const alpha of [0.2, 1, 4]) {
      const numbers = many.flatMap(() => [0, 0, 0, 0].map(() => drawBeta(alpha, draw)));
      const mean = numbers.reduce((a, b) => a + b) / numbers.length;
      const spread = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
      expect(mean).toBeCloseTo(0.5, 1);
      expect(spread).toBeCloseTo(1 / (4 * (2 * alpha + 1)), 1);
      expect(Math.min(...numbers) >= 0 && Math.max(...numbers) <= 1).toBe(true);
    }
  });

  it('each image gets another one', () => {
    const partners = partnersOf(context(), 3);
    expect(partners.toSorted((a, b) => a - b)).toEqual(many);
    expect(partners.every((partner, i) => partner !== i)).toBe(true);
    expect(partnersOf(context([5]), 3)).toEqual([0]);
  });

  it('Mixup and CutMix mix labels as they mix images', () => {
    tidy(() => {
      const solid = tensor([10, 20, 30, 40], { shape: [4, 1, 1, 1] })
        .expand([4, 1, 16, 16])
        .contiguous();
      for (const transform of [new Mixup({ alpha: 1 }), new CutMix(), new CutMix({ alpha: 5 })]) {
        for (let epoch = 0; epoch < 5; epoch++) {
          const { inputs, targets } = transform.applyBatch(labeled(solid), context(samples, epoch));
          const means = Array.from((inputs as Tensor).mean([1, 2, 3]).data(), Number);
          const mixed = targets.scores!.mv(tensor([10, 20, 30, 40, 50], { dtype: 'float64' }));
          expect(mixed).toBeAllClose(means, { rtol: 1e-4 });
          expect(targets.labels!.toArray()).toEqual([0, 1, 2, 3]);
        }
      }
    });
  });

  it('mixes what is mixed already', () => {
    tidy(() => {
      const once = new Mixup({ alpha: 1 }).applyBatch(labeled(pictures(samples)), context(samples));
      const twice = new CutMix().applyBatch(once, context(samples, 1));
      expect(twice.targets.scores!.sum(1)).toBeAllClose([1, 1, 1, 1], { rtol: 1e-9 });
    });
  });

  it('RandomBatchAugment does nothing where its chances leave room', () => {
    tidy(() => {
      const some = new RandomBatchAugment({ augments: [{ type: 'CutMix' }], probs: [0.25] });
      const mixed = many.filter((epoch) => {
        const { targets } = some.applyBatch(labeled(pictures(samples, 2, 2)), context(samples, epoch));
        return targets.scores !== undefined;
      });
      expect(mixed.length / many.length).toBeCloseTo(0.25, 1);
    });
  });
});

it('classes are mixed of a data set that names them', () => {
  tidy(() => {
    const context = { seed: 0, epoch: 0, samples: [0, 1] };
    const batch = { inputs: ops.ones([2, 1, 4, 4]), targets: { labels: tensor([0, 1], { dtype: 'int64' }) } };
    const mixup = new Mixup({ alpha: 1 });
    expect(() => mixup.applyBatch({ ...batch, numClasses: 0 }, context)).toThrow(
      refusal('invalid-argument', 'mixing', 'classes: []'),
    );
    expect(() => mixup.applyBatch({ ...batch, numClasses: 1 }, context)).toThrow(
      refusal('invalid-argument', 'mixing: targets: labels', 'got 1', 'sample 1'),
    );
    const { scores } = mixup.applyBatch({ ...batch, numClasses: 2 }, context).targets;
    const again = mixup.applyBatch({ ...batch, targets: { scores }, numClasses: 0 }, context).targets;
    expect(again.scores!.shape).toEqual([2, 2]); // shares say how many classes there are
  });
});
