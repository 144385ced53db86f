// Tensors: values in and out, dtypes and shapes, gradients, hooks, the end.
import { inspect } from 'node:util';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { RetortError } from '../errors.ts';
import type { DType } from './index.ts';
import {
  backward,
  clearGrads,
  enableGrad,
  full,
  grad,
  gradsOf,
  inferenceMode,
  isGradEnabled,
  noGrad,
  ones,
  ops,
  Tensor,
  tensor,
  tidy,
  zeros,
} from './index.ts';
import { detachedHandle, setData } from './internal.ts';

/** A tensor whose scope has ended. */
function freed(shape: number[]): Tensor {
  let gone: Tensor | undefined;
  tidy(() => {
    gone = ones(shape);
  });
  return gone!;
}

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
    expect(() => tensor([[1, 2], [3]])).toThrow(
      refusal('invalid-argument', 'ragged', 'depth 1', 'array of 2', 'one of 1'),
    );
    expect(() => tensor([[1], 2])).toThrow(refusal('invalid-argument', 'ragged'));
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(refusal('invalid-argument', '[2, 2]', '3'));
    expect(() => tensor(['a' as never])).toThrow(refusal('invalid-argument', 'values[0]', '"a"'));
    expect(() => tensor(new Uint32Array(2) as never)).toThrow(refusal('invalid-argument', 'Uint32Array'));
    expect(() => tensor([1], { dtype: 'flaot32' as DType })).toThrow(
      refusal('unknown-name', 'dtype', 'flaot32', 'float32'),
    );
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
    expect(() => ones([2]).item()).toThrow(refusal('invalid-argument', 'item', '[2]'));
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
    expect(() => grad([x.mul(2)], [y])).toThrow(refusal('engine', 'allowUnused'));
    expect(grad([x.mul(2)], [y], { allowUnused: true })).toEqual([null]);
    expect(() => backward([tensor(1)])).toThrow(refusal('engine', 'grad'));
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
    expect(() => noGrad(async () => {})).toThrow(refusal('async-function', 'noGrad', 'a promise'));
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

  it.each([
    ['a promise', async () => {}, refusal('invalid-argument', 'registerHook', 'a promise')],
    [
      'a promise that fails',
      () => Promise.reject(new Error('nobody waits')),
      refusal('invalid-argument', 'registerHook', 'a promise'),
    ],
    ['a number', () => 5, refusal('invalid-argument', 'registerHook', 'the number 5')],
    ['an object', () => ({ handle: 1 }), refusal('invalid-argument', 'registerHook', 'an object')],
    [
      'a tensor that was disposed',
      () => {
        const gone = ones([2]);
        gone.dispose();
        return gone;
      },
      refusal('invalid-state', 'disposed'),
    ],
    ['a tensor that was freed', () => freed([2]), refusal('invalid-state', 'freed')],
  ])('a hook that returns %s is refused', (_, hook, error) => {
    const x = tensor([1, 2], { requiresGrad: true });
    using handle = x.registerHook(hook as never);
    expect(() => x.mul(3).sum().backward()).toThrow(error);
    handle.remove();
    x.mul(3).sum().backward();
    expect(x.grad).toBeAllClose([3, 3]);
  });

  it('hooks may return null, throw anything, and must be functions', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(3);
    const nothing = y.registerHook(() => null);
    y.sum().backward();
    nothing.remove();
    expect(x.grad).toBeAllClose([3, 3]);
    for (const thrown of [null, undefined, 'text', { code: 'RETORT_ENGINE' }]) {
      using hook = x.registerHook(() => {
        throw thrown;
      });
      void hook;
      let caught: unknown = 'nothing';
      try {
        x.mul(3).sum().backward();
      } catch (error) {
        caught = error;
      }
      expect(caught).toBe(thrown);
    }
    expect(() => x.registerHook(5 as never)).toThrow(refusal('invalid-argument', 'registerHook', '5'));
  });

  it('a hook taken off after its tensor is gone does not run', () => {
    const x = tensor([1], { requiresGrad: true });
    const seen: number[] = [];
    const { hook, z } = tidy(() => {
      const y = x.mul(2);
      const hook = y.registerHook((gradient) => void seen.push(gradient.item()));
      return { z: y.mul(3), hook };
    });
    hook.remove();
    z.sum().backward();
    expect(seen).toEqual([]);
    expect(x.grad).toBeAllClose([6]);
  });

  it('a gradient that is set has the shape, dtype and device of its tensor', () => {
    const x = tensor([1, 2, 3], { requiresGrad: true });
    x.grad = ones([3]);
    expect(x.grad).toBeAllClose([1, 1, 1]);
    expect(() => (x.grad = full([1], 3))).toThrow(refusal('invalid-argument', 'float32[3]', 'float32[1]', 'grad'));
    expect(() => (x.grad = ones([2, 3]))).toThrow(refusal('invalid-argument', 'float32[2, 3]'));
    expect(() => (x.grad = ones([3], { dtype: 'float64' }))).toThrow(refusal('invalid-argument', 'float64[3]'));
    expect(() => (x.grad = ones([3], { device: 'meta' }))).toThrow(refusal('invalid-argument', 'grad', 'on meta'));
    expect(() => (x.grad = x)).toThrow(refusal('invalid-argument', 'grad', 'clone()'));
    expect(() => (x.grad = [1, 1, 1] as never)).toThrow(refusal('invalid-argument', 'a tensor', 'an array of 3'));
    expect(() => (x.grad = undefined as never)).toThrow(refusal('invalid-argument', 'a tensor', 'undefined'));
    expect(x.grad).toBeAllClose([1, 1, 1]);
  });

  it('data taken over leaves no gradient that does not fit', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    x.grad = ones([2]);
    expect(() => setData(x, ones([3]))).toThrow(refusal('invalid-argument', 'gradient', 'float32[2] on cpu'));
    setData(x, tensor([5, 6]));
    expect(x).toBeAllClose([5, 6]);
    x.grad = null;
    setData(x, ones([3]));
    expect(x.shape).toEqual([3]);
    expect(() => setData(x, tensor([1], { dtype: 'int64' }))).toThrow(refusal('engine', 'gradients'));
  });

  it('wrong calls of backward and grad say what was expected', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const loss = x.mul(2).sum();
    expect(() => backward(loss as never)).toThrow(refusal('invalid-argument', 'backward', 'roots', 'Tensor', '[x]'));
    expect(() => backward([5 as never])).toThrow(refusal('invalid-argument', 'roots[0]', 'backward', '5'));
    expect(() => loss.backward({ retainGraph: true } as never)).toThrow(
      refusal('invalid-argument', 'gradients[0]', 'backward'),
    );
    expect(() => grad([loss], x as never)).toThrow(refusal('invalid-argument', 'grad', 'inputs'));
    expect(() => x.mul(2).requiresGrad_(false)).toThrow(refusal('invalid-argument', 'requiresGrad_', 'detach()'));
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

describe('large and deep shapes', () => {
  it('are printed without being walked through', () => {
    expect(String(ops.empty([3e8, 0]))).toBe('Tensor float32[300000000, 0]');
    expect(String(ones([1]).expand([2 ** 40]))).toBe('Tensor float32[1099511627776]');
    expect(inspect({ x: ops.empty([0, 5e8, 2]) })).toContain('Tensor float32[0, 500000000, 2]');
    expect(String(zeros([0]))).toBe('Tensor float32[0] []');
    expect(String(zeros([2, 0]))).toBe('Tensor float32[2, 0] [ [], [] ]');
    expect(String(ones([2, 2]).toSparse())).toBe('Tensor float32[2, 2]');
    expect(String(ones([2, 2]).toSparseCsr())).toBe('Tensor float32[2, 2]');
    const deep = ones(Array.from({ length: 60 }, () => 1));
    expect(String(deep)).toMatch(/^Tensor float32\[1, 1, .* 60 in all\] \[/);
    expect(JSON.stringify(deep.toArray())).toBe(`${'['.repeat(60)}1${']'.repeat(60)}`);
  });

  it('are refused as arrays where JavaScript has no room', () => {
    expect(() => ops.empty([3e8, 0]).toArray()).toThrow(
      refusal('invalid-argument', 'float32[300000000, 0]', 'toArray', '300000001'),
    );
    expect(() =>
      ones([1])
        .expand([2 ** 50])
        .data(),
    ).toThrow(refusal('out-of-memory', '4503599627370496', 'JavaScript'));
    expect(zeros([2, 0, 3]).toArray()).toEqual([[], []]);
    expect(tensor([[[1], [2]]]).toArray()).toEqual([[[1], [2]]]);
  });
});

describe('the end', () => {
  const members: [string, (x: Tensor) => unknown][] = [
    ['shape', (x) => x.shape],
    ['dtype', (x) => x.dtype],
    ['device', (x) => x.device],
    ['ndim', (x) => x.ndim],
    ['numel', (x) => x.numel],
    ['requiresGrad', (x) => x.requiresGrad],
    ['isLeaf', (x) => x.isLeaf],
    ['isContiguous', (x) => x.isContiguous],
    ['grad', (x) => x.grad],
    ['grad =', (x) => (x.grad = null)],
    ['grad of another', (x) => (ones([2]).grad = x)],
    ['requiresGrad_', (x) => x.requiresGrad_()],
    ['retainGrad', (x) => x.retainGrad()],
    ['registerHook', (x) => x.registerHook(() => {})],
    ['data', (x) => x.data()],
    ['bytes', (x) => x.bytes()],
    ['toArray', (x) => x.toArray()],
    ['item', (x) => x.item()],
    ['keep', (x) => x.keep()],
    ['backward', (x) => x.backward()],
    ['add', (x) => x.add(1)],
    ['as an argument', (x) => ones([2]).add(x)],
    ['in a list', (x) => ops.stack([ones([2]), x])],
    ['setData', (x) => setData(x, ones([2]))],
    ['data from it', (x) => setData(ones([2]), x)],
    ['backward of it', (x) => backward([x])],
    ['gradsOf', (x) => gradsOf([x])],
    ['clearGrads', (x) => clearGrads([x])],
    ['detachedHandle', (x) => detachedHandle(x)],
  ];
  it.each(members)('a freed tensor says so: %s', (_, use) => {
    const disposed = ones([2]);
    disposed.dispose();
    for (const gone of [freed([2]), disposed]) {
      let error: unknown;
      try {
        use(gone);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(RetortError);
      expect((error as RetortError).message).toMatch(/this tensor was (freed|disposed)[^]*help: /);
    }
  });

  it('a freed tensor can be printed, asked and disposed', () => {
    const gone = freed([2]);
    expect(String(gone)).toBe('Tensor (disposed)');
    expect(gone.isDisposed).toBe(true);
    gone.dispose();
  });

  it('dispose frees at once, twice is harmless, use afterwards is an error', () => {
    const x = tensor([1, 2]);
    x.dispose();
    x.dispose();
    expect(x.isDisposed).toBe(true);
    expect(() => x.add(1)).toThrow(refusal('invalid-state', 'disposed'));
    expect(() => ones([2]).add(x)).toThrow(refusal('invalid-state', 'disposed'));
    expect(() => x.shape).toThrow(refusal('invalid-state', 'disposed'));
    expect(String(x)).toBe('Tensor (disposed)');
  });

  it('a stale handle never reaches another tensor', () => {
    const first = tensor([1]);
    const stale = new (class extends Tensor {})(first.handle);
    first.dispose();
    const others = Array.from({ length: 100 }, (_, i) => tensor([i]));
    expect(stale.isDisposed).toBe(true);
    expect(() => stale.toArray()).toThrow(refusal('invalid-state', 'was freed'));
    for (const other of others) other.dispose();
  });
});
