// What NumPy puts into pickles: element types, scalars and arrays, built from their bytes. Arrays of Python objects, texts and records
// stay inert objects.

import type { Fail } from './format-error.ts';
import { arrayClasses, type ByteOrder, hostOrder, type NumericDType, toNumericArray } from './numeric-array.ts';
import { dtypeOfKind } from './npy-header.ts';
import { toRowMajor } from './npy.ts';
import { type PickleBudget, PickleObject, type PickleValue } from './pickle.ts';
import { denseByteLength } from './shape.ts';

/** An element type; its byte order comes after it was made. */
export class NumpyDType {
  /** NumPy's letter and size: `f4`. */
  readonly kind: string;
  order: ByteOrder = hostOrder;

  constructor(kind: string) {
    this.kind = kind;
  }

  /** Its name here; undefined for one that is not numeric. */
  get dtype(): NumericDType | undefined {
    return dtypeOfKind.get(this.kind);
  }
}

/** An array of a pickle, in row-major order and this machine's byte order. What is not numeric is `object`, without data. */
export class NumpyArray {
  dtype: NumericDType | 'object' = 'object';
  shape: readonly number[] = [0];
  data: InstanceType<(typeof arrayClasses)[NumericDType]> = new Uint8Array();
}

interface Tools {
  fail: Fail;
  budget: PickleBudget;
}

/** `dtype('f4', align, copy)` */
export function numpyDType(args: readonly PickleValue[], { fail }: Tools): NumpyDType {
  const [kind] = args;
  if (typeof kind !== 'string') throw fail('dtype', 'an element type of NumPy without its name');
  return new NumpyDType(kind.replace(/^[<>=|]/, ''));
}

/** State of a type: `(version, byte order, ...)`. */
export function buildDType(type: NumpyDType, state: PickleValue): boolean {
  if (!Array.isArray(state)) return false;
  if (state[1] === '>') type.order = 'big';
  else if (state[1] === '<') type.order = 'little';
  return true;
}

/** `scalar(dtype, bytes)`: a number, bigint or boolean; what is not numeric comes as it is. */
export function numpyScalar(args: readonly PickleValue[], { fail, budget }: Tools): PickleValue {
  const [type, content] = args;
  if (!(type instanceof NumpyDType)) throw fail('dtype', 'a scalar of NumPy without its element type');
  const { dtype } = type;
  if (dtype === undefined)
    return content instanceof Uint8Array ? objectOf('numpy.scalar', [type.kind, content]) : (content ?? null);
  const raw = bytesOfRaw(content, budget);
  const size = arrayClasses[dtype].BYTES_PER_ELEMENT;
  if (raw?.length !== size)
    throw fail('size-mismatch', `a scalar of NumPy of ${size} bytes has ${raw?.length ?? 'no'} bytes`);
  const { data } = toNumericArray(dtype, [], { raw, order: type.order });
  const value = data[0]!;
  if (dtype === 'bool') return value !== 0;
  if (dtype === 'float16') return halfToNumber(Number(value));
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** State of an array: `(version, shape, dtype, column-major, bytes)`. */
export function buildArray(array: NumpyArray, state: PickleValue, { fail, budget }: Tools): boolean {
  if (!Array.isArray(state)) return false;
  const [shape, type, columnMajor, content] = state.slice(-4);
  if (!Array.isArray(shape) || !(type instanceof NumpyDType)) return false;
  const { dtype } = type;
  if (dtype === undefined) return true; // stays what it was made as
  const raw = bytesOfRaw(content, budget);
  if (raw === undefined) return false;
  const sizes = shape.map(Number);
  const itemSize = arrayClasses[dtype].BYTES_PER_ELEMENT;
  const expected = denseByteLength(sizes, itemSize, fail);
  if (raw.length !== expected || sizes.length > 64) {
    throw fail('size-mismatch', `an array of NumPy of ${expected} bytes has ${raw.length}`);
  }
  budget.take(raw.length / 64);
  const rows = columnMajor === true && sizes.length > 1 ? toRowMajor(raw, sizes, itemSize) : raw;
  const { data } = toNumericArray(dtype, sizes, { raw: rows, order: type.order });
  Object.assign(array, { dtype, shape: sizes, data } satisfies NumpyArray);
  return true;
}

/** `_frombuffer(bytes, dtype, shape, order)`, as protocol 5 has arrays. */
export function numpyFromBuffer(args: readonly PickleValue[], tools: Tools): NumpyArray {
  const [content, type, shape, order] = args;
  const array = new NumpyArray();
  if (buildArray(array, [shape ?? null, type ?? null, order === 'F', content ?? null], tools)) return array;
  throw tools.fail('pickle', 'an array of NumPy without bytes, element type or shape');
}

/** Python 2 wrote bytes as texts. */
function bytesOfRaw(content: PickleValue | undefined, budget: PickleBudget): Uint8Array | undefined {
  if (typeof content === 'string') {
    budget.take(content.length / 64);
    return Buffer.from(content, 'latin1');
  }
  return content instanceof Uint8Array ? content : undefined;
}

function objectOf(name: string, args: PickleValue): PickleObject {
  return new PickleObject(name, args);
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
