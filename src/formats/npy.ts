// Reads and writes NPY files, NumPy's format for one array: versions 1 to 3, the plain numeric types, no pickled objects.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import { showShape } from '../check.ts';
import { failFor } from './format-error.ts';
import { formatNpyHeader, type NpyHeader, parseNpyHeader } from './npy-header.ts';
import { arrayClasses, bytesOf, type NumericArray, toNumericArray } from './numeric-array.ts';
import { withFile } from './read-file.ts';
import { denseByteLength } from './shape.ts';

const fail = failFor('npy');
const magic = '\x93NUMPY';
/** Far more than numeric types need; numpy itself stops at 10,000. */
const maxHeaderBytes = 65_535;

/**
 * Parses the bytes of a whole NPY file. The array comes in row-major order, whatever the order in the file, and in this machine's
 * byte order; `data` is a view of `bytes` where nothing had to be converted.
 *
 * @throws FormatError `magic`, `version`, `truncated`, `trailing-data`, `too-large`, `pickle`, and those of the header.
 */
export function parseNpy(bytes: Uint8Array): NumericArray {
  const { dtype, order, fortranOrder, shape, dataStart, length } = npyInfo(bytes, bytes.length);
  const itemSize = arrayClasses[dtype].BYTES_PER_ELEMENT;
  const stored = new Uint8Array(bytes.buffer, bytes.byteOffset + dataStart, length);
  const raw = fortranOrder && shape.length > 1 ? toRowMajor(stored, shape, itemSize) : stored;
  return toNumericArray(dtype, shape, { raw, order });
}

/** What the header of an NPY file says, and where its data are. */
export interface NpyInfo extends NpyHeader {
  dataStart: number;
  /** Of the data, in bytes. */
  length: number;
}

/** The header from the first bytes of a file, and whether it fits a file of `size` bytes. @throws FormatError as {@link parseNpy} */
export function npyInfo(start: Uint8Array, size: number): NpyInfo {
  const { text, dataStart, textStart } = readHeaderText(start);
  const header = parseNpyHeader(text, textStart);
  const { dtype, shape } = header;
  const length = denseByteLength(shape, arrayClasses[dtype].BYTES_PER_ELEMENT, fail);
  const available = size - dataStart;
  if (available !== length) {
    const problem = `${dtype} of shape ${showShape(shape)} takes ${length} bytes, the file has ${available} after its header`;
    throw fail(available < length ? 'truncated' : 'trailing-data', problem, { byteOffset: dataStart });
  }
  return { ...header, dataStart, length };
}

/**
 * `parseNpy` of a file; synchronous.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when it breaks the format.
 */
export function readNpyFile(path: string): NumericArray {
  return withFile(path, (file) => parseNpy(file.read(0, file.size)));
}

/**
 * The bytes of an NPY file as pieces to be written one after the other: the header, padded so that the data start at a multiple
 * of 64 bytes, and the data themselves, not copied.
 *
 * @throws FormatError `dtype` or `size-mismatch` when the data do not fit `dtype` and `shape`, `shape` for an impossible one.
 */
export function serializeNpy({ dtype, shape, data }: NumericArray): Uint8Array[] {
  if (!(data instanceof arrayClasses[dtype])) {
    const problem = `${dtype} data must be a ${arrayClasses[dtype].name}, got ${(data as object).constructor.name}`;
    throw fail('dtype', problem);
  }
  const expected = denseByteLength(shape, data.BYTES_PER_ELEMENT, fail);
  if (data.byteLength !== expected) {
    const problem = `${dtype} of shape ${showShape(shape)} takes ${expected} bytes, its data have ${data.byteLength}`;
    throw fail('size-mismatch', problem);
  }
  const text = formatNpyHeader(dtype, shape);
  const start = magic.length + 4;
  const total = Math.ceil((start + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(total, ' ');
  header.write(magic, 'latin1');
  header.set([1, 0], magic.length);
  header.writeUInt16LE(total - start, magic.length + 2);
  header.write(text, start, 'latin1');
  header.write('\n', total - 1);
  return [bytesOf(header), bytesOf(data)];
}

function readHeaderText(bytes: Uint8Array): { text: string; textStart: number; dataStart: number } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = buffer.length;
  if (buffer.toString('latin1', 0, magic.length) !== magic) {
    const isZip = buffer.toString('latin1', 0, 2) === 'PK';
    const help = isZip ? 'an .npz file is a zip of .npy files: readNpz reads it' : 'is it the right file?';
    throw fail('magic', 'an NPY file starts with 93 (hex) and "NUMPY", this one does not', { byteOffset: 0, help });
  }
  const [major, minor] = buffer.subarray(magic.length);
  const textStart = major === 1 ? 10 : 12;
  if (size < textStart) throw fail('truncated', `the file ends after ${size} bytes, inside its header`);
  if ((major !== 1 && major !== 2 && major !== 3) || minor !== 0) {
    throw fail('version', `version ${major}.${minor} is unknown; 1.0, 2.0 and 3.0 are known`, { byteOffset: 6 });
  }
  const length = major === 1 ? buffer.readUInt16LE(8) : buffer.readUInt32LE(8);
  const dataStart = textStart + length;
  if (length > maxHeaderBytes) {
    throw fail('too-large', `a header of ${length} bytes; at most ${maxHeaderBytes} are read`, { byteOffset: 8 });
  }
  if (dataStart > size) {
    throw fail('truncated', `the header should end at byte ${dataStart}, the file has ${size}`, { byteOffset: 8 });
  }
  return { text: buffer.toString(major === 3 ? 'utf8' : 'latin1', textStart, dataStart), textStart, dataStart };
}

/** Transposes from column-major (Fortran, first index fastest) to row-major order (last index fastest). */
export function toRowMajor(stored: Uint8Array, shape: readonly number[], itemSize: number): Uint8Array {
  const target = new Uint8Array(stored.length);
  const count = stored.length / itemSize;
  const index = shape.map(() => 0);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, itemSize)); // in bytes
  for (let item = 0, from = 0; item < count; item++) {
    for (let byte = 0; byte < itemSize; byte++) target[item * itemSize + byte] = stored[from + byte]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return target;
}
