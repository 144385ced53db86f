// The check that runs after every test: it must find a leak and name what made it.
import { expect, it } from 'vitest';

import { ones } from '../src/torch/index.ts';
import { alive, leaksSince } from './leaks.ts';

it('names a tensor that something still holds, and nothing once it is let go', async () => {
  const before = alive();
  const held = [ones([2, 3]).mul(2)];
  ones([4]).add(1);
  expect(await leaksSince(before)).toBe('the test leaked 1 tensors:\n  float32[2, 3] made by aten::mul.Scalar');
  held.pop();
  expect(await leaksSince(before)).toBeUndefined();
});
