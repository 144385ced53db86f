// Tensors of PyTorch's files as plain objects: a view (shape, strides, offset) of a storage, whose bytes lie in the file until they are
// wanted. Views are checked when they are made: none reaches outside its storage.

import { showShape } from '../check.ts';
import type { Fail } from './format-error.ts';
import type { Sink } from './read-file.ts';
import { denseByteLength } from './shape.ts';

/** Bytes of each element type that PyTorch has; those that are not in here are handed on by name alone. */
const itemSizes: Readonly<Record<string, number>> = {
  bool: 1,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
  complex32: 4,
  complex64: 8,
  complex128: 16,
  float8_e4m3fn: 1,
  float8_e5m2: 1,
  float8_e4m3fnuz: 1,
  float8_e5m2fnuz: 1,
  float8_e8m0fnu: 1,
};

/** Bytes of an element, undefined for a type that came after this reader. */
export function torchItemSize(dtype: string): number | undefined {
  return Object.hasOwn(itemSizes, dtype) ? itemSizes[dtype] : undefined;
}

/** Where the bytes of storages come from. */
export interface StorageSource {
  /** All bytes of a storage, in memory that is its own. */
  read(key: string, bytes: number): Uint8Array;
  /** All bytes of a storage, piece by piece. */
  stream(key: string, bytes: number, sink: Sink): void;
}

/** The memory that tensors of a file are views of. */
export class TorchStorage {
  readonly key: string;
  readonly dtype: string;
  readonly byteLength: number;
  readonly #source: StorageSource;
  #bytes: Uint8Array | undefined;

  constructor(key: string, dtype: string, options: { byteLength: number; source: StorageSource }) {
    this.key = key;
    this.dtype = dtype;
    this.byteLength = options.byteLength;
    this.#source = options.source;
  }

  /** Its bytes, little-endian, read once and kept. */
  bytes(): Uint8Array {
    return (this.#bytes ??= this.#source.read(this.key, this.byteLength));
  }

  /** Hands its bytes on, piece by piece, and keeps nothing. */
  stream(sink: Sink): void {
    if (this.#bytes === undefined) this.#source.stream(this.key, this.byteLength, sink);
    else sink(this.#bytes);
  }
}

/** A tensor of a file of PyTorch. */
export class TorchTensor {
  /** As PyTorch calls it: `float32`, `bfloat16`, `float8_e4m3fn`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** In elements, as many as dimensions. */
  readonly strides: readonly number[];
  /** Of the first element in the storage, in elements. */
  readonly offset: number;
  readonly storage: TorchStorage;

  /** @throws FormatError `shape`, `overflow`, `offsets` for a view that its storage does not hold. */
  constructor(storage: TorchStorage, view: TorchView, fail: Fail) {
    const { dtype, shape, strides, offset } = view;
    this.storage = storage;
    this.dtype = dtype;
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    const itemSize = torchItemSize(dtype);
    const integers = [...shape, ...strides, offset];
    if (integers.some((number) => !Number.isSafeInteger(number) || number < 0)) {
      throw fail('shape', `sizes, strides and offsets must be integers from 0 to 2^53 - 1, got ${showShape(integers)}`);
    }
    if (shape.length !== strides.length || shape.length > 64) {
      throw fail('shape', `shape ${showShape(shape)} and strides ${showShape(strides)} do not fit, or are too many`);
    }
    denseByteLength(shape, itemSize ?? 1, fail);
    if (itemSize === undefined || shape.includes(0)) return;
    const last = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, offset);
    if ((last + 1) * itemSize <= storage.byteLength) return;
    const problem = `${dtype} of shape ${showShape(shape)} with strides ${showShape(strides)} from element ${offset} on`;
    throw fail('offsets', `${problem} reaches outside its storage of ${storage.byteLength} bytes`);
  }

  /** The number of elements. */
  get numel(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** Whether the elements lie one after the other in row-major order. */
  get isContiguous(): boolean {
    let expected = 1;
    if (this.shape.includes(0)) return true;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      const size = this.shape[axis]!;
      if (size === 1) continue;
      if (this.strides[axis] !== expected) return false;
      expected *= size;
    }
    return true;
  }

  /**
   * The elements, little-endian, in row-major order: a view of the storage where they lie so there, else a copy.
   * @throws FormatError `dtype` for an element type of unknown size, `too-large` where a view takes far more room than its storage.
   */
  bytes(fail: Fail): Uint8Array {
    const { dtype, shape, strides, offset, numel } = this;
    const itemSize = torchItemSize(dtype);
    if (itemSize === undefined) throw fail('dtype', `the size of ${dtype} is not known`);
    const bytes = this.storage.bytes();
    if (this.isContiguous) return bytes.subarray(offset * itemSize, (offset + numel) * itemSize);
    if (numel * itemSize > 2 * this.storage.byteLength + 2 ** 25) {
      throw fail('too-large', `shape ${showShape(shape)} repeats a storage of ${this.storage.byteLength} bytes`, {
        help: 'save a copy: tensor.clone()',
      });
    }
    const target = new Uint8Array(numel * itemSize);
    const index = shape.map(() => 0);
    for (let to = 0, from = offset * itemSize; to < target.length; to += itemSize) {
      for (let byte = 0; byte < itemSize; byte++) target[to + byte] = bytes[from + byte]!;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        from += strides[axis]! * itemSize;
        if (++index[axis]! < shape[axis]!) break;
        from -= strides[axis]! * itemSize * shape[axis]!;
        index[axis] = 0;
      }
    }
    return target;
  }
}

/** How a tensor lies in its storage. */
export interface TorchView {
  dtype: string;
  shape: number[];
  strides: number[];
  offset: number;
}
