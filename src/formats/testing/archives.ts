// Builders of small files for tests and fuzzers: pickles opcode by opcode, archives of records, the old stream; hostile ones too.
import { serializeZip } from '../zip-writer.ts';

/** Bytes of texts (as they are in Latin-1), numbers (one byte each) and arrays, one behind the other. */
export function bytes(...parts: (string | number | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : typeof part === 'number' ? Buffer.from([part]) : part,
    ),
  );
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

export function u64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigInt64LE(value);
  return out;
}

/** `BINUNICODE` */
export const text = (value: string): Buffer => bytes('X', u32(Buffer.byteLength(value)), Buffer.from(value));
/** `LONG1` of 8 bytes: any integer of 63 bits. */
export const integer = (value: number | bigint): Buffer => bytes(0x8a, 8, u64(BigInt(value)));
export const global = (module: string, name: string): Buffer => bytes('c', module, '\n', name, '\n');
export const tuple = (...items: (string | Uint8Array)[]): Buffer => bytes('(', ...items, 't');
export const call = (module: string, name: string, ...args: Uint8Array[]): Buffer =>
  bytes(global(module, name), tuple(...args), 'R');
export const dict = (...pairs: Uint8Array[]): Buffer => bytes('}(', ...pairs, 'u');
/** A pickle of protocol 2. */
export const pickle = (...parts: (string | Uint8Array)[]): Buffer => bytes(0x80, 2, ...parts, '.');

/** `('storage', FloatStorage, key, 'cpu', count)`, asked for. */
export const storage = (key: string, count: number | bigint, type = 'FloatStorage'): Buffer =>
  bytes(tuple(text('storage'), global('torch', type), text(key), text('cpu'), integer(count)), 'Q');

export interface ViewOptions {
  offset?: number | bigint;
  shape: readonly (number | bigint)[];
  strides: readonly (number | bigint)[];
}

/** A call of `_rebuild_tensor_v2`. */
export function tensor(of: Uint8Array, { offset = 0, shape, strides }: ViewOptions): Buffer {
  const sizes = [shape, strides].map((list) => tuple(...list.map(integer)));
  const hooks = call('collections', 'OrderedDict');
  return call('torch._utils', '_rebuild_tensor_v2', of, integer(offset), ...sizes, bytes(0x89), hooks);
}

/** An archive with these records in a folder. */
export function archive(records: Readonly<Record<string, Uint8Array>>, options: { compress?: boolean } = {}): Buffer {
  const contents = Object.entries(records).map(([name, content]) => ({ name: `archive/${name}`, pieces: [content] }));
  return Buffer.concat([...serializeZip(contents, options)]);
}

/** A file of `torch.save`: a pickle, and the storages that it asks for. */
export function torchFile(value: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = {}): Buffer {
  const data = Object.fromEntries(Object.entries(storages).map(([key, content]) => [`data/${key}`, content]));
  return archive({ 'data.pkl': pickle(value), ...data, version: bytes('3\n') });
}

/** The stream of PyTorch before 1.6. */
export function torchStream(
  value: Uint8Array,
  storages: readonly (readonly [string, number, Uint8Array])[] = [],
): Buffer {
  const magic = bytes(0x8a, 10, Buffer.from('6cfc9c46f9206aa85019', 'hex'));
  const system = dict(text('little_endian'), bytes(0x88));
  const keys = bytes('](', ...storages.map(([key]) => text(key)), 'e');
  const data = storages.map(([, count, content]) => bytes(u64(BigInt(count)), content));
  return bytes(pickle(magic), pickle(integer(1001)), pickle(system), pickle(value), pickle(keys), ...data);
}

export const floats = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);
