// Runs around every test: one that leaves tensors alive fails and is told which, and tensors compare with `toBeAllClose`.
import { afterEach, beforeEach, expect } from 'vitest';

import type { Nested } from '../src/torch/index.ts';
import { Tensor } from '../src/torch/index.ts';
import { alive, leaksSince } from './leaks.ts';

let before: ReadonlySet<number> = new Set();

beforeEach(() => {
  before = alive();
});

afterEach(async () => {
  const leaks = await leaksSince(before);
  if (leaks !== undefined) expect.fail(leaks);
});

interface Tolerance {
  /** Relative to the expected value. Default 1e-5. */
  rtol?: number;
  /** Absolute. Default 1e-8. */
  atol?: number;
}

// vitest declares its own with this very parameter
// oxlint-disable-next-line typescript/no-explicit-any
interface TensorMatchers<R = any> {
  /** Same shape, and every element within `atol + rtol * |expected|`; NaN equals NaN. */
  toBeAllClose(expected: Tensor | Nested | ArrayLike<number | bigint>, tolerance?: Tolerance): R;
}

declare module 'vitest' {
  // oxlint-disable-next-line typescript/no-explicit-any
  interface Matchers<T = any> extends TensorMatchers<T> {}
}

function flatten(value: unknown): number[] {
  if (value instanceof Tensor) return Array.from(value.data(), Number);
  if (typeof value === 'object' && value !== null && 'length' in value) {
    return Array.from(value as ArrayLike<unknown>).flatMap(flatten);
  }
  return [Number(value)];
}

expect.extend({
  toBeAllClose(received: unknown, expected: unknown, { rtol = 1e-5, atol = 1e-8 }: Tolerance = {}) {
    const shapes = [received, expected].map((value) => (value instanceof Tensor ? value.shape.join(', ') : undefined));
    if (shapes[0] !== undefined && shapes[1] !== undefined && shapes[0] !== shapes[1]) {
      return { pass: false, message: () => `expected shape [${shapes[1]}], got [${shapes[0]}]` };
    }
    const [got, want] = [flatten(received), flatten(expected)];
    if (got.length !== want.length) {
      return { pass: false, message: () => `expected ${want.length} values, got ${got.length}` };
    }
    let worst = -1;
    let excess = 0;
    for (let i = 0; i < got.length; i++) {
      const [a, b] = [got[i]!, want[i]!];
      if (Object.is(a, b) || a === b) continue;
      const over = Math.abs(a - b) - (atol + rtol * Math.abs(b));
      if (Number.isNaN(over) || over > excess) {
        [worst, excess] = [i, Number.isNaN(over) ? Infinity : over];
      }
    }
    return {
      pass: worst < 0,
      message: () =>
        `element ${worst} of ${got.length}: expected ${want[worst]}, got ${got[worst]} (rtol ${rtol}, atol ${atol})`,
    };
  },
});
