// Tensors from JavaScript values: nested arrays, typed arrays, raw bytes.
import { RetortError } from '../errors.ts';
import type { DType } from './dtype.ts';
import { itemSize, requireDType } from './dtype.ts';
import { native } from './native.ts';
import { Operator } from './dispatch.ts';
import { selectScope } from './scope.ts';
import { tapeFor } from './tape.ts';
import type { Nested, TypedArray } from './tensor.ts';
import { Tensor } from './tensor.ts';

export interface TensorOptions {
  /** Default: the nesting of the arrays; one dimension for a typed array. */
  shape?: readonly number[];
  /** Default: float32 for numbers, bool for booleans, int64 for bigints, the element type of a typed array. */
  dtype?: DType;
  /** Default false. */
  requiresGrad?: boolean;
}

/**
 * A new tensor with a copy of the values: `tensor([[1, 2], [3, 4]])`, `tensor(2.5)`,
 * `tensor(new Float32Array(6), { shape: [2, 3] })`.
 * @throws {RetortError} when the arrays are ragged or empty of meaning, or the shape does not hold the values.
 */
export function tensor(values: Nested | TypedArray | readonly Nested[], options: TensorOptions = {}): Tensor {
  const source = ArrayBuffer.isView(values) ? fromView(values) : fromNested(values as Nested);
  const shape = options.shape ?? source.shape;
  const count = shape.reduce((product, size) => product * size, 1);
  if (shape.some((size) => !Number.isInteger(size) || size < 0) || count !== source.data.length) {
    throw new RetortError(
      `tensor: shape [${shape.join(', ')}] does not hold ${source.data.length} values (of shape [${source.shape.join(', ')}])`,
    );
  }
  const view = source.data;
  let made = tensorFromBytes(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), source.dtype, shape);
  const dtype = options.dtype ?? source.wanted;
  if (dtype !== source.dtype) {
    requireDType(dtype, 'tensor: dtype');
    const given = made;
    made = cast.call([given, dtype]) as Tensor;
    given.dispose();
  }
  return options.requiresGrad === true ? made.requiresGrad_() : made;
}

const cast = new Operator('to');

/**
 * A new CPU tensor with a copy of little-endian, row-major bytes.
 * @throws {RetortError} when their number is not that of the shape.
 */
export function tensorFromBytes(bytes: Uint8Array, dtype: DType, shape: readonly number[]): Tensor {
  const expected = shape.reduce((product, size) => product * size, 1) * itemSize(dtype);
  if (bytes.byteLength !== expected) {
    throw new RetortError(
      `tensorFromBytes: ${dtype}[${shape.join(', ')}] takes ${expected} bytes, got ${bytes.byteLength}`,
    );
  }
  selectScope();
  const tape = tapeFor(0, shape.length + 1);
  tape[0] = shape.length;
  shape.forEach((size, i) => (tape[1 + i] = size));
  native().fromBytes(bytes, requireDType(dtype, 'tensorFromBytes: dtype'));
  return new Tensor(tape[0]);
}

interface Source {
  data: TypedArray;
  /** The element type of `data`. Numbers are collected in float64, so that any dtype asked for gets them unrounded. */
  dtype: DType;
  /** The dtype of the tensor where the caller names none. */
  wanted: DType;
  shape: number[];
}

function fromView(view: ArrayBufferView): Source {
  const dtype = viewTypes.get(view.constructor);
  if (dtype === undefined) {
    throw new RetortError(`tensor: a ${view.constructor.name} cannot become a tensor`, {
      help: `these can: ${[...viewTypes.keys()].map((type) => (type as { name: string }).name).join(', ')}`,
    });
  }
  const data = view as TypedArray;
  return { data, dtype, wanted: dtype, shape: [data.length] };
}

const viewTypes = new Map<unknown, DType>([
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Uint8Array, 'uint8'],
  [Uint8ClampedArray, 'uint8'],
  [Int8Array, 'int8'],
  [Int16Array, 'int16'],
  [Int32Array, 'int32'],
  [BigInt64Array, 'int64'],
]);

function fromNested(values: Nested): Source {
  const shape: number[] = [];
  for (let inner: Nested | undefined = values; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  const flat: (number | bigint | boolean)[] = [];
  collect(values, 0, shape, flat);
  if (flat.every((value) => typeof value === 'boolean') && flat.length > 0) {
    return { data: Uint8Array.from(flat, Number), dtype: 'bool', wanted: 'bool', shape };
  }
  if (flat.every((value) => typeof value === 'bigint') && flat.length > 0) {
    return { data: BigInt64Array.from(flat), dtype: 'int64', wanted: 'int64', shape };
  }
  return { data: Float64Array.from(flat, Number), dtype: 'float64', wanted: 'float32', shape };
}

function collect(value: Nested, depth: number, shape: readonly number[], into: (number | bigint | boolean)[]): void {
  if (depth === shape.length) {
    if (Array.isArray(value)) throw ragged(depth, 'a number', `an array of ${value.length}`);
    if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') {
      throw new RetortError(`tensor: a number, bigint or boolean was expected, got ${String(value)}`);
    }
    into.push(value);
    return;
  }
  if (!Array.isArray(value)) throw ragged(depth, `an array of ${shape[depth]}`, 'a number');
  if (value.length !== shape[depth]) throw ragged(depth, `an array of ${shape[depth]}`, `one of ${value.length}`);
  for (const item of value) collect(item, depth + 1, shape, into);
}

function ragged(depth: number, expected: string, came: string): RetortError {
  return new RetortError(
    `tensor: the nested arrays are ragged: at depth ${depth}, ${expected} was expected, got ${came}`,
  );
}
