// Reads regular files piece by piece: no limit of 2 GiB as in `fs.readFileSync`, and no more memory than the pieces asked for.
// Errors of the file system and of the format come out naming the path.

import fs from 'node:fs';

import { RetortError } from '../errors.ts';
import { fileError } from './file-error.ts';
import { FormatError } from './format-error.ts';

export interface OpenFile {
  /** In bytes. */
  readonly size: number;
  /** The `length` bytes from `position` on; both must lie within the file. */
  readonly read: (position: number, length: number) => Uint8Array;
  /** Fills `target` with the bytes from `position` on, all of which must lie within the file. */
  readonly readInto: (position: number, target: Uint8Array) => void;
}

/** Takes bytes piece by piece, in order; a piece is only valid during the call. */
export type Sink = (piece: Uint8Array) => void;

/** Large enough that calls cost nothing, small enough to stay in a processor's cache. */
const pieceBytes = 2 ** 20;

/** One buffer for all files that are read one after the other: thousands of new ones would keep the garbage collector busy. */
let spare: Uint8Array | undefined;

/** Hands `length` bytes from `position` on to `sink`, in pieces of one buffer. */
export function readPieces(
  file: OpenFile,
  { position, length }: { position: number; length: number },
  sink: Sink,
): void {
  const buffer = spare ?? new Uint8Array(pieceBytes);
  spare = undefined; // whoever reads inside of `sink` has another
  try {
    for (let done = 0; done < length;) {
      const piece = buffer.subarray(0, Math.min(pieceBytes, length - done));
      file.readInto(position + done, piece);
      sink(piece);
      done += piece.length;
    }
  } finally {
    spare = buffer;
  }
}

/** Bytes in memory as a file; what is read are views. */
export function openBytes(bytes: Uint8Array): OpenFile {
  const read = (position: number, length: number): Uint8Array =>
    new Uint8Array(bytes.buffer, bytes.byteOffset + position, length);
  return { size: bytes.length, read, readInto: (position, target) => target.set(read(position, target.length)) };
}

/** One call of `read` moves at most 2^31 - 1 bytes. */
const maxBytesPerRead = 2 ** 30;

/**
 * Opens `path`, runs `use` and closes the file again.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path added when `use` throws one.
 */
export function withFile<T>(path: string, use: (file: OpenFile) => T): T {
  let fd: number | undefined;
  try {
    const stats = fs.statSync(path); // before it is opened: opening a pipe would wait for a writer
    if (!stats.isFile()) throw notRegular('read', path, stats);
    const opened = (fd = fs.openSync(path, 'r'));
    return use({
      size: fs.fstatSync(opened).size,
      read: (position, length) => {
        const bytes = allocate(path, length);
        readAt(opened, { path, position, bytes });
        return bytes;
      },
      readInto: (position, bytes) => readAt(opened, { path, position, bytes }),
    });
  } catch (error) {
    throw error instanceof FormatError ? error.inFile(path) : fileError('read', path, error);
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** The error for a path that is a folder, a device or a pipe. */
export function notRegular(action: string, path: string, stats: fs.Stats): RetortError {
  const what = stats.isDirectory() ? 'it is a folder' : 'it is not a regular file';
  return new RetortError(`cannot ${action} ${path}: ${what}`, {
    code: 'file-system',
    help: stats.isDirectory() ? 'name a file inside it' : 'name a regular file, not a device or a pipe',
  });
}

function readAt(fd: number, { path, position, bytes }: { path: string; position: number; bytes: Uint8Array }): void {
  const { length } = bytes;
  let done = 0;
  while (done < length) {
    const count = fs.readSync(fd, bytes, done, Math.min(length - done, maxBytesPerRead), position + done);
    if (count === 0) {
      throw new RetortError(
        `cannot read ${path}: it ends at byte ${position + done}, but ${position + length} were there before`,
        {
          code: 'file-system',
          help: 'another program is writing to it: wait until that is done, then try again',
        },
      );
    }
    done += count;
  }
}

function allocate(path: string, length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    const help = 'free some memory or use a machine with more';
    throw new RetortError(`cannot read ${path}: no memory for ${length} bytes in one piece`, {
      code: 'out-of-memory',
      help,
      cause,
    });
  }
}
