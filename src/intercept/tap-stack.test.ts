// A stack whose location cannot be changed, nothing of which is half done; and what is done after a call.
import { expect, it } from 'vitest';

import { afterCall, TapStack } from './tap-stack.ts';
import type { TapLocation } from './tap-stack.ts';

it('a tap that cannot be installed is not there, and the next one is', () => {
  const original = (x: unknown): unknown => x;
  let now: unknown = original;
  let frozen = true;
  const change = (value: unknown): void => {
    if (frozen) throw new TypeError('frozen');
    now = value;
  };
  const location: TapLocation = {
    current: () => now,
    take: () => original,
    install: change,
    restore: () => change(original),
  };
  const stack = new TapStack(location);
  const twice = (_call: unknown, next: () => unknown): unknown => 2 * (next() as number);
  expect(() => stack.add(twice, 'observe')).toThrow('frozen');
  frozen = false;
  const tap = stack.add(twice, 'observe');
  expect((now as typeof original)(1)).toBe(2);

  frozen = true;
  expect(() => tap[Symbol.dispose]()).toThrow('frozen');
  expect((now as typeof original)(1)).toBe(1); // what stays there only passes calls on
});

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
