// A dense array in row-major order with its element type, as IDX and NPY files hold them, and the step from raw bytes to it.
// Element types are named as NumPy and PyTorch name them.

import { endianness } from 'node:os';

/** The typed array that holds each element type. */
export interface NumericArrayTypes {
  /** One byte each, 0 or 1. */
  bool: Uint8Array;
  uint8: Uint8Array;
  int8: Int8Array;
  uint16: Uint16Array;
  int16: Int16Array;
  uint32: Uint32Array;
  int32: Int32Array;
  uint64: BigUint64Array;
  int64: BigInt64Array;
  /** The raw bits of IEEE 754 binary16: Node 20 has no `Float16Array`. */
  float16: Uint16Array;
  float32: Float32Array;
  float64: Float64Array;
}

export type NumericDType = keyof NumericArrayTypes;

/** A dense row-major array: `data.length` is the product of `shape`. Narrow on `dtype` to know the class of `data`. */
export type NumericArray<D extends NumericDType = NumericDType> = {
  [K in D]: { readonly dtype: K; readonly shape: readonly number[]; readonly data: NumericArrayTypes[K] };
}[D];

export type ByteOrder = 'little' | 'big';

/** The byte order of this machine, so that of every typed array. */
export const hostOrder: ByteOrder = endianness() === 'LE' ? 'little' : 'big';

type TypedArrayClass<T> = {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
  BYTES_PER_ELEMENT: number;
};

export const arrayClasses: { readonly [K in NumericDType]: TypedArrayClass<NumericArrayTypes[K]> } = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

/**
 * The array whose elements lie in `raw`, one after the other, in the given byte order. It is a view of `raw` where byte order
 * and alignment allow, else a copy. `raw` must be as long as `shape` and `dtype` say: the caller has checked.
 */
export function toNumericArray<D extends NumericDType>(
  dtype: D,
  shape: readonly number[],
  { raw, order }: { raw: Uint8Array; order: ByteOrder },
): NumericArray<D> {
  const arrayClass = arrayClasses[dtype];
  const itemSize = arrayClass.BYTES_PER_ELEMENT;
  const swap = itemSize > 1 && order !== hostOrder;
  const bytes = swap || raw.byteOffset % itemSize !== 0 ? new Uint8Array(raw) : raw;
  if (swap) swapBytes(bytes, itemSize);
  const data = new arrayClass(bytes.buffer, bytes.byteOffset, bytes.byteLength / itemSize);
  return { dtype, shape, data };
}

/** The bytes of a typed array, without a copy. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function swapBytes(bytes: Uint8Array, itemSize: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (itemSize === 2) buffer.swap16();
  else if (itemSize === 4) buffer.swap32();
  else buffer.swap64();
}
