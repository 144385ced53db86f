// The files of a store of rows (see `row-store.ts`): a segment is `000001.rows`, which has room for `capacity` rows, column after column,
// so that a column can be mapped into memory and indexed as one array, and `000001.index`: a line of JSON that names the writer, then a
// record for each block of rows that was written: length, first row, count, CRC-32 of the rows, view and sample of each row, CRC-32 of the
// record. The index is made first and whole, rows are written before their record: a process that is killed leaves at most rows that
// nobody knows of, or a torn record at the end.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';

import { isPlain } from '../check.ts';
import { temporaryIn, writeFileAtomicSync } from './atomic-file.ts';
import { fileError } from './file-error.ts';
import { failFor } from './format-error.ts';
import { isAlive, thisProcess } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

const fail = failFor('row store');
/** Rows of a segment, at most. */
export const mostRows = 2 ** 16;
/** Numbers of samples and views are below it. */
export const mostKey = 2 ** 28;
/** Of the line that begins an index. */
const mostHeader = 4096;
/** What a record has besides its keys, and what it has for each row. */
const [recordBytes, keyBytes] = [20, 8];

/** A part of each row. */
export interface Column {
  readonly name: string;
  /** Bytes in one row. */
  readonly bytes: number;
}

/** Rows of a segment that were written together. */
export interface Block {
  readonly first: number;
  readonly count: number;
  readonly crc: number;
  /** The view and the sample of each row, one after the other. */
  readonly keys: Uint32Array;
  /** Whether the checksum was compared, in this process. */
  verified: boolean;
}

/** Who writes a segment. */
interface Writer extends ProcessIdentity {
  host: string;
}

/** The first line of an index. */
interface Header {
  capacity: number;
  writer: Writer;
  /** Tells it from one that takes its name later; `''` in an index of before there was one. */
  id: string;
}

/** A file of rows, with what its index says. */
export class Segment {
  /** The file with the rows, which may be mapped. */
  readonly file: string;
  readonly index: string;
  /** Rows that there is room for. */
  readonly capacity: number;
  /** The number of its first row among all rows. */
  readonly base: number;
  /** In the order of their rows. */
  readonly blocks: Block[] = [];
  readonly #header: Header;
  /** Bytes of the index that are read. */
  #read: number;
  #closed = false;

  private constructor(index: string, base: number, { bytes, ...header }: Header & { bytes: number }) {
    this.index = index;
    this.file = rowsOf(index);
    this.base = base;
    this.capacity = header.capacity;
    this.#header = header;
    this.#read = bytes;
  }

  /**
   * The segment of an index; undefined while another process makes it.
   * @throws `FormatError` for one that is damaged.
   */
  static open(index: string, base: number, rowBytes: number): Segment | undefined {
    if (statOf(index)?.size === 0) return undefined; // on a disk without links it is made in two steps
    const header = headerAt(index);
    const size = statOf(rowsOf(index))?.size ?? 0;
    if (size === 0) return undefined;
    if (size !== header.capacity * rowBytes) {
      throw fail('size-mismatch', `${size} bytes are not ${header.capacity} rows of ${rowBytes}`, {
        path: rowsOf(index),
        help: 'it was cut off, or is of another store: `retort cache prune` drops it',
      });
    }
    return new Segment(index, base, header);
  }

  /** Makes a segment; undefined where another process has made that one meanwhile. @throws {RetortError} when it cannot be written. */
  static create(index: string, base: number, room: { capacity: number; rowBytes: number }): Segment | undefined {
    const { capacity } = room;
    const writer: Writer = { ...thisProcess(), host: hostname() };
    const header = { capacity, writer, id: randomBytes(6).toString('hex') };
    const bytes = headerOf(header);
    if (!makeWhole(index, bytes)) return undefined;
    // `w`: whatever has that name belongs to no index.
    writing(rowsOf(index), 'w', (fd) => fs.ftruncateSync(fd, capacity * room.rowBytes));
    return new Segment(index, base, { ...header, bytes: bytes.length });
  }

  /** Rows that are written, from the first. */
  get used(): number {
    const last = this.blocks.at(-1);
    return last === undefined ? 0 : last.first + last.count;
  }

  /** Whether a process may still write into it: one of another machine always may. */
  get inUse(): boolean {
    return !this.#closed && runs(this.#header.writer);
  }

  /**
   * Files that another process has removed may have others of the same name in their place, of another teacher.
   * @throws `FormatError` where they are not those that were opened.
   */
  requireThere(): void {
    let cause: unknown;
    try {
      if (headerAt(this.index).id === this.#header.id) return;
    } catch (error) {
      cause = error;
    }
    throw fail('checksum', 'it was removed, or made anew, after this process had opened it', {
      ...{ path: this.file, cause },
      help: 'start again (--resume): what is there then is compared with what is asked for',
    });
  }

  /** Bytes of the index that are no whole record: what a process that was killed left, or what was damaged. */
  get torn(): number {
    return this.inUse ? 0 : (statOf(this.index)?.size ?? 0) - this.#read;
  }

  /** The blocks that the index has since; what is torn at its end waits to be whole. */
  refresh(): Block[] {
    const size = statOf(this.index)?.size ?? 0;
    // Each row once, and the end: more was never written.
    const most = mostHeader + (this.capacity + 1) * (recordBytes + keyBytes);
    if (size <= this.#read || size > most) return [];
    const bytes = readSome(this.index, this.#read, size - this.#read);
    const found: Block[] = [];
    let at = 0;
    while (!this.#closed && at + recordBytes <= bytes.length) {
      const length = bytes.readUInt32LE(at);
      if (length < recordBytes || (length - recordBytes) % keyBytes !== 0 || at + length > bytes.length) break;
      if (crc32(bytes.subarray(at, at + length - 4)) !== bytes.readUInt32LE(at + length - 4)) break;
      const [first, count] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
      if (count !== (length - recordBytes) / keyBytes || first < this.used || first + count > this.capacity) break;
      const keys = new Uint32Array(Uint8Array.from(bytes.subarray(at + 16, at + length - 4)).buffer);
      if (keys.some((key) => key >= mostKey)) break;
      const block: Block = { first, count, crc: bytes.readUInt32LE(at + 12), keys, verified: false };
      if (count === 0) this.#closed = true;
      else {
        this.blocks.push(block);
        found.push(block);
      }
      at += length;
    }
    this.#read += at;
    return found;
  }

  /** Writes rows behind those that are there. @throws {RetortError} when they cannot be written; what is stored already stays. */
  append(columns: readonly Column[], rows: readonly Uint8Array[], keys: Uint32Array): Block {
    const first = this.used;
    let [crc, start] = [0, 0];
    writing(this.file, 'r+', (fd) => {
      for (const [i, { bytes }] of columns.entries()) {
        writeAll(fd, rows[i]!, start + first * bytes);
        crc = crc32(rows[i]!, crc);
        start += this.capacity * bytes;
      }
    });
    const block: Block = { first, count: keys.length / 2, crc, keys, verified: true };
    this.#record(block);
    this.blocks.push(block);
    return block;
  }

  /** Says that nothing more is written. */
  close(): void {
    if (this.#closed) return;
    this.#record(endOf(this.used));
    this.#closed = true;
  }

  #record(block: Block): void {
    const record = recordOf(block);
    writing(this.index, 'r+', (fd) => writeAll(fd, record, this.#read));
    this.#read += record.length;
  }

  /** Whether the rows of a block are what was written. */
  isIntact(columns: readonly Column[], { first, count, crc }: Block): boolean {
    let [sum, start] = [0, 0];
    for (const { bytes } of columns) {
      sum = crc32(readSome(this.file, start + first * bytes, count * bytes), sum);
      start += this.capacity * bytes;
    }
    return sum === crc;
  }

  /** The block that a row is of. */
  blockOf(row: number): Block {
    return lastUpTo(this.blocks, row, ({ first }) => first);
  }

  /** Writes the index anew, with these blocks alone. */
  keep(blocks: readonly Block[]): void {
    const header = headerOf(this.#header);
    const end = this.#closed ? [endOf(this.used)] : [];
    writeFileAtomicSync(this.index, Buffer.concat([header, ...[...blocks, ...end].map(recordOf)]));
  }
}

/** The record of no rows that ends an index. */
const endOf = (first: number): Block => ({ first, count: 0, crc: 0, keys: new Uint32Array(0), verified: true });

/** The rows of an index. */
export const rowsOf = (index: string): string => `${index.slice(0, -'.index'.length)}.rows`;

/** Whether the process that makes or writes a segment, as its index says, may still do so; one that says nothing is not. */
export function isBeingWritten(index: string): boolean {
  try {
    return runs(headerAt(index).writer);
  } catch {
    return false;
  }
}

const runs = (writer: Writer): boolean => writer.host !== hostname() || isAlive(writer);

function headerOf(header: Header): Buffer {
  return Buffer.from(`${JSON.stringify(header)}\n`);
}

/** @throws `FormatError` for a first line that is none. */
function headerAt(index: string): Header & { bytes: number } {
  const start = readSome(index, 0, mostHeader);
  const end = start.indexOf(10);
  let header: unknown;
  try {
    header = JSON.parse(start.toString('utf8', 0, Math.max(0, end)));
  } catch {
    header = undefined;
  }
  const { capacity, writer, id = '' } = isPlain(header) ? header : {};
  const fits = Number.isInteger(capacity) && (capacity as number) > 0 && (capacity as number) <= mostRows;
  if (!fits || !isWriter(writer) || typeof id !== 'string') {
    throw fail('syntax', 'its first line is not that of an index', {
      path: index,
      help: 'it was changed: `retort cache prune` drops it',
    });
  }
  return { capacity: capacity as number, writer, id, bytes: end + 1 };
}

function isWriter(value: unknown): value is Writer {
  if (!isPlain(value)) return false;
  const { pid, start, host } = value;
  const named = typeof host === 'string' && (start === undefined || typeof start === 'string');
  return named && Number.isInteger(pid) && (pid as number) > 0 && (pid as number) < 2 ** 31;
}

function recordOf({ first, count, crc, keys }: Block): Buffer {
  const record = Buffer.alloc(recordBytes + keys.byteLength);
  for (const [i, value] of [record.length, first, count, crc].entries()) record.writeUInt32LE(value, 4 * i);
  record.set(new Uint8Array(keys.buffer), 16);
  record.writeUInt32LE(crc32(record.subarray(0, -4)), record.length - 4);
  return record;
}

/** The last of a list whose number is not above `wanted`, or the first. */
export function lastUpTo<T>(list: readonly T[], wanted: number, numberOf: (one: T) => number): T {
  let [low, high] = [0, list.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (numberOf(list[middle]!) <= wanted) low = middle;
    else high = middle - 1;
  }
  return list[low]!;
}

/** Makes a file whole, or not at all; false where one of that name is there. @throws {RetortError} when it cannot be written. */
export function makeWhole(file: string, content: Uint8Array): boolean {
  const own = temporaryIn(path.dirname(file));
  try {
    writeFileAtomicSync(own, content);
    try {
      fs.linkSync(own, file);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
    }
    return writing(file, 'wx', (fd) => writeAll(fd, content, 0)); // a disk without links
  } catch (error) {
    throw fileError('write', file, error);
  } finally {
    fs.rmSync(own, { force: true });
  }
}

export function statOf(file: string): fs.Stats | undefined {
  try {
    return fs.statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    throw fileError('look at', file, error);
  }
}

/** Up to `length` bytes. */
export function readSome(file: string, position: number, length: number): Buffer {
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, 'r');
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const count = fs.readSync(fd, bytes, done, Math.min(length - done, 2 ** 30), position + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } catch (error) {
    throw fileError('read', file, error);
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** Writes into a file; false where it is to be made and is there. @throws {RetortError} that names it. */
function writing(file: string, flags: 'r+' | 'w' | 'wx', write: (fd: number) => void): boolean {
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, flags);
    write(fd);
    return true;
  } catch (error) {
    if (flags === 'wx' && (error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fileError('write', file, error);
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += fs.writeSync(fd, bytes, done, Math.min(bytes.length - done, 2 ** 30), position + done);
  }
}
