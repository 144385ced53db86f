// The header of a safetensors file: its JSON parsed and every rule of the format checked, before any data is touched.
// Format: https://huggingface.co/docs/safetensors/index#format; the reference reader is `tensor.rs` of huggingface/safetensors.

import { failFor, type FormatErrorCode, quote } from './format-error.ts';
import { JsonCursor } from './json-cursor.ts';
import { denseByteLength, showShape } from './shape.ts';

/** Bytes per element. The order is the reference writer's: it puts tensors whose type stands further down first. */
export const itemSizes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

/** Element types by their name in the file; the two `F8` types are handed through as raw bytes. */
export type SafetensorsDType = keyof typeof itemSizes;

/** The number of bytes before the header: its length, a little-endian u64. */
export const lengthBytes = 8;
export const maxHeaderBytes = 100_000_000;

const format = 'safetensors';
const downloadAgain = 'download or copy the file again';

export interface TensorEntry {
  name: string;
  dtype: SafetensorsDType;
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
  return Object.hasOwn(itemSizes, text);
}

/** `{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}`, in any order. */
function readEntry(json: JsonCursor, name: string): TensorEntry {
  const fail = failFor(format, { tensor: name });
  let dtype: SafetensorsDType | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;

  json.object((field) => {
    const byteOffset = json.offset;
    if (field === 'dtype') {
      const text = json.string('dtype');
      if (!isDType(text)) {
        const known = `known are ${Object.keys(itemSizes).join(', ')}`;
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
    const expected = denseByteLength(shape, itemSizes[dtype], fail);
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
