// InstanceNorm2d: the same as a group norm of one channel each; running statistics; what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { manualSeed, randn, tidy } from '../../torch/index.ts';
import * as nn from '../index.ts';

it('is a group norm with a group for each channel, in evaluation too', () => {
  tidy(() => {
    const norm = new nn.InstanceNorm2d(3, { affine: true });
    const group = new nn.GroupNorm(3, 3);
    const x = randn([2, 3, 4, 5]);
    for (const module of [norm, group]) {
      nn.init.constant_(module.weight!, { val: 2 });
      nn.init.constant_(module.bias!, { val: 0.5 });
    }
    expect(norm.forward(x)).toBeAllClose(group.forward(x), { atol: 1e-6 });
    expect(norm.eval().forward(x)).toBeAllClose(group.forward(x), { atol: 1e-6 });
  });
});

it('keeps running statistics when asked: the mean over images of theirs', () => {
  tidy(() => {
    manualSeed(2);
    const norm = new nn.InstanceNorm2d(2, { trackRunningStats: true, momentum: 0.3 }).to({ dtype: 'float64' });
    const x = randn([3, 2, 4, 4], { dtype: 'float64' });
    norm.forward(x);
    const mean = x.mean([2, 3]).mean([0]);
    const variance = x.var([2, 3], true).mean([0]);
    expect(norm.running_mean).toBeAllClose(mean.mul(0.3), { rtol: 1e-9 });
    expect(norm.running_var).toBeAllClose(variance.mul(0.3).add(0.7), { rtol: 1e-9 });
    const scale = norm.running_var!.add(1e-5).sqrt().view([1, 2, 1, 1]);
    const expected = x.sub(norm.running_mean!.view([1, 2, 1, 1])).div(scale);
    expect(norm.eval().forward(x)).toBeAllClose(expected, { rtol: 1e-9 });
    expect(Object.keys(norm.stateDict())).toEqual(['running_mean', 'running_var', 'num_batches_tracked']);
  });
});

it('refuses other shapes', () => {
  tidy(() => {
    const norm = new nn.InstanceNorm2d(3);
    expect(() => norm.forward(randn([2, 4, 2, 2]))).toThrow(
      refusal('invalid-argument', 'InstanceNorm2d', 'input', '(N, 3, H, W)', '[2, 4, 2, 2]'),
    );
    expect(() => norm.forward(randn([2, 3, 1, 1]))).toThrow(
      refusal('invalid-argument', 'InstanceNorm2d', 'input', '[2, 3, 1, 1]'),
    );
    expect(String(norm)).toBe('InstanceNorm2d(3)');
  });
});
