// Tensors from values: what fits a dtype, what is refused with its place, and what counts as bytes.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { full, ops, tensor, tensorFromBytes, tensorInPieces, tidy } from './index.ts';
import type { DType } from './index.ts';

const integers = ['uint8', 'int8', 'int16', 'int32', 'int64'] as const;

describe('integers', () => {
  it.each(integers)('hold all that %s holds, and nothing beyond', (dtype) => {
    const bits = BigInt({ uint8: 8, int8: 7, int16: 15, int32: 31, int64: 63 }[dtype]);
    const [low, high] = [dtype === 'uint8' ? 0n : -(2n ** bits), 2n ** bits - 1n];
    expect(Array.from(tensor([low, high], { dtype }).data(), BigInt)).toEqual([low, high]);
    expect(() => tensor([0n, low - 1n], { dtype })).toThrow(
      refusal('invalid-argument', 'values[1]', String(low - 1n), dtype),
    );
    expect(() => tensor([[0n], [high + 1n]], { dtype })).toThrow(
      refusal('invalid-argument', 'values[1][0]', String(high + 1n), dtype),
    );
    expect(() => tensor([2 ** 64, 0], { dtype })).toThrow(
      refusal('invalid-argument', 'values[0]', '18446744073709552000', dtype),
    );
  });

  it('refuse what is no integer at all, name the place, and cut fractions off', () => {
    expect(() => tensor([1, NaN], { dtype: 'int64' })).toThrow(
      refusal('invalid-argument', 'values[1]', 'NaN', 'int64'),
    );
    expect(() => tensor(Infinity, { dtype: 'int32' })).toThrow(
      refusal('invalid-argument', 'tensor', 'values', 'Infinity', 'int32'),
    );
    expect(() =>
      tensor(
        [
          [1, 2],
          [3, 300],
        ],
        { dtype: 'uint8' },
      ),
    ).toThrow(refusal('invalid-argument', 'values[1][1]', '300', 'uint8', '0', '255'));
    expect(() => tensor([-1], { dtype: 'uint8' })).toThrow(refusal('invalid-argument', '-1', 'uint8'));
    expect(tensor([1.9, -1.9, -0.5], { dtype: 'int64' }).data()).toEqual(BigInt64Array.of(1n, -1n, 0n));
    expect(tensor([255.9], { dtype: 'uint8' }).item()).toBe(255);
    expect(tensor([true, false, 7], { dtype: 'int16' }).data()).toEqual(Int16Array.of(1, 0, 7));
  });

  it('keep bigints exact, beside numbers too, and refuse those beyond 64 bits', () => {
    const big = 2n ** 62n + 1n;
    expect(tensor([1, big], { dtype: 'int64' }).data()).toEqual(BigInt64Array.of(1n, big));
    expect(() => tensor([2n ** 64n + 5n])).toThrow(
      refusal('invalid-argument', 'values[0]', '18446744073709551621', 'int64'),
    );
    expect(() => tensor([2n ** 63n])).toThrow(refusal('invalid-argument', '9223372036854775808', 'int64'));
    expect(tensor([2n ** 64n + 5n], { dtype: 'float64' }).item()).toBe(2 ** 64);
  });

  it('are checked in typed arrays', () => {
    expect(() => tensor(Float32Array.of(1, NaN), { dtype: 'int64' })).toThrow(
      refusal('invalid-argument', 'values[1]', 'NaN', 'int64'),
    );
    expect(() => tensor(Int32Array.of(0, -1), { dtype: 'uint8' })).toThrow(
      refusal('invalid-argument', 'values[1]', '-1', 'uint8'),
    );
    expect(tensor(Float64Array.of(1.5, 2), { dtype: 'int32' }).data()).toEqual(Int32Array.of(1, 2));
    expect(tensor(Uint8Array.of(3, 4), { dtype: 'int64', shape: [2, 1] }).shape).toEqual([2, 1]);
  });

  it('are refused by full, whose value has no place', () => {
    expect(() => full([1], 2n ** 64n, { dtype: 'int64' })).toThrow(
      refusal('engine', 'full', 'value', '18446744073709551616', 'int64'),
    );
    expect(() => full([1], 2 ** 63, { dtype: 'int64' })).toThrow(refusal('engine', 'full', 'int64'));
    expect(() => full([1], 300, { dtype: 'uint8' })).toThrow(refusal('engine', '300', 'uint8'));
    expect(() => full([1], 1e30, { dtype: 'float16' })).toThrow(refusal('engine', '1e+30', 'float16'));
    expect(full([1], 2.9, { dtype: 'int8' }).item()).toBe(2);
  });
});

describe('other dtypes', () => {
  it('floats round and become infinite, booleans are all but 0', () => {
    expect(tensor([1e30], { dtype: 'float16' }).item()).toBe(Infinity);
    expect(tensor([1e300]).item()).toBe(Infinity);
    expect(tensor([NaN, -Infinity]).toArray()).toEqual([NaN, -Infinity]);
    expect(tensor([0, 2, -0.5, NaN], { dtype: 'bool' }).toArray()).toEqual([false, true, true, true]);
    expect(tensor([0n, 5n], { dtype: 'bool' }).toArray()).toEqual([false, true]);
    expect(tensor([true, 2.5]).toArray()).toEqual([1, 2.5]);
    expect(tensor([1, 2], { dtype: 'complex64' }).real().toArray()).toEqual([1, 2]);
  });
});

describe('bytes', () => {
  class Pixels extends Uint8Array {}

  it('are those of every view of bytes', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    shared.set([1, 2, 3, 4]);
    const inside = new Uint8Array([0, 1, 2, 3, 4, 0]).subarray(1, 5);
    for (const bytes of [
      Buffer.from([1, 2, 3, 4]),
      Pixels.of(1, 2, 3, 4),
      Uint8ClampedArray.of(1, 2, 3, 4),
      shared,
      inside,
    ]) {
      const made = tensor(bytes, { shape: [2, 2] });
      expect(made.dtype).toBe('uint8');
      expect(made.toArray()).toEqual([
        [1, 2],
        [3, 4],
      ]);
    }
    expect(tensor(new Float32Array(new SharedArrayBuffer(8))).toArray()).toEqual([0, 0]);
    expect(tensorFromBytes(Buffer.from([1, 0]), 'bool', [2]).toArray()).toEqual([true, false]);
    expect(tensorFromBytes(shared, 'uint8', [4]).toArray()).toEqual([1, 2, 3, 4]);
  });

  it('other views are refused by name', () => {
    expect(() => tensor(new DataView(new ArrayBuffer(4)) as never)).toThrow(
      refusal('invalid-argument', 'DataView', 'Uint8Array'),
    );
    for (const view of [new Uint16Array(2), new Uint32Array(2), new BigUint64Array(2)]) {
      expect(() => tensor(view as never)).toThrow(refusal('invalid-argument', view.constructor.name));
    }
    expect(() => tensor(new ArrayBuffer(4) as never)).toThrow(refusal('invalid-argument', 'ArrayBuffer'));
    expect(() => tensorFromBytes(new Uint16Array(2) as never, 'int16', [2])).toThrow(
      refusal('invalid-argument', 'bytes', 'Uint8Array', 'Uint16Array'),
    );
    expect(() => tensorFromBytes([1, 2] as never, 'uint8', [2])).toThrow(
      refusal('invalid-argument', 'Uint8Array', '2'),
    );
    expect(() => tensorFromBytes(Uint8Array.of(1, 2), 'bool', [2])).toThrow(
      refusal('invalid-argument', 'bytes[1]', '0', '1', '2'),
    );
    expect(() => tensorFromBytes(Uint8Array.of(1), 'flaot' as DType, [1])).toThrow(refusal('unknown-name', 'flaot'));
  });
});

describe('values that are none', () => {
  it('are refused with their place, and what came', () => {
    expect(() => tensor([1, 'a' as never])).toThrow(refusal('invalid-argument', 'values[1]', '"a"'));
    expect(() => tensor([[1], [undefined as never]])).toThrow(refusal('invalid-argument', 'values[1][0]', 'undefined'));
    expect(() => tensor(Promise.resolve(1) as never)).toThrow(
      refusal('invalid-argument', 'values', 'a promise', 'await'),
    );
    expect(() => tensor(ops.ones([1]) as never)).toThrow(refusal('invalid-argument', 'a Tensor', 'clone()'));
    expect(() => tensor([1, , 3] as never)).toThrow(refusal('invalid-argument', 'values[1]', 'undefined')); // oxlint-disable-line no-sparse-arrays
    const circular: unknown[] = [];
    circular.push(circular);
    expect(() => tensor(circular as never)).toThrow(refusal('invalid-argument', '64'));
  });

  it('options and shapes are checked', () => {
    expect(() => tensor([1], { dytpe: 'int64' } as never)).toThrow(refusal('unknown-option', 'dytpe', 'dtype'));
    expect(() => tensor([1], 'int64' as never)).toThrow(refusal('invalid-argument', 'options', '"int64"'));
    expect(() => tensor([1], { dtype: 7 as never })).toThrow(refusal('invalid-argument', 'dtype', '7'));
    expect(() => tensor([1], { shape: 1 as never })).toThrow(refusal('invalid-argument', 'shape', '1'));
    expect(() => tensor([1], { shape: [1, -1] })).toThrow(refusal('invalid-argument', 'shape[1]', '0', '-1'));
    expect(() => tensor([1], { shape: [NaN] })).toThrow(refusal('invalid-argument', 'shape[0]', 'NaN'));
    expect(() => tensorFromBytes(new Uint8Array(1), 'uint8', ['1'] as never)).toThrow(
      refusal('invalid-argument', 'shape[0]', '"1"'),
    );
    expect(() => tensor([1], { dtype: 'int64', requiresGrad: true })).toThrow(refusal('engine', 'gradients'));
  });
});

describe('tensorInPieces', () => {
  it('takes bytes piece by piece, and no more than there is room for', () => {
    const filling = tensorInPieces('float32', [2, 2]);
    const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    filling.write(bytes.subarray(0, 5));
    expect(filling.missing).toBe(11);
    filling.write(bytes.subarray(5));
    expect(filling.tensor.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(() => filling.write(Uint8Array.of(1))).toThrow(refusal('invalid-argument', 'tensorInPieces', 'at most 0'));
    filling.tensor.dispose();
    tidy(() => {
      const flag = tensorInPieces('bool', [2]);
      flag.write(Uint8Array.of(1));
      expect(() => flag.write(Uint8Array.of(2))).toThrow(refusal('invalid-argument', 'bytes[1]', '2'));
    });
    expect(() => tensorInPieces('float32', [-1])).toThrow(refusal('invalid-argument', 'shape[0]'));
  });
});
