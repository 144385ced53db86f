// Attention by the kernel and by the formula: the same numbers and gradients, what is refused, what is kept.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { engineInfo, grad, manualSeed, memory, ops, randn, resetPeakMemory, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { hasOperator, traceOperators } from '../../torch/internal.ts';
import { plainAttention, scaledDotProductAttention } from './attention.ts';
import type { AttentionOptions } from './attention.ts';

const kernel = 'scaled_dot_product_attention';
const some = (dtype: DType, ...shape: number[]): Tensor => randn(shape, { dtype: 'float64' }).to(dtype);
const learned = (dtype: DType, ...shape: number[]): Tensor => some(dtype, ...shape).requiresGrad_();

/** The operators that `fn` calls. */
function operatorsOf(fn: () => unknown): string[] {
  const called: string[] = [];
  traceOperators(fn, ({ operator }, proceed) => {
    called.push(operator);
    return proceed();
  });
  return called;
}

const half = (): Tensor => tensor([0, 1, 1, 0, 1, 0, 1].map(Boolean)).unsqueeze(0).expand([5, 7]);
const blind = (): Tensor => ops.cat([ops.zeros([1, 7], { dtype: 'bool' }), half().narrow(0, 1, 4)]);
const variants: [what: string, options: (dtype: DType) => AttentionOptions][] = [
  ['plain', () => ({})],
  ['a scale', () => ({ scale: 0.3 })],
  ['causal', () => ({ isCausal: true })],
  ['booleans', () => ({ attnMask: half() })],
  ['booleans that let a query see nothing', () => ({ attnMask: blind() })],
  ['booleans of each sample', () => ({ attnMask: ops.stack([half(), blind()]).unsqueeze(1) })],
  ['numbers', (dtype) => ({ attnMask: some(dtype, 5, 7) })],
  ['numbers of each head', (dtype) => ({ attnMask: some(dtype, 3, 5, 7) })],
  ['numbers, some -Infinity', (dtype) => ({ attnMask: some(dtype, 2, 3, 5, 7).maskedFill(blind(), -Infinity) })],
];

describe('the kernel and the formula', () => {
  for (const dtype of ['float32', 'float64'] as const) {
    it.each(variants)(`are equal in ${dtype}: %s`, (_, options) => {
      tidy(() => {
        manualSeed(7);
        const parts = [learned(dtype, 2, 3, 5, 8), learned(dtype, 2, 3, 7, 8), learned(dtype, 2, 3, 7, 8)] as const;
        const given = options(dtype);
        const run = (): Tensor[] => {
          const output = scaledDotProductAttention(...parts, given);
          return [output, ...grad([output.mul(output.detach().sin().add(1)).sum()], parts)] as Tensor[];
        };
        const found = run();
        const wanted = plainAttention(run);
        const tolerance = dtype === 'float64' ? { rtol: 1e-12, atol: 1e-12 } : { rtol: 1e-5, atol: 2e-6 };
        for (const [i, one] of found.entries()) expect(one).toBeAllClose(wanted[i]!, tolerance);
      });
    });
  }

  it('a query that sees nothing gets zeros, and no gradient', () => {
    tidy(() => {
      const q = learned('float32', 1, 1, 2, 4);
      const mask = tensor([true, true, false, false], { shape: [2, 2] });
      for (const run of [<T>(fn: () => T) => fn(), plainAttention]) {
        const output = run(() => scaledDotProductAttention(q, q, q.detach(), { attnMask: mask }));
        expect(output.select(2, 1).toArray()).toEqual([[[0, 0, 0, 0]]]);
        const [slope] = grad([output.sum()], [q]);
        expect(slope!.isfinite().all().item()).toBe(1);
      }
    });
  });

  it('dropout is the formula, and draws the same numbers', () => {
    tidy(() => {
      const q = some('float32', 1, 2, 6, 4);
      const drop = (): Tensor => (manualSeed(3), scaledDotProductAttention(q, q, q, { dropoutP: 0.5 }));
      expect(drop()).toBeAllClose(plainAttention(drop), { rtol: 0, atol: 0 });
      expect(operatorsOf(drop)).not.toContain(kernel);
      expect(drop().equal(scaledDotProductAttention(q, q, q))).toBe(false);
    });
  });

  it('a mask that learns has its gradient', () => {
    tidy(() => {
      const [q, bias] = [some('float64', 1, 2, 3, 4), learned('float64', 2, 3, 3)];
      const run = (): Tensor => scaledDotProductAttention(q, q, q, { attnMask: bias }).sin().sum();
      const [slope] = grad([run()], [bias]);
      const step = 1e-6;
      const moved = tidy(() => {
        const at = ops.zeros([2, 3, 3], { dtype: 'float64' });
        at.select(0, 1).select(0, 2).select(0, 0).fill_(step);
        const there = scaledDotProductAttention(q, q, q, { attnMask: bias.detach().add(at) });
        return there.sin().sum().sub(run()).div(step).item();
      });
      expect(slope!.select(0, 1).select(0, 2).select(0, 0).item()).toBeCloseTo(moved, 5);
    });
  });

  it('second derivatives, by the formula', () => {
    tidy(() => {
      const q = learned('float64', 1, 1, 3, 4);
      const [slope] = plainAttention(() =>
        grad([scaledDotProductAttention(q, q, q).square().sum()], [q], { createGraph: true }),
      );
      const [second] = grad([slope!.square().sum()], [q]);
      expect(second!.abs().sum().item()).toBeGreaterThan(0);
    });
  });
});

describe.runIf(hasOperator(kernel))('the kernel', () => {
  it('is what runs, but inside plainAttention', () => {
    tidy(() => {
      const q = some('float32', 1, 2, 6, 4);
      const run = (): Tensor => scaledDotProductAttention(q, q, q);
      expect(operatorsOf(run)).toEqual([kernel]);
      expect(operatorsOf(() => plainAttention(run))).not.toContain(kernel);
    });
  });

  it('keeps no matrix of weights, forward or backward', () => {
    const tokens = 1024;
    const matrix = 4 * tokens ** 2 * 4; // four heads, float32
    const peak = (run: <T>(fn: () => T) => T): number =>
      tidy(() => {
        const q = learned('float32', 1, 4, tokens, 16);
        resetPeakMemory();
        const before = memory().bytes;
        const [slope] = run(() => grad([scaledDotProductAttention(q, q, q).sum()], [q]));
        expect(slope!.shape).toEqual(q.shape);
        return memory().peakBytes - before;
      });
    expect(peak((fn) => fn())).toBeLessThan(matrix / 2);
    expect(peak(plainAttention)).toBeGreaterThan(matrix);
  });
});

describe('what is refused', () => {
  const q = (...shape: number[]): Tensor => ops.zeros(shape);
  const mistakes: [string, () => unknown, string[]][] = [
    [
      'other sizes in front',
      () => scaledDotProductAttention(q(2, 3, 5, 8), q(1, 3, 7, 8), q(2, 3, 7, 8)),
      ['keys', '[1, 3, 7, 8]'],
    ],
    ['another E', () => scaledDotProductAttention(q(5, 8), q(7, 4), q(7, 8)), ['keys', '[7, 4]']],
    ['another S', () => scaledDotProductAttention(q(5, 8), q(7, 8), q(6, 8)), ['values', '[6, 8]']],
    ['a vector', () => scaledDotProductAttention(q(8), q(8), q(8)), ['queries', '[8]']],
    [
      'integers as a mask',
      () => scaledDotProductAttention(q(5, 8), q(7, 8), q(7, 8), { attnMask: ops.ones([5, 7], { dtype: 'int64' }) }),
      ['attnMask', 'bool', 'int64'],
    ],
    [
      'a mask of another size',
      () => scaledDotProductAttention(q(5, 8), q(7, 8), q(7, 8), { attnMask: q(5, 6) }),
      ['attnMask', '[5, 7]', '[5, 6]'],
    ],
    [
      'a mask of too many dimensions',
      () => scaledDotProductAttention(q(5, 8), q(7, 8), q(7, 8), { attnMask: q(1, 5, 7) }),
      ['attnMask', '[1, 5, 7]'],
    ],
    [
      'a mask and the future',
      () => scaledDotProductAttention(q(5, 8), q(7, 8), q(7, 8), { attnMask: q(5, 7), isCausal: true }),
      ['attnMask', 'isCausal'],
    ],
    [
      'dropout beyond 1',
      () => scaledDotProductAttention(q(5, 8), q(7, 8), q(7, 8), { dropoutP: 2 }),
      ['dropoutP', '2'],
    ],
  ];
  it.each(mistakes)('%s', (_, make, mentions) => {
    tidy(() => expect(make).toThrow(refusal('invalid-argument', ...mentions)));
  });

  it.skipIf(hasOperator(kernel))('the operator, where libtorch has none', () => {
    tidy(() => {
      const one = q(1, 1, 2, 4);
      expect(() => ops.scaledDotProductAttention(one, one, one)).toThrow(
        refusal('unknown-name', engineInfo().version, kernel),
      );
    });
  });
});
