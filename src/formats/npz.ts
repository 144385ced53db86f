// Reads and writes NPZ files: zip archives of NPY files, as `numpy.savez` and `numpy.savez_compressed` write them.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.savez.html
//
// A file MUST keep the rules of zip.ts; every entry MUST be an NPY file of one numeric type, by the rules of npy.ts; names MUST differ
// without their `.npy`. Arrays of Python objects are refused: they could run code.

import { type FileContent } from './atomic-file.ts';
import { failFor, FormatError, quote } from './format-error.ts';
import { type NpyInfo, npyInfo, parseNpy, serializeNpy } from './npy.ts';
import { bytesOf, hostOrder, type NumericArray, type NumericDType } from './numeric-array.ts';
import { openBytes, type OpenFile, type Sink, withFile } from './read-file.ts';
import { serializeZip } from './zip-writer.ts';
import { Zip, type ZipEntry, type ZipOptions } from './zip.ts';

const fail = failFor('npz');

/**
 * The arrays of a whole NPZ file, by name.
 *
 * @throws FormatError for each rule that is broken, naming the array.
 *
 * @example
 * ```ts
 * const weight = parseNpz(bytes).get('conv1.weight'); // { dtype: 'float32', shape: [16, 3, 3, 3], data }
 * ```
 */
export function parseNpz(bytes: Uint8Array, options: ZipOptions = {}): Map<string, NumericArray> {
  return arraysOf(openBytes(bytes), options);
}

/**
 * {@link parseNpz} of a file; synchronous.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when it breaks the format.
 */
export function readNpz(path: string, options: ZipOptions = {}): Map<string, NumericArray> {
  return withFile(path, (file) => arraysOf(file, options));
}

function arraysOf(file: OpenFile, options: ZipOptions): Map<string, NumericArray> {
  const zip = new Zip(file, fail, options);
  return new Map(members(zip).map(([name, entry]) => [name, named(name, () => parseNpy(zip.read(entry)))]));
}

/** The names of the arrays in a file, from its directory. @throws as {@link readNpz} */
export function npzNames(path: string): string[] {
  return withFile(path, (file) => members(new Zip(file, fail)).map(([name]) => name));
}

/** Who takes the bytes of an array, row-major and little-endian, piece by piece; undefined leaves it out. */
export type TakeArray = (
  name: string,
  info: { readonly dtype: NumericDType; readonly shape: readonly number[] },
) => Sink | undefined;

/** Hands the arrays of a file on without keeping them. */
export function streamNpz(path: string, options: ZipOptions & { take: TakeArray }): void {
  withFile(path, (file) => {
    const zip = new Zip(file, fail, options);
    for (const [name, entry] of members(zip)) named(name, () => streamMember(zip, entry, { name, take: options.take }));
  });
}

function streamMember(zip: Zip, entry: ZipEntry, { name, take }: { name: string; take: TakeArray }): void {
  const whole = (): void => {
    const array = parseNpy(zip.read(entry));
    take(name, array)?.(bytesOf(array.data));
  };
  if (entry.deflated || entry.size === 0) return whole();
  let info: NpyInfo | undefined;
  let sink: Sink | undefined;
  let plain = true;
  zip.stream(entry, (piece) => {
    if (!plain) return;
    if (info !== undefined) return sink?.(piece);
    info = npyInfo(piece, entry.size);
    // What must be turned around is taken as a whole, behind this.
    plain = info.order === hostOrder && (!info.fortranOrder || info.shape.length < 2);
    if (!plain) return;
    sink = take(name, info);
    sink?.(piece.subarray(info.dataStart));
  });
  if (!plain) whole();
}

function members(zip: Zip): [string, ZipEntry][] {
  return [...zip.entries.values()].map((entry) => {
    if (entry.name.endsWith('.npy')) return [entry.name.slice(0, -'.npy'.length), entry];
    throw fail('syntax', `${quote(entry.name)} is no NPY file`, { help: 'is it a file of numpy.savez?' });
  });
}

/** Errors about an array name it. */
function named<T>(name: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw error instanceof FormatError ? error.ofTensor(name) : error;
  }
}

/** Options of {@link serializeNpz}. */
export interface NpzOptions {
  /** Whether arrays are deflated. Default false, as `numpy.savez`. */
  compress?: boolean;
}

/**
 * The bytes of an NPZ file as pieces to be written one after the other; arrays that are not deflated are not copied.
 *
 * @throws FormatError `dtype`, `size-mismatch` or `shape` where data do not fit their array.
 */
export function serializeNpz(
  arrays: ReadonlyMap<string, NumericArray> | Iterable<readonly [string, NumericArray]>,
  { compress = false }: NpzOptions = {},
): FileContent {
  const contents = [...arrays].map(([name, array]) => ({
    name: `${name}.npy`,
    pieces: named(name, () => serializeNpy(array)),
  }));
  return serializeZip(contents, { compress });
}
