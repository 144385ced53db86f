// The header of a safetensors file: its JSON parsed and every rule of the format checked, before any data is touched.
// Format: https://huggingface.co/docs/safetensors/index#format; the reference reader is `tensor.rs` of huggingface/safetensors.

import { showShape } from '../check.ts';
import { type Fail, failFor, type FormatErrorCode, quote } from './format-error.ts';
import { JsonCursor } from './json-cursor.ts';
import { denseByteLength } from './shape.ts';

/** Bits per element. The order is the reference writer's: it puts tensors whose type stands further down first. */
export const itemBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Element types by their name in the file; those of 4, 6 and 8 bits that are floats are handed through as raw bytes. */
export type SafetensorsDType = keyof typeof itemBits;

/** The number of bytes before the header: its length, a little-endian u64. */
export const lengthBytes = 8;
export const maxHeaderBytes = 100_000_000;

const format = 'safetensors';
const downloadAgain = 'download or copy the file again';

export interface TensorEntry {
  name: string;
  /** Of a file newer than this reader it may be none of {@link SafetensorsDType}: then the size of its data is not checked. */
  dtype: string;
  shape: number[];
  /** First byte, and one past the last, counted from the end of the header. */
  begin: number;
  end: number;
}

/**
 * The length of the header from the first 8 bytes of a file of `fileSize` bytes.
 *
 * @throws FormatError `truncated`, `too-large`.
 */
export function parseHeaderLength(start: Uint8Array, fileSize: number): number {
  const fail = failFor(format, { byteOffset: 0 });
  if (fileSize < lengthBytes) {
    throw fail('truncated', `the length of the header takes ${lengthBytes} bytes, the file has ${fileSize} in all`);
  }
  const length = new DataView(start.buffer, start.byteOffset, start.byteLength).getBigUint64(0, true);
  if (length > maxHeaderBytes) {
    const problem = `a header of ${length} bytes; at most ${maxHeaderBytes} are allowed`;
    throw fail('too-large', problem, { help: 'is it a safetensors file at all?' });
  }
  const available = fileSize - lengthBytes;
  if (length > available) {
    throw fail('truncated', `a header of ${length} bytes, of which ${available} are there`, { help: downloadAgain });
  }
  return Number(length);
}

/**
 * The tensors in the order of their data, which fill `dataBytes` bytes without hole or overlap, and the metadata.
 *
 * @throws FormatError for each rule that is broken.
 */
export function parseHeader(
  header: Uint8Array,
  dataBytes: number,
): { entries: TensorEntry[]; metadata: Record<string, string> } {
  if (header[0] !== 0x7b) {
    throw failFor(format)('magic', 'the header does not start with "{"', { byteOffset: lengthBytes });
  }
  const entries: TensorEntry[] = [];
  const metadata = Object.create(null) as Record<string, string>; // `__proto__` is a key like any other
  let tensor: string | undefined;
  const json = new JsonCursor(header, {
    base: lengthBytes,
    fail: (code, problem, options) => failFor(format, { tensor })(code, problem, options),
  });

  json.object((name) => {
    if (name === '__metadata__') {
      json.object((key) => (metadata[key] = json.string('metadata')), 'metadata');
    } else {
      tensor = name;
      entries.push(readEntry(json, name));
      tensor = undefined;
    }
  });
  json.end();
  checkLayout(entries, dataBytes);
  return { entries, metadata };
}

export function isDType(text: string): text is SafetensorsDType {
  return Object.hasOwn(itemBits, text);
}

/** Whether a text could be an element type that came after this reader was written. */
const mayBeDType = (text: string): boolean => /^[A-Z][A-Z0-9_]{0,31}$/.test(text);

/**
 * The bytes of a dense tensor, its last byte filled.
 *
 * @throws FormatError when the elements, of less than a byte each, end within one.
 */
export function tensorBytes(dtype: SafetensorsDType, shape: readonly number[], fail: Fail): number {
  const bits = itemBits[dtype];
  if (bits >= 8) return denseByteLength(shape, bits / 8, fail);
  const all = denseByteLength(shape, bits, fail);
  if (all % 8 === 0) return all / 8;
  throw fail(
    'size-mismatch',
    `${dtype} of shape ${showShape(shape)} takes ${all} bits, which is not a number of bytes`,
  );
}

/** `{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}`, in any order. */
function readEntry(json: JsonCursor, name: string): TensorEntry {
  const fail = failFor(format, { tensor: name });
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;

  json.object((field) => {
    const byteOffset = json.offset;
    if (field === 'dtype') {
      const text = json.string('dtype');
      if (!isDType(text) && !mayBeDType(text)) {
        const known = `known are ${Object.keys(itemBits).join(', ')}`;
        throw fail('dtype', `the element type ${quote(text)} is not supported; ${known}`, { byteOffset });
      }
      dtype = text;
    } else if (field === 'shape') {
      shape = readIntegers(json, 'shape');
    } else if (field === 'data_offsets') {
      offsets = readIntegers(json, 'offsets');
      if (offsets.length !== 2) {
        throw fail('offsets', `"data_offsets" must be [begin, end], got ${showShape(offsets)}`, { byteOffset });
      }
    } else {
      json.skip(); // the reference reader ignores unknown fields too
    }
  });

  if (dtype === undefined) throw fail('missing-field', 'no "dtype"');
  if (shape === undefined) throw fail('missing-field', 'no "shape"');
  if (offsets === undefined) throw fail('missing-field', 'no "data_offsets"');
  const [begin = 0, end = 0] = offsets;
  return { name, dtype, shape, begin, end };
}

function readIntegers(json: JsonCursor, code: FormatErrorCode): number[] {
  const integers: number[] = [];
  json.array(() => integers.push(json.integer(code)), code);
  return integers;
}

/** Sorts the entries by their data and checks that each begins where the one before it ends, up to the end of the file. */
function checkLayout(entries: TensorEntry[], dataBytes: number): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, dtype, shape, begin, end } of entries) {
    const fail = failFor(format, { tensor: name });
    const data = `its data [${begin}, ${end}]`;
    if (begin < position) throw fail('offsets', `${data} overlap those of another tensor, which end at ${position}`);
    if (begin > position) throw fail('offsets', `${data} leave a hole after byte ${position}`);
    if (end < begin) throw fail('offsets', `${data} end before they begin`);
    const expected = isDType(dtype) ? tensorBytes(dtype, shape, fail) : end - begin;
    if (end - begin !== expected) {
      const problem = `${data} hold ${end - begin} bytes, but ${dtype} of shape ${showShape(shape)} takes ${expected}`;
      throw fail('size-mismatch', problem);
    }
    if (end > dataBytes) {
      throw fail('truncated', `${data} end after the ${dataBytes} bytes that are there`, { help: downloadAgain });
    }
    position = end;
  }
  if (position !== dataBytes) {
    throw failFor(format)('trailing-data', `the last ${dataBytes - position} bytes belong to no tensor`);
  }
}
