// A test of a user's project: vitest runs it in threads and in processes.
import { tensor, tidy } from 'retort-kd';
import { expect, it } from 'vitest';

it('computes', () => {
  expect(tidy(() => tensor([1, 2]).mul(2).sum().item())).toBe(6);
}, 60_000);
