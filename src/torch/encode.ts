// Writes the arguments of one call as tagged numbers.
//
// Reading a value may run a user's code: a getter among the options, a proxy, an element of an array. That code may call
// operators itself. So what is read is gathered in memory of the call's own, and copied to the call buffer when all is there.
import { deviceMistake } from '../check.ts';
import { describeValue } from '../errors.ts';
import { isCuda, requireDevice } from './device.ts';
import type { Device } from './dtype.ts';
import { deviceNumbers, dtypeNumber, layoutNumber, memoryFormatNumber } from './dtype.ts';
import type { NativeArgument } from './native.ts';
import { Generator } from './random.ts';
import { Tag, callBufferFor, textNumber } from './call-buffer.ts';
import { disposedError, Tensor } from './tensor.ts';

/** How an argument travels; the same numbers as in native/operators.h. */
export const Kind = {
  Tensor: 0,
  Int: 1,
  Float: 2,
  Bool: 3,
  Scalar: 4,
  String: 5,
  DType: 6,
  Layout: 7,
  MemoryFormat: 8,
  Device: 9,
  Generator: 10,
  IntList: 11,
  FloatList: 12,
  BoolList: 13,
  TensorList: 14,
  OptionalTensorList: 15,
  ScalarList: 16,
  Unsupported: 17,
} as const;

export interface Argument extends NativeArgument {
  /** The name in camelCase, as options spell it. */
  key: string;
}

/** A value of the right kind that the argument cannot take: `dim: ...`. */
interface Refusal {
  key: string;
  reason: string;
}

const below = -(2 ** 63);
const above = 2 ** 63;

function fitsInt64(value: number | bigint): boolean {
  return value >= below && value < above;
}

const outside = (value: number | bigint): string =>
  `expected an integer from -2^63 to 2^63 - 1 (int64), got ${describeValue(value)}`;

/** The arguments of one call, while they are gathered. */
export class Call {
  /** Why a value was refused that was of the right kind; the first such reason. */
  refusal: Refusal | undefined;
  private numbers = new Float64Array(256);
  private length = 0;

  /** Begins the arguments of an overload. */
  start(id: number): void {
    this.numbers[0] = id;
    this.length = 1;
  }

  /** Adds one value; false when it does not fit the argument. Undefined takes the default. */
  add(spec: Argument, value: unknown): boolean {
    if (value === undefined) {
      if (spec.hasDefault) this.put(Tag.Default);
      else if (spec.optional) this.put(Tag.None);
      else return false;
      return true;
    }
    if (spec.kind === Kind.Tensor && value instanceof Tensor) {
      const { handle } = value;
      if (handle === 0) throw disposedError();
      this.tagged(Tag.Handle, handle);
      return true;
    }
    if (value === null) {
      if (spec.optional) this.put(Tag.None);
      return spec.optional;
    }
    return this.addValue(spec, value);
  }

  /** Puts all on the call buffer. Nothing may come between this and the call. */
  commit(): void {
    const { numbers, length } = this;
    const buffer = callBufferFor(0, length);
    for (let i = 0; i < length; i++) buffer[i] = numbers[i]!;
  }

  private addValue(spec: Argument, value: unknown): boolean {
    switch (spec.kind) {
      case Kind.Int:
      case Kind.Float:
      case Kind.Scalar:
        return this.addNumber(spec, spec.kind, value);
      case Kind.Bool:
        return typeof value === 'boolean' && this.tagged(Tag.Boolean, Number(value));
      case Kind.String:
        return typeof value === 'string' && this.tagged(Tag.Text, textNumber(value));
      case Kind.DType:
        return this.addName(dtypeNumber, value);
      case Kind.Layout:
        return this.addName(layoutNumber, value);
      case Kind.MemoryFormat:
        return this.addName(memoryFormatNumber, value);
      case Kind.Device: {
        const device = typeof value === 'string' ? deviceNumbers(value) : undefined;
        if (device === undefined) return this.refuseDevice(spec, value);
        if (isCuda(value as Device)) requireDevice(value, spec.key);
        this.tagged(Tag.Device, device[0]);
        this.put(device[1]);
        return true;
      }
      case Kind.Generator:
        return value instanceof Generator && this.tagged(Tag.Generator, value.index);
      case Kind.IntList:
        return this.addIntegers(spec, value);
      case Kind.FloatList:
        return this.addList(spec, Tag.Numbers, value, (item) => this.addFloat(spec, item));
      case Kind.ScalarList:
        return this.addList(spec, Tag.Scalars, value, (item) => this.addNumber(spec, Kind.Scalar, item));
      case Kind.BoolList:
        return this.addList(spec, Tag.Booleans, value, (item) => typeof item === 'boolean' && this.put(Number(item)));
      case Kind.TensorList:
        return this.addList(spec, Tag.Handles, value, (item) => this.addHandle(item));
      case Kind.OptionalTensorList:
        return this.addList(spec, Tag.Handles, value, (item) =>
          item === null || item === undefined ? this.put(0) : this.addHandle(item),
        );
      default:
        return false;
    }
  }

  private addNumber(spec: Argument, kind: number, value: unknown): boolean {
    if (kind === Kind.Float) {
      this.put(Tag.Double);
      return this.addFloat(spec, value);
    }
    if (typeof value === 'number') {
      const whole = Number.isInteger(value);
      if (whole && fitsInt64(value)) return this.tagged(Tag.Integer, value);
      if (kind === Kind.Scalar) return this.tagged(Tag.Double, value);
      return whole && this.refuse(spec, outside(value));
    }
    if (typeof value === 'bigint') return this.addBigint(spec, value, true);
    return typeof value === 'boolean' && kind === Kind.Scalar && this.tagged(Tag.Boolean, Number(value));
  }

  private addBigint(spec: Argument, value: bigint, tag: boolean): boolean {
    if (!fitsInt64(value)) return this.refuse(spec, outside(value));
    if (tag) this.put(Tag.Halves);
    this.put(Number(value >> 32n));
    return this.put(Number(value & 0xff_ff_ff_ffn));
  }

  private addFloat(spec: Argument, value: unknown): boolean {
    if (typeof value === 'number') return this.put(value);
    if (typeof value !== 'bigint') return false;
    const float = Number(value);
    return Number.isFinite(float)
      ? this.put(float)
      : this.refuse(spec, 'expected a number within float64, got a larger bigint');
  }

  private addHandle(item: unknown): boolean {
    if (!(item instanceof Tensor)) return false;
    const { handle } = item;
    if (handle === 0) throw disposedError();
    return this.put(handle);
  }

  private addName(numberOf: (name: string) => number | undefined, value: unknown): boolean {
    const number = typeof value === 'string' ? numberOf(value) : undefined;
    return number !== undefined && this.tagged(Tag.Integer, number);
  }

  private addIntegers(spec: Argument, value: unknown): boolean {
    const start = this.length;
    let long = false; // an integer that no double holds: all of them then travel in halves
    const add = (item: unknown): boolean => {
      if (typeof item === 'bigint') {
        if (long) return this.addBigint(spec, item, false);
        long = !Number.isSafeInteger(Number(item));
        return long ? fitsInt64(item) || this.refuse(spec, outside(item)) : this.put(Number(item));
      }
      if (typeof item !== 'number' || !Number.isInteger(item)) return false;
      if (!fitsInt64(item)) return this.refuse(spec, outside(item));
      return long ? this.addBigint(spec, BigInt(item), false) : this.put(item);
    };
    const added = this.addList(spec, Tag.Numbers, value, add);
    if (!long || !added) return added;
    this.length = start;
    return this.addList(spec, Tag.Longs, value, add);
  }

  /**
   * A list, each element read once. Where the schema says `int[2]`, a number stands for all, also alone in a list, and other
   * lengths are refused: kernels read two numbers without looking.
   */
  private addList(spec: Argument, tag: number, value: unknown, add: (item: unknown) => boolean): boolean {
    const { size } = spec;
    const repeats = size > 0 && spec.kind === Kind.IntList;
    const listed = Array.isArray(value);
    if (!listed && !repeats) return false;
    const count = listed ? value.length : 1;
    this.tagged(tag, count);
    const start = this.length;
    for (let i = 0; i < count; i++) if (!add(listed ? value[i] : value)) return false;
    if (size < 2 || count === size || (count === 0 && spec.maybeEmpty)) return true;
    if (count !== 1 || !repeats) {
      const orOne = repeats ? ', or one number for all' : '';
      return this.refuse(spec, `expected a list of ${size}${orOne}, got a list of ${count}`);
    }
    this.numbers[start - 1] = size;
    const end = this.length;
    for (let i = 1; i < size; i++) for (let j = start; j < end; j++) this.put(this.numbers[j]!);
    return true;
  }

  private tagged(tag: number, value: number): true {
    this.put(tag);
    return this.put(value);
  }

  private put(value: number): true {
    if (this.length === this.numbers.length) {
      const grown = new Float64Array(2 * this.length);
      grown.set(this.numbers);
      this.numbers = grown;
      // Now, while the arguments are held: a collection between the last of them and the call could free one.
      callBufferFor(0, grown.length);
    }
    this.numbers[this.length++] = value;
    return true;
  }

  /** Another string may be meant for another argument, such as the dtype of `to`. */
  private refuseDevice(spec: Argument, value: unknown): false {
    return typeof value === 'string' && /^(gpu|cuda|cpu|meta|mps|xpu|hip|nvidia)/i.test(value)
      ? this.refuse(spec, deviceMistake(value, ['cpu', 'cuda', 'meta'])!)
      : false;
  }

  private refuse(spec: Argument, reason: string): false {
    this.refusal ??= { key: spec.key, reason };
    return false;
  }
}
