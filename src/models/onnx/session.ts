// Runs ONNX models with onnxruntime, at once and on Retort's tensors: their bytes are copied once on the way in and once on the way
// out. onnxruntime-node is an optional package; its binding is synchronous, and its public interface is not, so the binding is used.
import { createRequire } from 'node:module';
import { endianness } from 'node:os';

import { describeValue, didYouMean, RetortError } from '../../errors.ts';
import type { DType } from '../../torch/index.ts';
import { engineInfo, Tensor, tensorFromBytes } from '../../torch/index.ts';

/** An input or output of a model. */
export interface OnnxPort {
  readonly name: string;
  /** Undefined for element types that libtorch does not have, and for what is no tensor. */
  readonly dtype: DType | undefined;
  /** A number, or the name of a size that the caller chooses (`''` where it has none). */
  readonly shape: readonly (number | string)[];
}

/** How a model is run. */
export interface OnnxSessionOptions {
  /** Threads of one operator. Default: as many as libtorch's operators use. */
  threads?: number;
  /** Where it is computed. Default `'cpu'`; `'cuda'` needs the binaries of onnxruntime-node for it. */
  device?: 'cpu' | 'cuda';
  /** Whether onnxruntime rewrites the graph for speed. Default true. */
  optimize?: boolean;
}

/** What onnxruntime takes and gives: the same in every version so far. */
interface Value {
  type: string;
  data: ArrayBufferView;
  dims: readonly number[];
  location: string;
}

interface Metadata {
  name: string;
  isTensor: boolean;
  type?: number;
  shape?: number[];
  symbolicDimensions?: string[];
}

interface Binding {
  InferenceSession: new () => NativeSession;
}

interface NativeSession {
  loadModel(path: string, options: object): void;
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  inputMetadata: Metadata[];
  outputMetadata: Metadata[];
  run(feeds: Record<string, Value>, fetches: Record<string, null>, options: object): Record<string, Value>;
  dispose(): void;
}

/** Element types by onnxruntime's numbers, and the arrays that it wants them in. */
const types: readonly (readonly [number, DType, new (buffer: ArrayBuffer) => ArrayBufferView])[] = [
  [1, 'float32', Float32Array],
  [2, 'uint8', Uint8Array],
  [3, 'int8', Int8Array],
  [5, 'int16', Int16Array],
  [6, 'int32', Int32Array],
  [7, 'int64', BigInt64Array],
  [9, 'bool', Uint8Array],
  [10, 'float16', Uint16Array],
  [11, 'float64', Float64Array],
];
const byNumber = new Map(types.map((entry) => [entry[0], entry[1]]));
const arrays = new Map(types.map((entry) => [entry[1], entry[2]]));

const versions = '1.20 or newer';
const install = `npm install onnxruntime-node (${versions})`;

/** Whether models can be run here; {@link openOnnx} says why not. */
export function hasOnnxruntime(): boolean {
  try {
    binding();
    return true;
  } catch {
    return false;
  }
}

/** @throws {RetortError} where models cannot be run here: asked before work of minutes that would need it. */
export function requireOnnxruntime(): void {
  binding();
}

let loaded: Binding | undefined;

function binding(): Binding {
  return (loaded ??= load(createRequire(import.meta.url)));
}

/** @throws {RetortError} `not-found` without onnxruntime-node, `unsupported` for a version whose binding is another. */
export function load(require: (name: string) => unknown): Binding {
  let version: unknown;
  try {
    ({ version } = require('onnxruntime-node/package.json') as { version?: unknown });
  } catch (cause) {
    throw new RetortError('running an ONNX model needs the package onnxruntime-node, which is not installed', {
      code: 'not-found',
      help: install,
      cause,
    });
  }
  let found: { binding?: Partial<Binding>; initOrt?: () => void };
  try {
    found = require('onnxruntime-node/dist/binding.js') as typeof found;
    found.initOrt?.();
  } catch (cause) {
    const why = (cause as { message?: unknown }).message;
    throw new RetortError(`onnxruntime-node ${String(version)} does not load: ${String(why)}`, {
      code: 'unsupported',
      help: install,
      cause,
    });
  }
  if (typeof found.binding?.InferenceSession !== 'function') {
    throw new RetortError(`onnxruntime-node ${String(version)} has no synchronous session where Retort looks for it`, {
      code: 'unsupported',
      help: install,
    });
  }
  return found.binding as Binding;
}

/**
 * A model ready to run; {@link openOnnx} makes it. It holds memory of onnxruntime's until it is disposed, or collected.
 *
 * @example
 * ```ts
 * using session = openOnnx('student.onnx');
 * const { logits } = session.run({ input: images }); // images (N, 3, 32, 32), logits (N, 10)
 * ```
 */
export class OnnxSession implements Disposable {
  /** In the order of the model. */
  readonly inputs: readonly OnnxPort[];
  /** In the order of the model. */
  readonly outputs: readonly OnnxPort[];
  #native: NativeSession | undefined;

  /** @param native a session with its model loaded */
  constructor(native: NativeSession) {
    this.#native = native;
    this.inputs = native.inputMetadata.map(portOf);
    this.outputs = native.outputMetadata.map(portOf);
  }

  /**
   * Runs the model. The results are new CPU tensors, which belong to the scope around.
   * @param feeds a tensor for each input, of its element type; an object by names, or a list in the order of {@link inputs}
   * @param names of the outputs that are wanted. Default: all.
   * @throws {RetortError} for inputs that are missing, unknown, of another element type or shape; `engine` when onnxruntime fails.
   */
  run(
    feeds: Readonly<Record<string, Tensor>> | readonly Tensor[],
    names: readonly string[] = this.outputs.map(({ name }) => name),
  ): Record<string, Tensor> {
    const values = this.#runPrepared(this.#valuesOf(feeds), names);
    return Object.fromEntries(names.map((name) => [name, tensorOf(name, values[name]!)]));
  }

  /**
   * A function that runs the model on inputs which are copied now, and drops what comes out: for measuring.
   * @throws {RetortError} as {@link run}.
   */
  prepared(feeds: Readonly<Record<string, Tensor>> | readonly Tensor[]): () => void {
    const values = this.#valuesOf(feeds);
    const names = this.outputs.map(({ name }) => name);
    return () => void this.#runPrepared(values, names);
  }

  #runPrepared(feeds: Record<string, Value>, names: readonly string[]): Record<string, Value> {
    const native = this.#native;
    if (native === undefined) {
      throw new RetortError('OnnxSession: the session was disposed', {
        code: 'invalid-state',
        help: 'use it before dispose(), or open another',
      });
    }
    const known = this.outputs.map(({ name }) => name);
    for (const name of names) {
      if (!known.includes(name)) {
        throw new RetortError(`OnnxSession.run: no output "${name}"; ${didYouMean(name, known)}`, {
          code: 'unknown-name',
        });
      }
    }
    try {
      return native.run(feeds, Object.fromEntries(names.map((name) => [name, null])), { logSeverityLevel: 4 });
    } catch (cause) {
      throw runtimeError('onnxruntime cannot run the model', cause, 'engine');
    }
  }

  #valuesOf(feeds: Readonly<Record<string, Tensor>> | readonly Tensor[]): Record<string, Value> {
    const { inputs } = this;
    const wanted = inputs.map(({ name }) => name);
    if (typeof feeds !== 'object' || feeds === null || feeds instanceof Tensor) {
      throw new RetortError(`OnnxSession.run: feeds: expected tensors by name, got ${describeValue(feeds)}`, {
        help: `run({ ${wanted.join(', ')} })`,
      });
    }
    const listed = Array.isArray(feeds);
    if (listed && feeds.length !== inputs.length) {
      throw new RetortError(
        `OnnxSession.run: feeds: expected ${inputs.length} (${wanted.join(', ')}), got ${feeds.length}`,
      );
    }
    const given: Readonly<Record<string, Tensor>> = listed
      ? Object.fromEntries((feeds as readonly Tensor[]).map((value, i) => [wanted[i]!, value]))
      : (feeds as Readonly<Record<string, Tensor>>);
    for (const name of Object.keys(given)) {
      if (!wanted.includes(name)) {
        throw new RetortError(`OnnxSession.run: no input "${name}"; ${didYouMean(name, wanted)}`, {
          code: 'unknown-name',
        });
      }
    }
    return Object.fromEntries(inputs.map((port) => [port.name, valueOf(port, given[port.name])]));
  }

  /** Frees what onnxruntime holds at once; again is harmless. */
  dispose(): void {
    this.#native?.dispose();
    this.#native = undefined;
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Makes a model ready to run, synchronously.
 * @param model the path of a file, or the bytes of one
 * @throws {RetortError} `not-found` without onnxruntime-node or the file, `invalid-file` for what onnxruntime cannot load.
 */
export function openOnnx(model: string | Uint8Array, options: OnnxSessionOptions = {}): OnnxSession {
  const { threads = engineInfo().threads, device = 'cpu', optimize = true } = options;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RetortError(`openOnnx: threads: expected an integer of at least 1, got ${describeValue(threads)}`);
  }
  if (typeof model !== 'string' && !(model instanceof Uint8Array)) {
    throw new RetortError(`openOnnx: model: expected a path or bytes, got ${describeValue(model)}`);
  }
  if (endianness() !== 'LE') throw new RetortError('openOnnx: this machine is big-endian', { code: 'unsupported' });
  const native = new (binding().InferenceSession)();
  const settings = {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: optimize ? 'all' : 'disabled',
    logSeverityLevel: 4, // errors are thrown
  };
  try {
    if (typeof model === 'string') native.loadModel(model, settings);
    else native.loadModel(model.buffer, model.byteOffset, model.byteLength, settings);
  } catch (cause) {
    const missing = typeof model === 'string' && /doesn't exist|No such file/i.test(messageOf(cause));
    const what = typeof model === 'string' ? model : 'the model';
    if (missing) throw new RetortError(`cannot read ${what}: there is no such file`, { code: 'not-found', cause });
    throw runtimeError(`onnxruntime cannot load ${what}`, cause, 'invalid-file');
  }
  return new OnnxSession(native);
}

function portOf({ name, isTensor, type, shape = [], symbolicDimensions = [] }: Metadata): OnnxPort {
  return {
    name,
    dtype: isTensor ? byNumber.get(type ?? 0) : undefined,
    shape: shape.map((size, i) => (size >= 0 ? size : (symbolicDimensions[i] ?? ''))),
  };
}

function valueOf({ name, dtype, shape }: OnnxPort, tensor: Tensor | undefined): Value {
  const where = `OnnxSession.run: input "${name}"`;
  if (!(tensor instanceof Tensor)) {
    throw new RetortError(`${where}: expected a tensor, got ${describeValue(tensor)}`);
  }
  if (dtype === undefined) {
    throw new RetortError(`${where}: the model wants what libtorch has no element type for`, { code: 'unsupported' });
  }
  const got = tensor.shape;
  const fits = shape.length === got.length && shape.every((size, i) => typeof size === 'string' || size === got[i]);
  // A model whose input has no dimensions may be one that says nothing of its shape: onnxruntime decides.
  if (tensor.dtype !== dtype || (!fits && shape.length > 0)) {
    const wanted = shape.map((size) => (size === '' ? '?' : size)).join(', ');
    throw new RetortError(`${where}: expected ${dtype}[${wanted}], got ${tensor.dtype}[${got.join(', ')}]`);
  }
  const bytes = tensor.bytes();
  return { type: dtype, data: new (arrays.get(dtype)!)(bytes.buffer as ArrayBuffer), dims: got, location: 'cpu' };
}

function tensorOf(name: string, { type, data, dims }: Value): Tensor {
  if (!arrays.has(type as DType)) {
    throw new RetortError(`OnnxSession.run: output "${name}" is of type ${type}, which libtorch does not have`, {
      code: 'unsupported',
    });
  }
  return tensorFromBytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), type as DType, dims);
}

function messageOf(cause: unknown): string {
  return String((cause as { message?: unknown } | undefined)?.message ?? cause);
}

function runtimeError(what: string, cause: unknown, code: 'engine' | 'invalid-file'): RetortError {
  return new RetortError(`${what}: ${messageOf(cause).trim()}`, { code, cause });
}
