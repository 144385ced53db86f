// Stochastic depth drops whole samples, keeps the mean, and does nothing in evaluation.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { manualSeed, ops, tidy } from '../../torch/index.ts';
import { DropPath } from './index.ts';

it('drops whole samples and scales the others', () => {
  manualSeed(2);
  tidy(() => {
    const layer = new DropPath({ dropProb: 0.25 });
    const output = layer.forward(ops.ones([4000, 2, 3]));
    const samples = output.mean([1, 2]).toArray() as number[];
    expect(output.amax([1, 2])).toBeAllClose(output.amin([1, 2]));
    expect(samples.every((value) => value === 0 || Math.abs(value - 4 / 3) < 1e-6)).toBe(true);
    expect(samples.reduce((sum, value) => sum + value, 0) / 4000).toBeCloseTo(1, 1);
  });
});

it('does nothing in evaluation, or with a chance of 0, and knows what a chance is', () => {
  tidy(() => {
    const x = ops.ones([2, 3]);
    expect(new DropPath({ dropProb: 0.9 }).eval().forward(x)).toBe(x);
    expect(new DropPath({ dropProb: 0 }).forward(x)).toBe(x);
    expect(new DropPath({ dropProb: 1 }).forward(x).sum().item()).toBe(0);
    expect(new DropPath().toString()).toBe('DropPath(dropProb=0.1)');
    expect(() => new DropPath({ dropProb: 1.1 })).toThrow(
      refusal('invalid-argument', 'DropPath', 'dropProb', '1', '1.1'),
    );
  });
});
