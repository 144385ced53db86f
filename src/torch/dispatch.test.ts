// Operators: overloads, options, defaults, lists, results, and the errors of wrong calls.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { callOperator, cat, Generator, manualSeed, ones, ops, rand, randn, tensor, zeros } from './index.ts';

describe('overloads', () => {
  it('are picked by the arguments', () => {
    const x = tensor([
      [3, 1],
      [2, 4],
    ]);
    expect(x.add(x)).toBeAllClose([6, 2, 4, 8]);
    expect(x.add(1)).toBeAllClose([4, 2, 3, 5]);
    expect(x.add(x, { alpha: 0.5 })).toBeAllClose([4.5, 1.5, 3, 6]);
    expect(x.max().item()).toBe(4);
    const [values, indices] = x.max(1);
    expect(values).toBeAllClose([3, 4]);
    expect(indices.dtype).toBe('int64');
    expect(x.max(tensor(2.5))).toBeAllClose([3, 2.5, 2.5, 4]);
    expect(x.sum().item()).toBe(10);
    expect(x.sum(0, true).shape).toEqual([1, 2]);
    expect(x.sum([0, 1], false, { dtype: 'float64' }).dtype).toBe('float64');
    expect(x.to('int64').dtype).toBe('int64');
    expect(x.to({ dtype: 'float64' }).dtype).toBe('float64');
  });

  it('take options by name, defaults, null and lists', () => {
    const x = ones([1, 1, 4, 4]);
    const w = ones([1, 1, 3, 3]);
    expect(ops.conv2d(x, w, null, 1, 1).shape).toEqual([1, 1, 4, 4]);
    expect(ops.conv2d(x, w, { padding: [1, 1] }).shape).toEqual([1, 1, 4, 4]);
    expect(ops.maxPool2d(x, 2).shape).toEqual([1, 1, 2, 2]);
    expect(cat([x, x], 1).shape).toEqual([1, 2, 4, 4]);
    expect(x.index([null, null, tensor([1], { dtype: 'int64' })]).shape).toEqual([1, 1, 1, 4]);
    expect(tensor([7]).div(2, { roundingMode: 'floor' }).item()).toBe(3);
    expect(x.contiguous({ memoryFormat: 'channels_last' }).shape).toEqual([1, 1, 4, 4]);
    expect(zeros([2], { dtype: 'float64', requiresGrad: true }).requiresGrad).toBe(true);
    expect(x.split(2, 2).map((part) => part.shape[2])).toEqual([2, 2]);
    expect(ops.einsum('ij,jk->ik', [ones([2, 3]), ones([3, 4])]).shape).toEqual([2, 4]);
  });

  it('take a number as float32 where it alone decides the dtype', () => {
    expect(ops.full([2], 1).dtype).toBe('float32');
    expect(ops.full([2], 1, { dtype: 'int64' }).dtype).toBe('int64');
    expect(ops.full([2], 1n).dtype).toBe('int64');
    expect(ops.full([2], true).dtype).toBe('bool');
  });

  it('give the tensor itself for in-place operators', () => {
    const x = tensor([1, 2]);
    expect(x.add_(1)).toBe(x);
    expect(x).toBeAllClose([2, 3]);
  });

  it('keep 64-bit integers exact', () => {
    const big = 2n ** 62n + 1n;
    expect(tensor([0n]).add(big).data()).toEqual(BigInt64Array.of(big));
  });

  it('lists longer than the call buffer make it grow', () => {
    const many = Array.from({ length: 10_000 }, () => tensor([1]));
    expect(ops.stack(many).sum().item()).toBe(10_000);
    for (const one of many) one.dispose();
  });

  it('reach operators that are not in the typed table', () => {
    const [a, b] = [tensor([1]), tensor([2])];
    callOperator('_foreach_mul_', [[a, b], 3]);
    expect([a.item(), b.item()]).toEqual([3, 6]);
    expect(() => callOperator('no_such', [])).toThrow(refusal('unknown-name', 'no_such'));
  });
});

describe('errors', () => {
  it('name the operator, the arguments with shapes and dtypes, and what it takes', () => {
    const x = ones([2, 3]);
    expect(() => x.matmul(ones([2, 3]))).toThrow(
      refusal('engine', 'matmul(self: Float[2, 3], other: Float[2, 3])', 'mat1'),
    );
    expect(() => x.add('1' as never)).toThrow(refusal('invalid-argument', 'add', '(float32[2, 3], "1")'));
    expect(() => x.add('1' as never)).toThrow(
      refusal('invalid-argument', 'add(self: Tensor, other: Tensor, { alpha?: Scalar })'),
    );
    expect(() => x.sum({ dmi: 0 } as never)).toThrow(refusal('invalid-argument', 'sum', 'dmi'));
    expect(() => x.reshape([7])).toThrow(refusal('engine', '[7]', '6'));
    expect(() => zeros([2.5])).toThrow(refusal('invalid-argument', 'zeros', '2.5'));
  });

  it('a device that is not there is an error like any other', () => {
    expect(() => ones([2]).to({ device: 'cuda:7' })).toThrow(/cuda|NVIDIA/i);
    expect(() => ones([2]).to({ device: 'gpu' as never })).toThrow(refusal('invalid-argument', 'to', 'gpu'));
    expect(ones([2], { device: 'meta' }).add(1).device).toBe('meta');
    expect(() => ones([2], { device: 'meta' }).add(ones([2]))).toThrow(refusal('engine', 'add'));
  });

  it('show nothing of C++', () => {
    expect(() => ones([2]).matmul(ones([3]))).not.toThrow(/frame #|\.cpp|Exception raised/);
    expect(() => ones([2]).matmul(ones([3]))).toThrow(refusal('engine', 'matmul'));
  });

  it('out of memory is an error like any other', () => {
    expect(() => zeros([1_000_000, 1_000_000])).toThrow(refusal('out-of-memory', 'out of memory', '3725.3 GiB'));
    expect(() => zeros([2 ** 40, 2 ** 40])).toThrow(refusal('engine', 'zeros'));
    expect(ones([2]).sum().item()).toBe(2);
  });
});

describe('random numbers', () => {
  it('repeat with a seed, globally and per generator', () => {
    manualSeed(3);
    const first = rand([4]).toArray();
    manualSeed(3n);
    expect(rand([4]).toArray()).toEqual(first);
    const a = new Generator(5);
    const b = new Generator(5);
    expect(randn([3], { generator: a }).toArray()).toEqual(randn([3], { generator: b }).toArray());
    const state = a.getState();
    const next = randn([3], { generator: a }).toArray();
    a.setState(state);
    expect(randn([3], { generator: a }).toArray()).toEqual(next);
    expect(() => manualSeed(1.5)).toThrow(refusal('invalid-argument', 'manualSeed', 'seed', '1.5'));
  });

  it('generators go with their objects, and their places are used again', () => {
    const round = (): number[] => Array.from({ length: 200 }, (_, i) => new Generator(i).index);
    round();
    globalThis.gc!();
    expect(Math.max(...round())).toBeLessThan(300);
    const kept = new Generator(7);
    globalThis.gc!();
    round();
    expect(randn([3], { generator: kept }).toArray()).toEqual(randn([3], { generator: new Generator(7) }).toArray());
  });
});
