// Tensors: values in and out, facts, gradients, hooks, the end.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { DType } from './index.ts';
import {
  backward,
  enableGrad,
  grad,
  inferenceMode,
  isGradEnabled,
  noGrad,
  ones,
  Tensor,
  tensor,
  zeros,
} from './index.ts';

describe('values', () => {
  it('come from nested arrays, with the dtype of JavaScript types', () => {
    expect(
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]).shape,
    ).toEqual([2, 3]);
    expect(tensor(2.5).shape).toEqual([]);
    expect(tensor([]).shape).toEqual([0]);
    expect([1.5, true, 3n].map((value) => tensor([value]).dtype)).toEqual(['float32', 'bool', 'int64']);
    expect(tensor([1, 2], { dtype: 'int64' }).data()).toEqual(BigInt64Array.of(1n, 2n));
    expect(tensor(0.1, { dtype: 'float64' }).item()).toBe(0.1);
  });

  it('come from typed arrays with a shape', () => {
    const t = tensor(Float64Array.of(1, 2, 3, 4, 5, 6), { shape: [3, 2] });
    expect(t.dtype).toBe('float64');
    expect(t.toArray()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  it('are refused when ragged, of the wrong count or no numbers', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(/ragged: at depth 1, an array of 2 was expected, got one of 1/);
    expect(() => tensor([[1], 2])).toThrow(/ragged/);
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(/shape \[2, 2\] does not hold 3 values/);
    expect(() => tensor(['a' as never])).toThrow(/a number, bigint or boolean was expected, got "a"/);
    expect(() => tensor(new Uint32Array(2) as never)).toThrow(/Uint32Array cannot become a tensor/);
    expect(() => tensor([1], { dtype: 'flaot32' as DType })).toThrow(/did you mean "float32"/);
  });

  it('survive the way to libtorch and back, for every dtype', () => {
    const arrays = [Float32Array, Float64Array, Int8Array, Uint8Array, Int16Array, Int32Array];
    for (const Type of arrays) {
      const values = Type.from([0, 1, 2, 100, 127]);
      expect(tensor(values).data()).toEqual(values);
    }
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), (values) => {
        using t = tensor(BigInt64Array.from(values));
        expect(t.data()).toEqual(BigInt64Array.from(values));
      }),
    );
    expect(tensor([1.5, -2], { dtype: 'bfloat16' }).data()).toEqual(Float32Array.of(1.5, -2));
    expect(tensor([true, false]).toArray()).toEqual([true, false]);
    expect(tensor([2n ** 60n]).toArray()).toEqual([2n ** 60n]);
    expect(tensor([1n]).toArray()).toEqual([1]);
  });

  it('item wants one element', () => {
    expect(tensor([[7]]).item()).toBe(7);
    expect(() => ones([2]).item()).toThrow(/one element was expected, got shape \[2\]/);
  });

  it('print', () => {
    expect(String(tensor([[1, 2]]))).toBe('Tensor float32[1, 2] [ [ 1, 2 ] ]');
    expect(String(zeros([5000]))).toBe('Tensor float32[5000]');
  });
});

describe('autograd', () => {
  it('accumulates into leaves', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    x.mul(x).sum().backward();
    x.mul(x).backward(tensor([1, 10]));
    expect(x.grad).toBeAllClose([2 + 2, 4 + 40]);
    x.grad = null;
    expect(x.grad).toBeNull();
  });

  it('gives gradients of gradients', () => {
    const x = tensor(3, { requiresGrad: true });
    const [first] = grad([x.pow(3)], [x], { createGraph: true });
    const [second] = grad([first!], [x]);
    expect(first!.item()).toBe(27);
    expect(second!.item()).toBe(18);
    expect(x.grad).toBeNull();
  });

  it('says what an input that is not used means', () => {
    const [x, y] = [tensor(1, { requiresGrad: true }), tensor(1, { requiresGrad: true })];
    expect(() => grad([x.mul(2)], [y])).toThrow(/not have been used/);
    expect(grad([x.mul(2)], [y], { allowUnused: true })).toEqual([null]);
    expect(() => backward([tensor(1)])).toThrow(/does not require grad/);
  });

  it('modes nest, are put back after an error, and refuse promises', () => {
    const x = tensor(1, { requiresGrad: true });
    expect(noGrad(() => x.mul(2).requiresGrad)).toBe(false);
    expect(noGrad(() => enableGrad(() => x.mul(2).requiresGrad))).toBe(true);
    expect(inferenceMode(() => x.mul(2).requiresGrad)).toBe(false);
    expect(() =>
      noGrad(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(isGradEnabled()).toBe(true);
    expect(() => noGrad(async () => {})).toThrow(/noGrad: the function returned a promise/);
  });

  it('hooks see and replace gradients, and come off', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(3);
    const seen: unknown[] = [];
    const hook = y.registerHook((gradient) => {
      seen.push(gradient.toArray());
      return gradient.mul(10);
    });
    y.sum().backward();
    expect(seen).toEqual([[1, 1]]);
    expect(x.grad).toBeAllClose([30, 30]);
    hook.remove();
    x.mul(3).sum().backward();
    expect(seen).toHaveLength(1);
  });

  it('a hook that throws is the error of backward, and the process lives', () => {
    const x = tensor(1, { requiresGrad: true });
    const y = x.mul(2);
    using hook = y.registerHook(() => {
      throw new Error('from the hook');
    });
    void hook;
    expect(() => y.backward()).toThrow('from the hook');
    expect(x.mul(2).item()).toBe(2);
  });
});

describe('the end', () => {
  it('dispose frees at once, twice is harmless, use afterwards is an error', () => {
    const x = tensor([1, 2]);
    x.dispose();
    x.dispose();
    expect(x.isDisposed).toBe(true);
    expect(() => x.add(1)).toThrow(/this tensor was disposed/);
    expect(() => ones([2]).add(x)).toThrow(/this tensor was disposed/);
    expect(() => x.shape).toThrow(/this tensor was disposed/);
    expect(String(x)).toBe('Tensor (disposed)');
  });

  it('a stale handle never reaches another tensor', () => {
    const first = tensor([1]);
    const stale = new (class extends Tensor {})(first.handle);
    first.dispose();
    const others = Array.from({ length: 100 }, (_, i) => tensor([i]));
    expect(stale.isDisposed).toBe(true);
    expect(() => stale.toArray()).toThrow(/was freed/);
    for (const other of others) other.dispose();
  });
});
