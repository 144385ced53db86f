// Reads and writes safetensors files: a length, a JSON header, the data; nothing in them can run code.
// Names are kept in a `Map`, so any name is harmless; the data are the little-endian, row-major bytes as they lie in the file.
// Format: https://huggingface.co/docs/safetensors/index#format
//
// A file MUST have: a header of at most 100 MB that is JSON without a key twice; for each tensor a type, a shape of integers of 0 or more and
// offsets, whose size is that of type and shape; data without holes, overlaps or bytes behind them (safetensors-header.ts).

import { createHash } from 'node:crypto';

import { showShape } from '../check.ts';
import { failFor, quote } from './format-error.ts';
import { openBytes, type OpenFile, readPieces, type Sink, withFile } from './read-file.ts';
import {
  isDType,
  itemBits,
  lengthBytes,
  maxHeaderBytes,
  parseHeader,
  parseHeaderLength,
  type SafetensorsDType,
  tensorBytes,
} from './safetensors-header.ts';

export type { SafetensorsDType } from './safetensors-header.ts';

const fail = failFor('safetensors');

/** One tensor of a safetensors file. */
export interface TensorRecord {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** Little-endian, row-major; not necessarily aligned to the element size. */
  readonly data: Uint8Array;
}

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorRecord>;
  /** The `__metadata__` of the header; an object without a prototype, empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensors whose element type is newer than this reader, with the name of that type; they are not among `tensors`. */
  readonly unknown: ReadonlyMap<string, string>;
}

/**
 * Parses the bytes of a whole file. The data are views of `bytes`, not copies.
 *
 * @throws FormatError for every breach of the format, duplicate keys included, which the reference reader lets pass.
 */
export function parseSafetensors(bytes: Uint8Array): SafetensorsFile {
  return readWith(openBytes(bytes));
}

/**
 * Reads a file of any size; synchronous. Every tensor gets memory of its own, aligned for any element type and freed on its own.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when it breaks the format.
 */
export function readSafetensorsFile(path: string): SafetensorsFile {
  return withFile(path, readWith);
}

/** The metadata of a file, without reading its tensors. @throws as {@link readSafetensorsFile} */
export function readSafetensorsMetadata(path: string): Readonly<Record<string, string>> {
  return withFile(path, (file) => readHeader(file).metadata);
}

/**
 * The names of the tensors in a file, from its header: nothing else is read.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when its header breaks the format.
 */
export function safetensorsNames(path: string): string[] {
  return withFile(path, (file) => readHeader(file).entries.map(({ name }) => name));
}

function readHeader({ size, read }: OpenFile) {
  const headerBytes = parseHeaderLength(read(0, Math.min(lengthBytes, size)), size);
  const dataStart = lengthBytes + headerBytes;
  return { ...parseHeader(read(lengthBytes, headerBytes), size - dataStart), dataStart };
}

function readWith(file: OpenFile): SafetensorsFile {
  const { read } = file;
  const { entries, metadata, dataStart } = readHeader(file);
  const tensors = new Map<string, TensorRecord>();
  const unknown = new Map<string, string>();
  for (const { name, dtype, shape, begin, end } of entries) {
    if (isDType(dtype)) tensors.set(name, { dtype, shape, data: read(dataStart + begin, end - begin) });
    else unknown.set(name, dtype);
  }
  return { tensors, metadata, unknown };
}

/** Who takes the bytes of a tensor, piece by piece; undefined leaves it out. */
export type TakeTensor = (name: string, info: Pick<TensorRecord, 'dtype' | 'shape'>) => Sink | undefined;

/** What {@link streamSafetensors} is asked for. */
export interface StreamOptions {
  take: TakeTensor;
  /** Whether the checksum is compared, where the file has one. Default true. */
  verify?: boolean | undefined;
}

/**
 * Hands the tensors of a file on, piece by piece, and keeps nothing in memory: in the order of their data, by name where there is a
 * checksum to be compared.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when it breaks the format or does not match its checksum.
 */
export function streamSafetensors(
  path: string,
  { take, verify = true }: StreamOptions,
): Pick<SafetensorsFile, 'metadata' | 'unknown'> & { readonly names: readonly string[] } {
  return withFile(path, (file) => {
    const { entries, metadata, dataStart } = readHeader(file);
    const expected = verify ? metadata[checksumKey] : undefined;
    const known = entries.filter(({ dtype }) => isDType(dtype));
    const names = known.map(({ name }) => name);
    const sinks = new Map(
      known.map(({ name, dtype, shape }) => [name, take(name, { dtype: dtype as SafetensorsDType, shape })]),
    );
    const hash = expected === undefined ? undefined : new Checksum(metadata);
    if (hash !== undefined) known.sort((a, b) => byCodePoint([a.name, a], [b.name, b]));
    for (const { name, dtype, shape, begin, end } of known) {
      const sink = sinks.get(name);
      hash?.begin(name, { dtype, shape });
      if (sink === undefined && hash === undefined) continue;
      readPieces(file, { position: dataStart + begin, length: end - begin }, (piece) => {
        hash?.update(piece);
        sink?.(piece);
      });
    }
    if (hash !== undefined && hash.digest() !== expected) {
      throw fail('checksum', 'it was altered: its content does not match its checksum', {
        help: 'take the file from a backup; if the change was meant, remove "checksum" from its metadata',
      });
    }
    const unknown = new Map(entries.filter(({ dtype }) => !isDType(dtype)).map(({ name, dtype }) => [name, dtype]));
    return { metadata, unknown, names };
  });
}

/** Under which key of the metadata {@link safetensorsChecksum} is kept. */
export const checksumKey = 'checksum';

/**
 * `sha256:` and, in hexadecimal, the SHA-256 of all that a file says: its metadata (without the checksum itself) by key, then each tensor by name with
 * its element type, shape and bytes. The order of tensors in the file does not matter.
 */
export function safetensorsChecksum(
  tensors: ReadonlyMap<string, TensorRecord>,
  metadata: Readonly<Record<string, string>>,
): string {
  const hash = new Checksum(metadata);
  for (const [name, record] of [...tensors].toSorted(byCodePoint)) {
    hash.begin(name, record);
    hash.update(record.data);
  }
  return hash.digest();
}

/** {@link safetensorsChecksum} while bytes come in. */
class Checksum {
  readonly #hash = createHash('sha256');

  constructor(metadata: Readonly<Record<string, string>>) {
    for (const [key, value] of Object.entries(metadata).toSorted(byCodePoint)) {
      if (key !== checksumKey) this.#hash.update(`${JSON.stringify([key, value])}\n`);
    }
  }

  /** The bytes of this tensor come next. */
  begin(name: string, { dtype, shape }: { dtype: string; shape: readonly number[] }): void {
    this.#hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
  }

  update(piece: Uint8Array): void {
    this.#hash.update(piece);
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/**
 * The bytes of a file as pieces to be written one after the other (`writeFileAtomic` takes them as they are); the data are the
 * given arrays themselves, not copies. Byte for byte what the reference writer makes: tensors by descending alignment, then by
 * name, the header padded with spaces to a multiple of 8 bytes. Metadata go by key (there: in random order), so that equal input
 * gives equal files.
 *
 * @throws FormatError when a record's data do not fit its shape, a name is reserved, or the header exceeds 100 MB.
 */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, TensorRecord>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const fields: string[] = [];
  const pairs = Object.entries(metadata).sort(byCodePoint);
  if (pairs.length > 0) {
    const members = pairs.map(([key, value]) => `${encode(key)}:${encodeValue(key, value)}`);
    fields.push(`"__metadata__":{${members.join(',')}}`);
  }
  const chunks: Uint8Array[] = [];
  let position = 0;
  for (const [name, { dtype, shape, data }] of inOrder(tensors)) {
    const offsets = `[${position},${(position += data.length)}]`;
    fields.push(`${encode(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":${offsets}}`);
    if (data.length > 0) chunks.push(data);
  }
  return [header(`{${fields.join(',')}}`), ...chunks];
}

function header(json: string): Uint8Array {
  const text = Buffer.from(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > maxHeaderBytes) {
    const problem = `the header would have ${length} bytes; at most ${maxHeaderBytes} are allowed`;
    throw fail('too-large', problem, { help: 'write the tensors to several files' });
  }
  const bytes = new Uint8Array(lengthBytes + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, lengthBytes);
  return bytes;
}

function inOrder(tensors: ReadonlyMap<string, TensorRecord>): [string, TensorRecord][] {
  const rank = new Map(Object.keys(itemBits).map((dtype, index) => [dtype, index]));
  const entries = [...tensors];
  for (const [name, record] of entries) checkRecord(name, record);
  return entries.sort((a, b) => rank.get(b[1].dtype)! - rank.get(a[1].dtype)! || byCodePoint(a, b));
}

function checkRecord(tensor: string, { dtype, shape, data }: TensorRecord): void {
  const fail = failFor('safetensors', { tensor });
  if (tensor === '__metadata__') {
    throw fail('name', 'this name is reserved for the metadata', { help: 'rename the tensor' });
  }
  if (!isDType(dtype)) throw fail('dtype', `unknown element type ${quote(String(dtype))}`);
  const expected = tensorBytes(dtype, shape, fail);
  if (data.length !== expected) {
    const problem = `${dtype} of shape ${showShape(shape)} takes ${expected} bytes, its data have ${data.length}`;
    throw fail('size-mismatch', problem);
  }
}

/** The order of Rust's strings, by UTF-8 bytes; JavaScript's own differs beyond U+FFFF. */
function byCodePoint([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function encode(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw fail('utf8', `the string ${quote(text)} has half of a surrogate pair`);
  return JSON.stringify(text);
}

function encodeValue(key: string, value: unknown): string {
  if (typeof value === 'string') return encode(value);
  const help = 'give String(value) or JSON.stringify(value)';
  throw fail('metadata', `the value of ${quote(key)} must be a string, got ${typeof value}`, { help });
}
