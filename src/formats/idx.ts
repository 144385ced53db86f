// Reads IDX files, the format of MNIST and its kin, plain or gzipped: 00 00 type rank, one big-endian u32 a dimension, the data.
// Format: http://yann.lecun.com/exdb/mnist/, at the foot of the page.

import { showShape } from '../check.ts';
import { failFor } from './format-error.ts';
import { inflateExactly, inflateStart, isGzip } from './gzip.ts';
import { arrayClasses, type NumericArray, toNumericArray } from './numeric-array.ts';
import { withFile } from './read-file.ts';
import { denseByteLength } from './shape.ts';

const fail = failFor('idx');

export type IdxDType = 'uint8' | 'int8' | 'int16' | 'int32' | 'float32' | 'float64';

/** Narrow on `dtype` to know the class of `data`. */
export type IdxArray = NumericArray<IdxDType>;

export interface IdxOptions {
  /** The most bytes that a gzipped file may inflate to, against zip bombs. Default 1 GiB. */
  maxBytes?: number;
  /** Told what the header announces before any data is inflated; may throw. */
  check?: (header: { dtype: IdxDType; shape: readonly number[] }) => void;
}

const dtypes: Readonly<Record<number, IdxDType>> = {
  0x08: 'uint8',
  0x09: 'int8',
  0x0b: 'int16',
  0x0c: 'int32',
  0x0d: 'float32',
  0x0e: 'float64',
};

/**
 * Parses the bytes of a whole IDX file, gzipped or not. The data come in this machine's byte order; those of plain `uint8` and
 * `int8` files are a view of `bytes`.
 *
 * @throws FormatError `magic`, `dtype`, `shape`, `overflow`, `too-large`, `compression`, `truncated`, `trailing-data`.
 */
export function parseIdx(bytes: Uint8Array, { maxBytes = 2 ** 30, check }: IdxOptions = {}): IdxArray {
  const header = readHeader(isGzip(bytes) ? inflateStart(bytes, fail) : bytes);
  check?.(header);
  if (!isGzip(bytes)) return readArray(bytes, header);
  if (header.fileSize > maxBytes) {
    const problem = `inflates to ${header.fileSize} bytes; at most ${maxBytes} are allowed`;
    throw fail('too-large', problem, { help: 'raise `maxBytes` if you trust the file' });
  }
  return readArray(inflateExactly(bytes, header.fileSize, fail), header);
}

/**
 * `parseIdx` of a file; synchronous.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when it breaks the format.
 */
export function readIdxFile(path: string, options: IdxOptions = {}): IdxArray {
  return withFile(path, (file) => parseIdx(file.read(0, file.size), options));
}

interface IdxHeader {
  dtype: IdxDType;
  shape: number[];
  headerBytes: number;
  /** Header and data. */
  fileSize: number;
}

function readHeader(bytes: Uint8Array): IdxHeader {
  const [zero1, zero2, type = 0, rank = 0] = bytes;
  if (bytes.length < 4) throw fail('truncated', `the file ends after ${bytes.length} bytes, inside its header`);
  if (zero1 !== 0 || zero2 !== 0) {
    const start = Buffer.from(bytes.subarray(0, 4)).toString('hex');
    const help = 'is it the right file? A page of HTML saved in its place starts with 3c';
    throw fail('magic', `an IDX file starts with 0000 (hex), this one with "${start}"`, { byteOffset: 0, help });
  }
  const dtype = dtypes[type];
  if (dtype === undefined) throw fail('dtype', `unknown element type ${type}`, { byteOffset: 2 });
  if (rank === 0) throw fail('shape', 'it has no dimensions', { byteOffset: 3 });

  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes) {
    const problem = `${rank} dimensions make a header of ${headerBytes} bytes, of which ${bytes.length} are there`;
    throw fail('truncated', problem, { byteOffset: 3 });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const fileSize = headerBytes + denseByteLength(shape, arrayClasses[dtype].BYTES_PER_ELEMENT, fail);
  return { dtype, shape, headerBytes, fileSize };
}

function readArray(bytes: Uint8Array, { dtype, shape, headerBytes, fileSize }: IdxHeader): IdxArray {
  if (bytes.length !== fileSize) {
    const problem = `${dtype} of shape ${showShape(shape)} makes ${fileSize} bytes, the file has ${bytes.length}`;
    const help = 'download or copy the file again';
    throw fail(bytes.length < fileSize ? 'truncated' : 'trailing-data', problem, { help });
  }
  const raw = new Uint8Array(bytes.buffer, bytes.byteOffset + headerBytes, fileSize - headerBytes);
  return toNumericArray(dtype, shape, { raw, order: 'big' });
}
