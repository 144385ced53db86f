// Names of element types, devices, layouts and memory formats, and libtorch's numbers for them.
import type { ComputeDevice } from '../check.ts';
import { describeValue, didYouMean, RetortError } from '../errors.ts';

const dtypeNumbers = {
  uint8: 0,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  float16: 5,
  float32: 6,
  float64: 7,
  complex64: 9,
  complex128: 10,
  bool: 11,
  bfloat16: 15,
} as const;

/** The type of a tensor's elements. */
export type DType = keyof typeof dtypeNumbers;

/** Where a tensor lives: `'cpu'`, `'cuda'`, `'cuda:1'`, `'meta'` (shape without data). */
export type Device = ComputeDevice | 'meta';

const memoryFormats = { contiguous: 0, preserve: 1, channels_last: 2, channels_last_3d: 3 } as const;
/** The order of elements in memory; convolutions on CPU are fastest in `'channels_last'`. */
export type MemoryFormat = keyof typeof memoryFormats;

const layouts = { strided: 0, sparse: 1, sparse_csr: 2 } as const;
/** How a tensor's elements are stored. */
export type Layout = keyof typeof layouts;

const deviceTypes: Readonly<Record<string, number>> = { cpu: 0, cuda: 1, meta: 14 };

const itemSizes: Readonly<Record<DType, number>> = {
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
  complex64: 8,
  complex128: 16,
  bool: 1,
  bfloat16: 2,
};

const dtypeNames = new Map<number, DType>(Object.entries(dtypeNumbers).map(([name, n]) => [n, name as DType]));
const deviceNames = new Map<number, string>(Object.entries(deviceTypes).map(([name, n]) => [n, name]));

function lookup(table: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** libtorch's number of a dtype, or undefined for an unknown name. */
export function dtypeNumber(name: string): number | undefined {
  return lookup(dtypeNumbers, name);
}

/** The same, or an error that names the argument. @throws {RetortError} */
export function requireDType(name: string, argument: string): number {
  const number = dtypeNumber(name);
  if (number !== undefined) return number;
  const known = Object.keys(dtypeNumbers);
  if (typeof name === 'string')
    throw new RetortError(`${argument}: unknown dtype "${name}"; ${didYouMean(name, known)}`, {
      code: 'unknown-name',
    });
  throw new RetortError(`${argument}: expected a dtype, got ${describeValue(name)}; ${didYouMean('', known)}`);
}

export function dtypeName(number: number): DType {
  const name = dtypeNames.get(number);
  if (name === undefined)
    throw new RetortError(`Retort does not support libtorch's element type ${number}`, { code: 'unsupported' });
  return name;
}

/** Bytes of one element. */
export function itemSize(dtype: DType): number {
  return itemSizes[dtype];
}

interface IntegerRange {
  low: bigint;
  high: bigint;
  /** The array that holds such elements. */
  array: new (length: number) => Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array;
}

const integerRanges: Readonly<Partial<Record<DType, IntegerRange>>> = {
  uint8: { low: 0n, high: 255n, array: Uint8Array },
  int8: { low: -128n, high: 127n, array: Int8Array },
  int16: { low: -32_768n, high: 32_767n, array: Int16Array },
  int32: { low: -(2n ** 31n), high: 2n ** 31n - 1n, array: Int32Array },
  int64: { low: -(2n ** 63n), high: 2n ** 63n - 1n, array: BigInt64Array },
};

/** What an integer dtype holds; undefined for the others. */
export function integerRange(dtype: DType): IntegerRange | undefined {
  return integerRanges[dtype];
}

export function memoryFormatNumber(name: string): number | undefined {
  return lookup(memoryFormats, name);
}

export function layoutNumber(name: string): number | undefined {
  return lookup(layouts, name);
}

/** `[type, index]` of a device's name; index -1 means the current one. */
export function deviceNumbers(name: string): [number, number] | undefined {
  const match = /^([a-z]+)(?::(0|[1-9]\d{0,2}))?$/.exec(name);
  const type = match === null ? undefined : lookup(deviceTypes, match[1]!);
  if (type === undefined || (match![2] !== undefined && match![1] !== 'cuda')) return undefined;
  return [type, match![2] === undefined ? -1 : Number(match![2])];
}

export function deviceName(type: number, index: number): Device {
  const name = deviceNames.get(type) ?? `device${type}`;
  return (index < 0 || name === 'cpu' || name === 'meta' ? name : `${name}:${index}`) as Device;
}
