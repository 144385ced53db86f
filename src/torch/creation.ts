// Tensors from JavaScript values: nested arrays, typed arrays, raw bytes.
import { showShape } from '../check.ts';
import { describeValue, didYouMean, RetortError } from '../errors.ts';
import { requireDevice } from './device.ts';
import type { Device, DType } from './dtype.ts';
import { integerRange, itemSize, requireDType } from './dtype.ts';
import { native } from './native.ts';
import { Operator } from './dispatch.ts';
import { selectScope } from './scope.ts';
import { callBufferFor } from './call-buffer.ts';
import type { Nested, TypedArray } from './tensor.ts';
import { Tensor } from './tensor.ts';

/** Options of {@link tensor}. */
export interface TensorOptions {
  /** Default: the nesting of the arrays; one dimension for a typed array. */
  shape?: readonly number[];
  /** Default: float32 for numbers, bool for booleans, int64 for bigints, the element type of a typed array. */
  dtype?: DType;
  /** Where it is put. Default `'cpu'`. */
  device?: Device;
  /** Default false. */
  requiresGrad?: boolean;
}

type Value = number | bigint | boolean;

/**
 * A new tensor with a copy of the values: `tensor([[1, 2], [3, 4]])`, `tensor(2.5)`,
 * `tensor(new Float32Array(6), { shape: [2, 3] })`. Buffers and other subclasses of Uint8Array are bytes.
 *
 * Into integers, fractions are cut off toward zero, as PyTorch does; what the dtype does not hold (300 or -1 into uint8, NaN,
 * infinity, a bigint beyond 64 bits) is refused, where PyTorch refuses what leaves 64 bits and lets the rest wrap around. Floating
 * dtypes round, and become infinite beyond their range. Into bool, all but 0 is true.
 * @throws {RetortError} when the arrays are ragged or hold something else, a value does not fit (it is named with its index), or
 * the shape does not hold the values; and for a device that there is not.
 *
 * @example
 * ```ts
 * const x = tensor([[1, 2], [3, 4]]); // float32 (2, 2)
 * const labels = tensor([3, 1], { dtype: 'int64' });
 * const image = tensor(new Uint8Array(28 * 28), { shape: [1, 28, 28] });
 * ```
 */
export function tensor(
  values: Nested | TypedArray | Uint8ClampedArray | readonly Nested[],
  options: TensorOptions = {},
): Tensor {
  requireOptions(options);
  if (options.dtype !== undefined) requireDType(options.dtype, 'tensor: dtype');
  const { device = 'cpu' } = options;
  if (device !== 'cpu') requireDevice(device, 'tensor: device');
  const source = ArrayBuffer.isView(values) ? fromView(values) : fromNested(values as Nested);
  const shape = options.shape ?? source.shape;
  if (requireShape('tensor', shape) !== source.values.length) {
    throw new RetortError(
      `tensor: shape: ${showShape(shape)} does not hold ${source.values.length} values (of shape ${showShape(source.shape)})`,
    );
  }
  const dtype = options.dtype ?? source.dtype;
  const { stored, data } = converted(source, dtype);
  let made = fromData(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), stored, shape);
  if (dtype !== stored || device !== 'cpu') {
    const given = made;
    made = cast.call([given, { dtype, ...(device === 'cpu' ? {} : { device }) }]) as Tensor;
    given.dispose();
  }
  return options.requiresGrad === true ? made.requiresGrad_() : made;
}

const cast = new Operator('to');

/**
 * A new CPU tensor with a copy of little-endian, row-major bytes.
 * @param bytes a Uint8Array or a subclass of it; for bool, zeros and ones.
 * @throws {RetortError} when their number is not that of the shape, or a byte is no bool.
 */
export function tensorFromBytes(bytes: Uint8Array, dtype: DType, shape: readonly number[]): Tensor {
  requireDType(dtype, 'tensorFromBytes: dtype');
  if (!ArrayBuffer.isView(bytes) || elementType(bytes) !== 'Uint8Array') {
    throw new RetortError(`tensorFromBytes: bytes: expected a Uint8Array, got ${describeValue(bytes)}`, {
      help: 'new Uint8Array(view.buffer, view.byteOffset, view.byteLength) shows the bytes of another view',
    });
  }
  const expected = requireShape('tensorFromBytes', shape) * itemSize(dtype);
  if (bytes.byteLength !== expected) {
    throw new RetortError(
      `tensorFromBytes: bytes: expected ${expected} for ${dtype}${showShape(shape)}, got ${bytes.byteLength}`,
    );
  }
  if (dtype === 'bool') requireBools('tensorFromBytes', bytes);
  return fromData(bytes, dtype, shape);
}

/** Bytes that fit the shape. */
function fromData(bytes: Uint8Array, dtype: DType, shape: readonly number[]): Tensor {
  // Memory shared between threads is copied first: the addon takes plain memory only.
  const own = bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);
  selectScope();
  const buffer = bufferWith(shape);
  native().fromBytes(own, requireDType(dtype, 'dtype'));
  return new Tensor(buffer[0]!);
}

/** libtorch's operators take at most this many dimensions; arrays nested deeper are circular, or a mistake. */
const mostDimensions = 64;

/** A new tensor whose bytes come one piece after the other. */
export interface TensorInPieces {
  /** Its values are whatever lies in memory until all bytes are written. */
  readonly tensor: Tensor;
  /** Bytes that are still missing. */
  readonly missing: number;
  /** The next bytes, little-endian and row-major. @throws {RetortError} where they are too many, or a byte is no bool. */
  write(bytes: Uint8Array): void;
}

/**
 * A new CPU tensor to be filled piece by piece, so that what is read from a file is in memory once.
 *
 * @example
 * ```ts
 * const filling = tensorInPieces('float32', [1000, 1000]);
 * while (filling.missing > 0) filling.write(nextPiece());
 * ```
 */
export function tensorInPieces(dtype: DType, shape: readonly number[]): TensorInPieces {
  requireDType(dtype, 'tensorInPieces: dtype');
  const size = requireShape('tensorInPieces', shape) * itemSize(dtype);
  const made = blank(dtype, shape);
  let written = 0;
  return {
    tensor: made,
    get missing() {
      return size - written;
    },
    write(bytes) {
      if (bytes.length > size - written) {
        throw new RetortError(`tensorInPieces: bytes: expected at most ${size - written} more, got ${bytes.length}`);
      }
      if (dtype === 'bool') requireBools('tensorInPieces', bytes, written);
      native().writeBytes(made.handle, written, bytes);
      written += bytes.length;
    },
  };
}

function blank(dtype: DType, shape: readonly number[]): Tensor {
  selectScope();
  const buffer = bufferWith(shape);
  native().blank(requireDType(dtype, 'dtype'));
  return new Tensor(buffer[0]!);
}

/** The call buffer with a shape in it; the addon leaves the new tensor's handle there. */
function bufferWith(shape: readonly number[]): Float64Array {
  const buffer = callBufferFor(0, shape.length + 1);
  buffer[0] = shape.length;
  shape.forEach((size, i) => (buffer[1 + i] = size));
  return buffer;
}

function requireBools(where: string, bytes: Uint8Array, start = 0): void {
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong < 0) return;
  throw new RetortError(`${where}: bytes[${start + wrong}]: expected 0 or 1 for a bool, got ${bytes[wrong]}`, {
    help: "take them as uint8, and compare: tensorFromBytes(bytes, 'uint8', shape).ne(0)",
  });
}

/** The number of elements of a shape. @throws {RetortError} unless it is a list of sizes. */
function requireShape(where: string, shape: readonly number[]): number {
  if (!Array.isArray(shape)) {
    throw new RetortError(`${where}: shape: expected a list of sizes, got ${describeValue(shape)}`);
  }
  if (shape.length > mostDimensions) {
    throw new RetortError(`${where}: shape: expected at most ${mostDimensions} dimensions, got ${shape.length}`);
  }
  let count = 1;
  for (const [i, size] of (shape as readonly number[]).entries()) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new RetortError(`${where}: shape[${i}]: expected an integer of at least 0, got ${describeValue(size)}`);
    }
    count *= size;
  }
  return count;
}

function requireOptions(options: TensorOptions): void {
  const prototype: unknown =
    typeof options === 'object' && options !== null ? Object.getPrototypeOf(options) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw new RetortError(`tensor: options: expected an object, got ${describeValue(options)}`, {
      help: "options are named: tensor(values, { dtype: 'int64' })",
    });
  }
  const known = ['shape', 'dtype', 'device', 'requiresGrad'];
  for (const key in options) {
    if (!known.includes(key))
      throw new RetortError(`tensor: unknown option "${key}"; ${didYouMean(key, known)}`, { code: 'unknown-option' });
  }
}

interface Source {
  values: TypedArray | readonly Value[];
  /** Of a typed array: its element type. */
  stored?: DType;
  /** The dtype of the tensor where the caller names none. */
  dtype: DType;
  shape: readonly number[];
}

function fromView(view: ArrayBufferView): Source {
  const type = elementType(view);
  const dtype = type === undefined ? undefined : viewTypes.get(type);
  if (dtype === undefined) {
    throw new RetortError(`tensor: a ${type ?? view.constructor.name} cannot become a tensor`, {
      help: `these can: ${[...viewTypes.keys()].join(', ')}, and subclasses of them such as Buffer`,
    });
  }
  const values = view as TypedArray;
  return { values, stored: dtype, dtype, shape: [values.length] };
}

const typeTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

/** `Uint8Array`, for subclasses and arrays of other realms as well; undefined for a DataView. */
function elementType(view: ArrayBufferView): string | undefined {
  return typeTag.call(view) as string | undefined;
}

const viewTypes = new Map<string, DType>([
  ['Float32Array', 'float32'],
  ['Float64Array', 'float64'],
  ['Uint8Array', 'uint8'],
  ['Uint8ClampedArray', 'uint8'],
  ['Int8Array', 'int8'],
  ['Int16Array', 'int16'],
  ['Int32Array', 'int32'],
  ['BigInt64Array', 'int64'],
]);

function fromNested(values: Nested): Source {
  const shape: number[] = [];
  for (let inner: Nested | undefined = values; Array.isArray(inner); inner = inner[0]) {
    if (shape.push(inner.length) > mostDimensions) {
      throw new RetortError(`tensor: values: the arrays are nested deeper than ${mostDimensions} dimensions`, {
        help: 'does an array contain itself?',
      });
    }
  }
  const flat: Value[] = [];
  collect(values, 0, shape, flat);
  const all = (type: string): boolean => flat.length > 0 && flat.every((value) => typeof value === type);
  const dtype = all('boolean') ? 'bool' : all('bigint') ? 'int64' : 'float32';
  return { values: flat, dtype, shape };
}

function collect(value: Nested, depth: number, shape: readonly number[], into: Value[]): void {
  if (depth === shape.length) {
    if (Array.isArray(value)) throw ragged(depth, 'a number', `an array of ${value.length}`);
    if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') {
      const at = valueAt(into.length, shape);
      const isTensor = (value as unknown) instanceof Tensor;
      throw new RetortError(
        `tensor: ${at}: expected a number, bigint or boolean, got ${describeValue(value)}`,
        isTensor ? { help: 'clone() copies a tensor, stack([...]) puts several together' } : {},
      );
    }
    into.push(value);
    return;
  }
  if (!Array.isArray(value)) throw ragged(depth, `an array of ${shape[depth]}`, 'a number');
  if (value.length !== shape[depth]) throw ragged(depth, `an array of ${shape[depth]}`, `one of ${value.length}`);
  for (const item of value) collect(item, depth + 1, shape, into);
}

function ragged(depth: number, expected: string, got: string): RetortError {
  return new RetortError(
    `tensor: values: the nested arrays are ragged: at depth ${depth}, expected ${expected}, got ${got}`,
  );
}

/** `values[1][0]`: where the element of that number stands. */
function valueAt(index: number, shape: readonly number[]): string {
  let rest = index;
  const at = shape.toReversed().map((size) => {
    const here = rest % size;
    rest = Math.floor(rest / size);
    return `[${here}]`;
  });
  return `values${at.toReversed().join('')}`;
}

/** The values as memory of `dtype` or, where JavaScript has no such arrays, of one that libtorch makes it from without loss. */
function converted({ values, stored, shape }: Source, dtype: DType): { data: TypedArray; stored: DType } {
  if (ArrayBuffer.isView(values) && stored === dtype) return { data: values, stored: dtype };
  const range = integerRange(dtype);
  if (range !== undefined) {
    const { low, high, array } = range;
    const data = new array(values.length);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const whole = typeof value === 'number' ? Math.trunc(value) : value === true ? 1 : value === false ? 0 : value;
      // NaN fails both comparisons; a number and a bigint compare exactly.
      if (!(whole >= low && whole <= high)) {
        throw new RetortError(
          `tensor: ${valueAt(i, shape)}: ${value} does not fit ${dtype}, which holds ${low} to ${high}`,
          {
            help: 'name a dtype that holds it (int64, float32), or clamp the values first',
          },
        );
      }
      data[i] = data instanceof BigInt64Array ? BigInt(whole) : Number(whole);
    }
    return { data, stored: dtype };
  }
  if (dtype === 'bool') return { data: Uint8Array.from<Value>(values as ArrayLike<Value>, truth), stored: 'bool' };
  // float16, bfloat16 and complex dtypes are cast by libtorch from float64.
  if (ArrayBuffer.isView(values) && stored !== undefined) return { data: values, stored };
  if (dtype === 'float32') return { data: Float32Array.from(values as ArrayLike<Value>, Number), stored: 'float32' };
  return { data: Float64Array.from(values as ArrayLike<Value>, Number), stored: 'float64' };
}

const truth = (value: Value): number => (Number.isNaN(value) || Boolean(value) ? 1 : 0);
