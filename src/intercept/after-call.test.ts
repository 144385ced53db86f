import { expect, it } from 'vitest';

import { afterCall } from './taps.ts';

it('runs at once on a value, and returns it', () => {
  const seen: unknown[] = [];
  // oxlint-disable-next-line unicorn/no-thenable
  const result = { then: 'not a function' };
  expect(afterCall(result, (value) => seen.push(value))).toBe(result);
  expect(seen).toEqual([result]);
  expect(() =>
    afterCall(1, () => {
      throw new Error('mine');
    }),
  ).toThrow('mine');
});

it('runs when a promise fulfils, before whoever awaits it', async () => {
  const seen: unknown[] = [];
  const result = afterCall(Promise.resolve(3), (value) => seen.push(value));
  expect(seen).toEqual([]);
  expect(await result).toBe(3);
  expect(seen).toEqual([3]);
  // oxlint-disable-next-line unicorn/no-thenable
  const thenable = { then: (done: (value: number) => void) => done(4) };
  expect(await afterCall(thenable, (value) => seen.push(value))).toBe(4);
  expect(seen).toEqual([3, 4]);
});

it('rejects as the call does, once, or as the function does', async () => {
  const unhandled: unknown[] = [];
  const listen = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listen);
  try {
    let ran = false;
    await expect(afterCall(Promise.reject(new Error('theirs')), () => (ran = true))).rejects.toThrow('theirs');
    expect(ran).toBe(false);
    const failing = afterCall(Promise.resolve(1), () => {
      throw new Error('mine');
    });
    await expect(failing).rejects.toThrow('mine');
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', listen);
  }
});
