// The tensor: a number that stands for one of libtorch's, its dtype and shape, its values, its gradient, its end.
// Operators are methods too; they are installed by operators.ts and typed by generated/operators.ts.
import { inspect } from 'node:util';

import { showShape } from '../check.ts';
import { describeValue, RetortError } from '../errors.ts';
import type { Device, DType } from './dtype.ts';
import { deviceName, dtypeName, itemSize } from './dtype.ts';
import type { TensorOperators } from './generated/operators.ts';
import { mapLeaves } from './leaves.ts';
import type { Handle } from './native.ts';
import { native } from './native.ts';
import { adopt, keep, selectScope, setOwnedClass, visitTensors } from './scope.ts';
import { callBufferBits, callBufferFor } from './call-buffer.ts';

/** The arrays of JavaScript that hold a tensor's elements. */
export type TypedArray = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Int32Array | BigInt64Array;

/** A number or boolean, or arrays of them, as deep as the tensor has dimensions. */
export type Nested = number | bigint | boolean | Nested[];

/** What a hook may be taken off with: `remove()`, or `using`. */
export interface HookHandle extends Disposable {
  remove(): void;
}

interface TensorInfo {
  shape: number[];
  dtype: DType;
  device: Device;
  requiresGrad: boolean;
  isLeaf: boolean;
  isContiguous: boolean;
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- operators are added to the prototype by operators.ts
export interface Tensor extends TensorOperators {}

/**
 * An n-dimensional array of one dtype on one device, with its place in the autograd graph.
 * Made by {@link tensor}, by operators, and by modules; never by `new`.
 */
export class Tensor implements Disposable {
  /** The addon's number for it; 0 after {@link dispose}. */
  handle: Handle;
  /** Keeps the tensor alive outside scopes; see scope.ts. */
  box: object | undefined = undefined;

  /** For Retort's own use: wraps a handle the addon has just made. */
  constructor(handle: Handle) {
    this.handle = handle;
    adopt(this);
  }

  /** Sizes, outermost first; `[]` for a scalar. */
  get shape(): number[] {
    return infoOf(this).shape;
  }
  get dtype(): DType {
    return infoOf(this).dtype;
  }
  get device(): Device {
    return infoOf(this).device;
  }
  /** How many dimensions. */
  get ndim(): number {
    return this.shape.length;
  }
  /** How many elements. */
  get numel(): number {
    return elements(this.shape);
  }
  get requiresGrad(): boolean {
    return infoOf(this).requiresGrad;
  }
  /** Whether the tensor is a leaf of the graph: made by the user, not by an operator on tensors that require gradients. */
  get isLeaf(): boolean {
    return infoOf(this).isLeaf;
  }
  get isContiguous(): boolean {
    return infoOf(this).isContiguous;
  }
  /** Whether it was disposed, or freed with its scope. */
  get isDisposed(): boolean {
    return !native().isLive(this.handle);
  }

  /** The gradient that `backward` accumulated (same shape), or null. */
  get grad(): Tensor | null {
    selectScope();
    const handle = native().gradOf(liveHandle(this));
    return handle === 0 ? null : new Tensor(handle);
  }
  /** Takes a gradient of the tensor's shape, dtype and device, as PyTorch does; null for none. @throws {RetortError} for others. */
  set grad(value: Tensor | null) {
    const handle = liveHandle(this);
    if (value !== null) requireLike('grad', this, value);
    native().setGrad(handle, value === null ? 0 : liveHandle(value));
  }

  /**
   * Turns the recording of operations on or off. Returns the tensor itself.
   * @throws {RetortError} for integers and booleans, and when it is to be turned off for a tensor that an operator made.
   */
  requiresGrad_(value = true): this {
    if (!value && !this.isLeaf) {
      throw new RetortError(
        'requiresGrad_: the result of an operator on tensors that require gradients requires one too',
        {
          help: 'use detach(), or compute it inside noGrad()',
        },
      );
    }
    native().setRequiresGrad(liveHandle(this), value);
    return this;
  }

  /** Asks autograd to keep the gradient of a tensor that is not a leaf. */
  retainGrad(): this {
    native().retainGrad(liveHandle(this));
    return this;
  }

  /**
   * Calls `hook` with the gradient as soon as `backward` has computed it; a tensor it returns (same shape and dtype) takes its
   * place. Also of a CUDA tensor, whose gradient another thread computes: the hook runs on this one. The hook, and what its function holds on to, lives until it is removed or the graph is gone: remove
   * one whose function refers to the tensor itself.
   * @throws {RetortError} from `backward`, when the hook returns anything but a tensor, null or undefined.
   */
  registerHook(hook: (gradient: Tensor) => Tensor | null | void): HookHandle {
    const handle = liveHandle(this);
    if (typeof hook !== 'function') {
      throw new RetortError(`registerHook: hook: expected a function, got ${describeValue(hook)}`);
    }
    let active: typeof hook | undefined = hook;
    const position = native().registerHook(handle, (gradient) => {
      const given = new Tensor(gradient);
      if (active !== undefined) return replacement(active(given));
      given.dispose();
      return 0;
    });
    const remove = (): void => {
      active = undefined; // also where the tensor itself is gone and only the graph still has the hook
      native().removeHook(handle, position);
    };
    return { remove, [Symbol.dispose]: remove };
  }

  /** A copy of the elements in row-major order; float16 and bfloat16 come as Float32Array, bool as 0 and 1. */
  data(): TypedArray {
    const { dtype } = infoOf(this);
    if (dtype !== 'float16' && dtype !== 'bfloat16') return typedArrayOf(dtype, this.bytes().buffer as ArrayBuffer);
    const wide = this.to('float32');
    try {
      return wide.data();
    } finally {
      wide.dispose();
    }
  }

  /** The elements as bytes (little-endian, row-major). */
  bytes(): Uint8Array {
    const { shape, dtype } = infoOf(this);
    const length = elements(shape) * itemSize(dtype);
    let buffer: ArrayBuffer;
    try {
      buffer = new ArrayBuffer(length);
    } catch (cause) {
      throw new RetortError(
        `${dtype}${showShape(shape)} takes ${length} bytes, more than one JavaScript buffer can hold`,
        {
          code: 'out-of-memory',
          help: 'read a part of it: narrow, select, or a reduction first',
          cause,
        },
      );
    }
    native().toBytes(liveHandle(this), buffer);
    return new Uint8Array(buffer);
  }

  /**
   * The elements as nested arrays; a number (or boolean) for a scalar. Integers beyond 2^53 come as bigint.
   * @throws {RetortError} where that takes more than 33 million arrays.
   */
  toArray(): Nested {
    const { shape, dtype } = infoOf(this);
    if (arrays(shape) > mostArrays) {
      throw new RetortError(
        `toArray: ${dtype}${showShape(shape)} takes ${arrays(shape)} arrays, more than ${mostArrays}`,
        {
          help: 'read data() and the shape, or a part of it',
        },
      );
    }
    const read = (value: number | bigint): number | bigint | boolean => {
      if (dtype === 'bool') return value !== 0;
      return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
    };
    let level: Nested[] = Array.from<number | bigint, Nested>(this.data(), read);
    // From the innermost dimension outwards, the items of each array are put together.
    for (let i = shape.length - 1; i > 0; i--) {
      const size = shape[i]!;
      const inner = level;
      level = Array.from({ length: elements(shape.slice(0, i)) }, (_, j) => inner.slice(j * size, (j + 1) * size));
    }
    return shape.length === 0 ? level[0]! : level;
  }

  /**
   * The value of a tensor with one element: a number (0 or 1 for bool, see `toArray`); integers beyond 2^53 are rounded.
   * @throws {RetortError} when it has more elements.
   */
  item(): number {
    const buffer = callBufferFor(0, 2);
    const handle = liveHandle(this);
    if (this.numel !== 1) {
      throw new RetortError(`item: expected a tensor with one element, got shape ${showShape(this.shape)}`, {
        help: 'reduce it first (mean, sum), or read all of it with toArray() or data()',
      });
    }
    native().item(handle);
    return buffer[0] === 3 ? Number(callBufferBits()[1]) : buffer[1]!;
  }

  /** Frees the tensor at once; again is harmless. Views of it stay valid. */
  dispose(): void {
    if (this.handle !== 0) native().dispose(this.handle);
    this.handle = 0;
    this.box = undefined;
  }
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Takes the tensor out of its scope: it lives until disposed or collected. @throws {RetortError} when it is freed already. */
  keep(): this {
    infoOf(this);
    return keep(this);
  }

  /** `Tensor float32[2, 3] [[1, 2, 3], [4, 5, 6]]`, long ones shortened. */
  toString(): string {
    if (this.isDisposed) return 'Tensor (disposed)';
    const { shape, dtype, device, requiresGrad } = infoOf(this);
    const where = device === 'cpu' ? '' : ` on ${device}`;
    const head = `Tensor ${dtype}${showShape(shape)}${where}${requiresGrad ? ' requiresGrad' : ''}`;
    if (device === 'meta' || elements(shape) > 1000 || arrays(shape) > 1000) return head;
    let values: Nested;
    try {
      values = this.toArray();
    } catch {
      return head; // sparse ones, whose values cannot be read
    }
    return `${head} ${inspect(values, { depth: 8, maxArrayLength: 12, breakLength: 120 })}`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}
setOwnedClass(Tensor);

/** The handle of a tensor that is alive. @throws {RetortError} after `dispose`, and for what is not a tensor. */
export function liveHandle(tensor: Tensor): Handle {
  if (!(tensor instanceof Tensor)) throw new RetortError(`expected a tensor, got ${describeValue(tensor)}`);
  if (tensor.handle === 0) throw disposedError();
  return tensor.handle;
}

export function disposedError(): RetortError {
  return new RetortError('this tensor was disposed', {
    code: 'invalid-state',
    help: 'use it before dispose(), or work on a clone()',
  });
}

/** What takes the gradient's place: 0 for nothing. @throws {RetortError} for what is neither. */
function replacement(result: unknown): Handle {
  if (result === undefined || result === null) return 0;
  if (result instanceof Tensor) return liveHandle(result);
  if (result instanceof Promise) result.catch(() => {}); // its failure is not the error to report
  throw new RetortError(`registerHook: expected the hook to return a tensor or nothing, got ${describeValue(result)}`, {
    help: 'a hook runs while backward waits: make it synchronous, and put braces around a body that is not the gradient',
  });
}

/** @throws {RetortError} unless `value` is another tensor of the same shape, dtype and device. */
function requireLike(what: string, tensor: Tensor, value: Tensor): void {
  liveHandle(value);
  if (value === tensor) throw new RetortError(`${what}: a tensor cannot be its own gradient`, { help: 'use clone()' });
  const kind = (one: TensorInfo): string => `${one.dtype}${showShape(one.shape)} on ${one.device}`;
  const [wanted, got] = [kind(infoOf(tensor)), kind(infoOf(value))];
  if (wanted === got) return;
  throw new RetortError(`${what}: expected ${wanted}, like the tensor itself, got ${got}`, {
    help: 'reshape it, or convert it with to(...)',
  });
}

/** How many elements a shape has. */
function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** How many arrays the nested arrays of a shape are: [3, 0] is 1 that holds 3. */
function arrays(shape: readonly number[]): number {
  let count = 1;
  let all = 0;
  for (const size of shape) {
    all += count;
    count *= size;
  }
  return all;
}

/** Nested arrays of more than these would not fit into memory. */
const mostArrays = 2 ** 25;

function infoOf(tensor: Tensor): TensorInfo {
  native().describeTensor(liveHandle(tensor));
  const buffer = callBufferFor(0, 0); // it may have grown
  return {
    dtype: dtypeName(buffer[0]!),
    device: deviceName(buffer[1]!, buffer[2]!),
    requiresGrad: buffer[3] === 1,
    isLeaf: buffer[4] === 1,
    isContiguous: buffer[5] === 1,
    shape: Array.from(buffer.subarray(7, 7 + buffer[6]!)),
  };
}

function typedArrayOf(dtype: DType, buffer: ArrayBuffer): TypedArray {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return new Float32Array(buffer);
    case 'float64':
    case 'complex128':
      return new Float64Array(buffer);
    case 'int64':
      return new BigInt64Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'int16':
      return new Int16Array(buffer);
    case 'int8':
      return new Int8Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

/** A new handle to the memory of a tensor, outside the graph: for classes that extend Tensor. */
export function detachedHandle(tensor: Tensor): Handle {
  selectScope();
  return native().detach(liveHandle(tensor));
}

/**
 * Makes `target` take over the memory, shape, dtype and device of `source`, staying the same tensor (and the same leaf); hooks on it do
 * not follow to `'meta'` or back.
 * @throws {RetortError} when `target` has a gradient that would no longer fit, or libtorch cannot (a sparse tensor, integers where a
 * gradient is required).
 */
export function setData(target: Tensor, source: Tensor): void {
  const [handle, other] = [liveHandle(target), liveHandle(source)];
  selectScope();
  const gradient = native().gradOf(handle);
  if (gradient !== 0) {
    const held = new Tensor(gradient);
    try {
      requireLike('setData: the gradient of the target is kept, so the source', held, source);
    } finally {
      held.dispose();
    }
  }
  native().setData(handle, other);
}

/** The same value with every tensor in it outside the graph; structures are those of {@link tensorsIn}. */
export function detached(value: unknown): unknown {
  return mapLeaves(value, (leaf) => (leaf instanceof Tensor && leaf.requiresGrad ? leaf.detach() : leaf));
}

/** Every tensor in a value: itself, or in arrays, plain objects, maps and sets. */
export function tensorsIn(value: unknown): Tensor[] {
  const found: Tensor[] = [];
  visitTensors(value, (owned) => found.push(owned as Tensor));
  return found;
}
