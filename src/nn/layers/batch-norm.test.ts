// Batch norm in training and in evaluation, and the inputs it refuses.
import { beforeEach, describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { manualSeed, ones, ops, randn, tidy, zeros } from '../../torch/index.ts';
import * as nn from '../index.ts';

beforeEach(() => manualSeed(0));

describe('batch norm', () => {
  it('is affine in evaluation', () => {
    tidy(() => {
      const norm = new nn.BatchNorm2d(3);
      norm.forward(randn([8, 3, 4, 4]));
      norm.eval();
      const [x, y] = [randn([2, 3, 4, 4]), randn([2, 3, 4, 4])];
      for (const t of [-1, 0.25, 2]) {
        const mixed = norm.forward(x.mul(t).add(y.mul(1 - t)));
        expect(mixed).toBeAllClose(
          norm
            .forward(x)
            .mul(t)
            .add(norm.forward(y).mul(1 - t)),
          { rtol: 1e-4, atol: 1e-5 },
        );
      }
    });
  });

  it('gives mean 0 and variance 1 in training', () => {
    tidy(() => {
      const output = new nn.BatchNorm1d(5).forward(randn([64, 5]).mul(3).add(2));
      expect(output.mean(0)).toBeAllClose(zeros([5]), { atol: 1e-6 });
      expect(output.square().mean(0)).toBeAllClose(ones([5]), { atol: 1e-4 });
    });
  });

  it('measures in training only', () => {
    tidy(() => {
      const norm = new nn.BatchNorm2d(2);
      norm.eval().forward(randn([4, 2, 3, 3]));
      expect(norm.num_batches_tracked!.item()).toBe(0);
      expect(norm.running_mean).toBeAllClose([0, 0]);
      norm.train().forward(randn([4, 2, 3, 3]).add(10));
      norm.trackRunningStats = false;
      const before = norm.running_mean!.clone();
      norm.forward(randn([4, 2, 3, 3]));
      expect(norm.num_batches_tracked!.item()).toBe(1);
      expect(norm.running_mean).toBeAllClose(before);
    });
  });

  it('with momentum null averages all batches', () => {
    tidy(() => {
      const norm = new nn.BatchNorm1d(2, { momentum: null });
      const batches = [randn([5, 2]), randn([5, 2]), randn([5, 2])];
      for (const batch of batches) norm.forward(batch);
      expect(norm.running_mean).toBeAllClose(ops.cat(batches).mean(0), { rtol: 1e-4, atol: 1e-6 });
    });
  });

  it('refuses other ranks, channels and batches of one value', () => {
    tidy(() => {
      const norm = new nn.BatchNorm2d(3);
      expect(norm).toBeInstanceOf(nn.BatchNorm);
      expect(() => norm.forward(zeros([2, 3]))).toThrow(
        refusal('invalid-argument', 'BatchNorm2d', 'input', '(N, C, H, W)', '[2, 3]'),
      );
      expect(() => norm.forward(zeros([2, 4, 5, 5]))).toThrow(
        refusal('invalid-argument', 'BatchNorm2d', 'input', '4', '3'),
      );
      expect(() => norm.forward(zeros([1, 3, 1, 1]))).toThrow(
        refusal('invalid-argument', 'in: BatchNorm2d', '[1, 3, 1, 1]', 'eval()'),
      );
      expect(norm.eval().forward(zeros([1, 3, 1, 1])).shape).toEqual([1, 3, 1, 1]);
      expect(() => new nn.BatchNorm1d(3).forward(zeros([3]))).toThrow(
        refusal('invalid-argument', 'BatchNorm1d', 'input', '(N, C) or (N, C, L)', '[3]'),
      );
    });
  });
});
