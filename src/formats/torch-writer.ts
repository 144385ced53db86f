// Writes state dicts as PyTorch does since 1.6: a zip archive with a pickle of protocol 2 that `torch.load(path, weights_only=True)` reads.
// Data are aligned to 64 bytes, so that PyTorch can map the file (`mmap=True`).

import { showShape } from '../check.ts';
import type { FileContent } from './atomic-file.ts';
import { failFor } from './format-error.ts';
import { denseByteLength } from './shape.ts';
import { torchItemSize } from './torch-tensor.ts';
import { serializeZip, type ZipContent } from './zip-writer.ts';

/** A tensor to be written. */
export interface TorchRecord {
  /** As PyTorch calls it: `float32`, `bfloat16`, ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * Little-endian and row-major. Records with the same array, or the same function that gives it when its turn comes, share one storage, as
   * tied weights do.
   */
  readonly data: Uint8Array | (() => Uint8Array);
}

/** Options of {@link serializeTorch}. */
export interface SerializeTorchOptions {
  /** With it the file is `{ state_dict, meta }`, as mmengine has it; without it a bare state dict. */
  meta?: Readonly<Record<string, string>> | undefined;
}

const storageClasses: Readonly<Record<string, string>> = {
  bool: 'BoolStorage',
  uint8: 'ByteStorage',
  int8: 'CharStorage',
  int16: 'ShortStorage',
  int32: 'IntStorage',
  int64: 'LongStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
  float32: 'FloatStorage',
  float64: 'DoubleStorage',
  complex64: 'ComplexFloatStorage',
  complex128: 'ComplexDoubleStorage',
};

/**
 * The bytes of a `.pth` file as pieces to be written one after the other (`writeFileAtomic` takes them as they are). The same state gives
 * the same bytes.
 *
 * @throws FormatError `dtype` for a type that PyTorch has no typed storage for, `size-mismatch` where data do not fit their shape.
 *
 * @example
 * ```ts
 * const data = new Uint8Array(new Float32Array([1, 2, 3]).buffer);
 * await writeFileAtomic('model.pth', serializeTorch(new Map([['weight', { dtype: 'float32', shape: [3], data }]])));
 * ```
 */
export function serializeTorch(
  state: ReadonlyMap<string, TorchRecord>,
  { meta }: SerializeTorchOptions = {},
): FileContent {
  const keys = new Map<TorchRecord['data'], string>();
  const records = new Map<string, TorchRecord>();
  const pickle = new PickleWriter();
  if (meta !== undefined) {
    pickle.emptyDict().mark().text('meta').emptyDict().mark();
    for (const [key, value] of Object.entries(meta)) pickle.text(key).text(value);
    pickle.setItems().text('state_dict');
  }
  pickle.global('collections', 'OrderedDict').emptyTuple().reduce().mark();
  for (const [name, record] of state) {
    const { dtype, shape, data } = record;
    const fail = failFor('pth', { tensor: name });
    const storage = Object.hasOwn(storageClasses, dtype) ? storageClasses[dtype] : undefined;
    if (storage === undefined) throw fail('dtype', `${dtype} is none of ${Object.keys(storageClasses).join(', ')}`);
    const bytes = sizeOf(record, name);
    const key = keys.get(data) ?? String(keys.size);
    const first = records.get(key);
    if (first !== undefined && (first.dtype !== dtype || sizeOf(first, name) !== bytes)) {
      throw fail('size-mismatch', 'it shares its data with a tensor of another element type or size');
    }
    keys.set(data, key);
    records.set(key, record);
    const count = bytes / torchItemSize(dtype)!;
    pickle.text(name).global('torch._utils', '_rebuild_tensor_v2').mark();
    pickle.mark().text('storage').global('torch', storage).text(key).text('cpu').integer(count).tuple().persistent();
    pickle.integer(0).mark();
    for (const size of shape) pickle.integer(size);
    pickle.tuple().mark();
    for (const stride of stridesOf(shape)) pickle.integer(stride);
    pickle.tuple().false().global('collections', 'OrderedDict').emptyTuple().reduce().tuple().reduce();
  }
  pickle.setItems();
  if (meta !== undefined) pickle.setItems();
  return serializeZip(contentsOf(pickle.end(), records));
}

function* contentsOf(pickle: Uint8Array, records: ReadonlyMap<string, TorchRecord>): Generator<ZipContent> {
  yield { name: 'archive/data.pkl', pieces: [pickle] };
  yield { name: 'archive/byteorder', pieces: [Buffer.from('little')] };
  for (const [key, record] of records) {
    const { data } = record;
    const bytes = typeof data === 'function' ? data() : data;
    if (bytes.length !== sizeOf(record, key)) throw mismatch(record, key, bytes.length);
    yield { name: `archive/data/${key}`, pieces: [bytes] };
  }
  yield { name: 'archive/version', pieces: [Buffer.from('3\n')] };
}

/** In bytes. @throws FormatError when the data are there and do not fit. */
function sizeOf(record: TorchRecord, name: string): number {
  const { dtype, shape, data } = record;
  const bytes = denseByteLength(shape, torchItemSize(dtype)!, failFor('pth', { tensor: name }));
  if (typeof data !== 'function' && data.length !== bytes) throw mismatch(record, name, data.length);
  return bytes;
}

function mismatch({ dtype, shape }: TorchRecord, tensor: string, length: number): Error {
  return failFor('pth', { tensor })(
    'size-mismatch',
    `${length} bytes are not those of ${dtype} of shape ${showShape(shape)}`,
  );
}

function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = [];
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides.unshift(stride);
    stride *= Math.max(shape[axis]!, 1);
  }
  return strides;
}

/** Opcodes of protocol 2, one method each. */
class PickleWriter {
  readonly #pieces: Uint8Array[] = [Buffer.from([0x80, 2])];

  #add(...bytes: (number | Uint8Array)[]): this {
    for (const one of bytes) this.#pieces.push(typeof one === 'number' ? Buffer.from([one]) : one);
    return this;
  }

  emptyDict(): this {
    return this.#add(0x7d);
  }

  mark(): this {
    return this.#add(0x28);
  }

  setItems(): this {
    return this.#add(0x75);
  }

  emptyTuple(): this {
    return this.#add(0x29);
  }

  tuple(): this {
    return this.#add(0x74);
  }

  reduce(): this {
    return this.#add(0x52);
  }

  persistent(): this {
    return this.#add(0x51);
  }

  false(): this {
    return this.#add(0x89);
  }

  global(module: string, name: string): this {
    return this.#add(Buffer.from(`c${module}\n${name}\n`));
  }

  text(text: string): this {
    const bytes = Buffer.from(text);
    const head = Buffer.alloc(5);
    head[0] = 0x58;
    head.writeUInt32LE(bytes.length, 1);
    return this.#add(head, bytes);
  }

  integer(value: number): this {
    if (value < 2 ** 31) {
      const bytes = Buffer.alloc(5);
      bytes[0] = 0x4a;
      bytes.writeInt32LE(value, 1);
      return this.#add(bytes);
    }
    const bytes = Buffer.alloc(10);
    bytes[0] = 0x8a;
    bytes[1] = 8;
    bytes.writeBigInt64LE(BigInt(value), 2);
    return this.#add(bytes);
  }

  end(): Uint8Array {
    return Buffer.concat([...this.#pieces, Buffer.from('.')]);
  }
}
