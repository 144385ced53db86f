// A stack whose location cannot be changed: nothing of it is half done.
import { expect, it } from 'vitest';

import { TapStack } from './tap-stack.ts';
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
