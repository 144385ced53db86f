// Modes: whatever happens inside, afterwards everything is as before.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { foldNorms } from '../nn/index.ts';
import { autocast, enableGrad, engineInfo, inferenceMode, isGradEnabled, noGrad, ops, tidy } from './index.ts';
import { during } from './internal.ts';
import type { DType } from './index.ts';

/** The dtype in which products are computed now. */
const product = (): DType => tidy(() => ops.mm(ops.full([1, 1], 1.001), ops.full([1, 1], 1.001)).dtype);

describe('autocast', () => {
  it('refuses a dtype and leaves everything as it was', () => {
    const refused: DType[] = ['float32', 'float64', 'int64', 'bool', 'complex64'];
    if (engineInfo().version.startsWith('1.')) refused.push('float16'); // computed on CPUs since 2.0
    for (const dtype of refused) {
      expect(() => autocast(() => 0, dtype)).toThrow(refusal('engine', 'autocast', 'dtype', 'CPU', 'bfloat16'));
      expect(product()).toBe('float32');
    }
    expect(() => autocast(() => 0, 'bflaot16' as DType)).toThrow(
      refusal('unknown-name', 'autocast', 'dtype', 'bflaot16', 'bfloat16'),
    );
    expect(() => autocast(() => 0, 5 as never)).toThrow(refusal('invalid-argument', 'autocast', 'dtype', '5'));
    expect(product()).toBe('float32');
  });

  it('nests, and a refused one inside leaves the outer one on', () => {
    autocast(() => {
      expect(product()).toBe('bfloat16');
      expect(() => autocast(() => 0, 'float64')).toThrow(refusal('engine', 'autocast', 'dtype', 'bfloat16'));
      expect(product()).toBe('bfloat16');
      autocast(() => expect(product()).toBe('bfloat16'));
      expect(product()).toBe('bfloat16');
    });
    expect(product()).toBe('float32');
  });

  it('ends with an error inside', () => {
    expect(() =>
      autocast(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(product()).toBe('float32');
  });
});

describe('functions that do not come to their end', () => {
  const guards = { noGrad, enableGrad, inferenceMode, autocast, tidy, foldNorms } as const;
  // oxlint-disable-next-line unicorn/no-thenable -- what other libraries return
  const thenable = { then: () => {} };
  const bodies: [string, () => unknown, RegExp][] = [
    ['an asynchronous one', async () => ops.ones([1]), /a promise/],
    ['one that fails later', () => Promise.reject(new Error('nobody waits for it')), /a promise/],
    ['one that returns a thenable', () => thenable, /a promise/],
    [
      'a generator',
      function* () {
        yield 1;
      },
      /a generator/,
    ],
    [
      'an asynchronous generator',
      async function* () {
        yield 1;
      },
      /a generator/,
    ],
  ];
  it.each(bodies)('%s is refused by every mode, which ends', (_, body, what) => {
    for (const [name, guard] of Object.entries(guards)) {
      expect(() => guard(body)).toThrow(what);
      expect(() => guard(body)).toThrow(new RegExp(`^${name}: the function returned [^]*help: `));
    }
    expect(isGradEnabled()).toBe(true);
    expect(product()).toBe('float32');
    expect(tidy(() => ops.ones([1], { requiresGrad: true }).mul(2).requiresGrad)).toBe(true);
  });
});

it('a mode that cannot be entered is not left', () => {
  const log: string[] = [];
  const enter = (): never => {
    throw new Error('no');
  };
  expect(() => during('mode', () => log.push('inside'), { enter, leave: () => log.push('left') })).toThrow('no');
  expect(log).toEqual([]);
});
