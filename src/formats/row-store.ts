// Rows of fixed size that are written once and found again by key: many files side by side in one folder, so that several processes
// write at once, each its own files. Made for what a teacher gives of samples (see `distill/cache`).
//
// A folder holds `cache.json` (what the rows are) and segments of two files each. `000001.rows` has room for `capacity` rows, column after
// column, so that a column can be mapped into memory and indexed as one array. `000001.index` has a line of JSON, then a record for each
// block of rows that was written: length, first row, count, CRC-32 of the rows, the key of each row (view, sample), CRC-32 of the record.
// Rows are written before their record: a process that is killed leaves at most rows that nobody knows of, or a torn record at the end.
import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';

import { removeStale, temporaryIn, writeFileAtomicSync } from './atomic-file.ts';
import { fileError } from './file-error.ts';
import { failFor } from './format-error.ts';
import { isAlive, thisProcess } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

const fail = failFor('row store');
const aboutFile = 'cache.json';
const version = 1;
/** Segments are as large as this at most, unless 64 rows take more. */
const segmentBytes = 2 ** 28;
/** Rows of a segment, at most. */
const mostRows = 2 ** 16;
const mostRowBytes = 2 ** 30;
/** Of the line that begins an index. */
const mostHeader = 4096;
/** Numbers of samples and views are below it. */
const mostKey = 2 ** 28;

/** A part of each row. */
export interface Column {
  readonly name: string;
  /** Bytes in one row. */
  readonly bytes: number;
}

/** Rows of a segment that were written together. */
interface Block {
  readonly first: number;
  readonly count: number;
  readonly crc: number;
  /** The view and the sample of each row, one after the other. */
  readonly keys: Uint32Array;
  /** Whether the checksum was compared, in this process. */
  verified: boolean;
}

/** A file of rows. */
export interface Segment {
  /** The file with the rows, which may be mapped. */
  readonly file: string;
  /** Rows that there is room for. */
  readonly capacity: number;
}

interface KnownSegment extends Segment {
  readonly index: string;
  /** The number of its first row among all rows. */
  readonly base: number;
  readonly blocks: Block[];
  readonly writer: ProcessIdentity;
  /** Bytes of the index that are read. */
  read: number;
}

/** Where a row is. */
export interface RowPlace {
  readonly segment: Segment;
  readonly row: number;
}

/** What {@link RowStore.verify} found. */
export interface DamagedBlock {
  readonly file: string;
  readonly first: number;
  readonly count: number;
}

interface Manifest {
  format: 'retort-rows';
  version: number;
  columns: readonly Column[];
  about: unknown;
}

/** See the head of this file. */
export class RowStore {
  readonly folder: string;
  readonly columns: readonly Column[];
  /** What the rows are, as whoever made the store says it. */
  readonly about: unknown;
  readonly #segments: KnownSegment[] = [];
  readonly #known = new Set<string>();
  /** Numbers of rows, plus one, by view and sample. */
  readonly #rows = new Map<number, Int32Array>();
  readonly #counts = new Map<number, number>();
  #total = 0;
  /** The segment that this process writes, and how many of its rows it has. */
  #own: { readonly segment: KnownSegment; used: number } | undefined;

  private constructor(folder: string, { columns, about }: Manifest) {
    this.folder = folder;
    this.columns = columns;
    this.about = about;
    this.refresh();
  }

  /** Whether a folder holds a store. */
  static isAt(folder: string): boolean {
    return fs.existsSync(path.join(folder, aboutFile));
  }

  /** @throws {RetortError} `not-found` where there is none; `FormatError` for one that is damaged, or of a newer version. */
  static open(folder: string): RowStore {
    const file = path.join(folder, aboutFile);
    let manifest: Partial<Manifest>;
    try {
      manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<Manifest>;
    } catch (error) {
      if (error instanceof SyntaxError) throw fail('syntax', `no JSON: ${error.message}`, { path: file });
      throw fileError('read', file, error);
    }
    if (manifest.format !== 'retort-rows') throw fail('magic', 'it describes no store of rows', { path: file });
    if (manifest.version !== version) {
      throw fail('version', `version ${String(manifest.version)}, and this reads ${version}`, { path: file });
    }
    const { columns } = manifest;
    const fits = (one: Partial<Column> | null): boolean =>
      typeof one?.name === 'string' && Number.isInteger(one.bytes) && one.bytes! > 0;
    if (!Array.isArray(columns) || columns.length === 0 || !columns.every(fits) || bytesOf(columns) > mostRowBytes) {
      throw fail('missing-field', 'it has no columns', { path: file });
    }
    return new RowStore(folder, manifest as Manifest);
  }

  /** Makes a store; where another process has made one meanwhile, opens that. @throws {RetortError} when it cannot be written. */
  static create(folder: string, columns: readonly Column[], about: unknown): RowStore {
    if (bytesOf(columns) > mostRowBytes) {
      throw fail('too-large', `a row of ${bytesOf(columns)} bytes, and ${mostRowBytes} are the most`);
    }
    const target = path.join(folder, aboutFile);
    try {
      fs.mkdirSync(folder, { recursive: true });
      const own = temporaryIn(folder);
      removeStale(folder);
      writeFileAtomicSync(
        own,
        Buffer.from(JSON.stringify({ format: 'retort-rows', version, columns, about }, null, 1)),
      );
      try {
        fs.linkSync(own, target); // whole, or not at all
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') fs.renameSync(own, target);
      }
      fs.rmSync(own, { force: true });
    } catch (error) {
      throw fileError('write', target, error);
    }
    return RowStore.open(folder);
  }

  /** Bytes of a row. */
  get rowBytes(): number {
    return bytesOf(this.columns);
  }

  /** Views of which there are rows, in order. */
  get views(): number[] {
    return [...this.#counts.keys()].toSorted((a, b) => a - b);
  }

  /** How many samples of a view there are. */
  countOf(view: number): number {
    return this.#counts.get(view) ?? 0;
  }

  /** Rows of all views. */
  get count(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Takes in what other processes wrote since. */
  refresh(): void {
    let names: string[];
    try {
      names = fs.readdirSync(this.folder).filter((name) => /^\d{6,}\.index$/.test(name));
    } catch (error) {
      throw fileError('list', this.folder, error);
    }
    for (const name of names.toSorted()) {
      if (this.#known.has(name)) continue;
      const segment = this.#opened(name);
      if (segment === undefined) continue;
      this.#known.add(name);
      this.#add(segment);
    }
    for (const segment of this.#segments) if (segment !== this.#own?.segment) this.#readIndex(segment);
  }

  /** A segment of another process; undefined while it is being made. */
  #opened(name: string): KnownSegment | undefined {
    const index = path.join(this.folder, name);
    const file = `${index.slice(0, -'.index'.length)}.rows`;
    const start = readSome(index, 0, mostHeader);
    const end = start.indexOf(10);
    if (end === -1 || !fs.existsSync(file)) return undefined;
    let header: { capacity?: unknown; writer?: unknown };
    try {
      header = JSON.parse(start.toString('utf8', 0, end)) as typeof header;
    } catch {
      throw fail('syntax', 'its first line is no JSON', { path: index });
    }
    const { capacity, writer } = header;
    const size = fs.statSync(file).size;
    if (!Number.isInteger(capacity) || (capacity as number) < 1 || size !== (capacity as number) * this.rowBytes) {
      throw fail('size-mismatch', `${size} bytes are not ${String(capacity)} rows of ${this.rowBytes}`, {
        path: file,
        help: 'it was cut off, or is of another store: remove this file and the .index beside it',
      });
    }
    const base = this.#total;
    return {
      ...{ file, index, base, capacity: capacity as number, blocks: [], read: end + 1 },
      writer: writer as ProcessIdentity,
    };
  }

  #add(segment: KnownSegment): void {
    this.#segments.push(segment);
    this.#total += segment.capacity;
  }

  /** The records that an index has now; what is torn at its end waits to be whole. */
  #readIndex(segment: KnownSegment): void {
    const size = fs.statSync(segment.index).size;
    if (size <= segment.read) return;
    const bytes = readSome(segment.index, segment.read, size - segment.read);
    let at = 0;
    while (at + 4 <= bytes.length) {
      const length = bytes.readUInt32LE(at);
      if (length < 28 || length % 8 !== 4 || at + length > bytes.length) break;
      if (crc32(bytes.subarray(at, at + length - 4)) !== bytes.readUInt32LE(at + length - 4)) break;
      const [first, count] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
      if (count !== (length - 20) / 8 || first + count > segment.capacity) break;
      const keys = new Uint32Array(Uint8Array.from(bytes.subarray(at + 16, at + length - 4)).buffer);
      if (keys.some((key) => key >= mostKey)) break;
      this.#take(segment, { first, count, crc: bytes.readUInt32LE(at + 12), keys, verified: false });
      at += length;
    }
    segment.read += at;
  }

  #take(segment: KnownSegment, block: Block): void {
    segment.blocks.push(block);
    for (let i = 0; i < block.count; i++) {
      const [view, sample] = [block.keys[2 * i]!, block.keys[2 * i + 1]!];
      const rows = this.#rowsOf(view, sample);
      if (rows[sample] === 0) this.#counts.set(view, this.countOf(view) + 1);
      rows[sample] = segment.base + block.first + i + 1;
    }
  }

  #rowsOf(view: number, sample: number): Int32Array {
    const rows = this.#rows.get(view) ?? new Int32Array(1024);
    if (sample < rows.length) return this.#rows.set(view, rows) && rows;
    const larger = new Int32Array(Math.max(2 * rows.length, sample + 1));
    larger.set(rows);
    this.#rows.set(view, larger);
    return larger;
  }

  /** Where the row of a sample is; undefined where there is none. */
  find(view: number, sample: number): RowPlace | undefined {
    const number = (this.#rows.get(view)?.[sample] ?? 0) - 1;
    if (number < 0) return undefined;
    const segment = this.#segmentOf(number);
    return { segment, row: number - segment.base };
  }

  #segmentOf(number: number): KnownSegment {
    let [low, high] = [0, this.#segments.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#segments[middle]!.base <= number) low = middle;
      else high = middle - 1;
    }
    return this.#segments[low]!;
  }

  /** Compares the checksum of the block that a row is of, the first time it is asked for. @throws `FormatError` where it differs. */
  require({ segment, row }: RowPlace): void {
    const known = segment as KnownSegment;
    const block = blockOf(known.blocks, row);
    if (block.verified) return;
    if (!this.#isIntact(known, block)) {
      throw fail('checksum', `rows ${block.first} to ${block.first + block.count - 1} are not what was written`, {
        path: known.file,
        help: 'the disk or another program changed them: `retort cache prune` drops what is damaged, and a run with the teacher computes it again',
      });
    }
    block.verified = true;
  }

  #isIntact({ file, capacity }: Segment, { first, count, crc }: Block): boolean {
    let [sum, start] = [0, 0];
    for (const { bytes } of this.columns) {
      sum = crc32(readSome(file, start + first * bytes, count * bytes), sum);
      start += capacity * bytes;
    }
    return sum === crc;
  }

  /**
   * Stores rows: each column's bytes, one row after the other. They are found by this process at once, by others when they look again.
   * Nothing is synced: what a failing machine leaves half-written, checksums tell.
   * @throws {RetortError} when they cannot be written; what is stored already stays.
   */
  append(view: number, samples: readonly number[], columns: readonly Uint8Array[]): void {
    for (let done = 0; done < samples.length;) {
      const own = this.#writable();
      const count = Math.min(samples.length - done, own.segment.capacity - own.used);
      const part = columns.map((bytes, i) => {
        const size = this.columns[i]!.bytes;
        return bytes.subarray(done * size, (done + count) * size);
      });
      const keys = Uint32Array.from(samples.slice(done, done + count).flatMap((sample) => [view, sample]));
      this.#write(own.segment, { first: own.used, keys, columns: part });
      own.used += count;
      done += count;
    }
  }

  #write(
    segment: KnownSegment,
    { first, keys, columns }: { first: number; keys: Uint32Array; columns: readonly Uint8Array[] },
  ): void {
    let [crc, start] = [0, 0];
    writing(segment.file, 'r+', (fd) => {
      for (const [i, { bytes }] of this.columns.entries()) {
        writeAll(fd, columns[i]!, start + first * bytes);
        crc = crc32(columns[i]!, crc);
        start += segment.capacity * bytes;
      }
    });
    const block: Block = { first, count: keys.length / 2, crc, keys, verified: true };
    const record = recordOf(block);
    writing(segment.index, 'r+', (fd) => writeAll(fd, record, segment.read));
    segment.read += record.length;
    this.#take(segment, block);
  }

  /** The segment that this process writes, with room for a row. */
  #writable(): { readonly segment: KnownSegment; used: number } {
    if (this.#own !== undefined && this.#own.used < this.#own.segment.capacity) return this.#own;
    this.#own = undefined;
    const capacity = Math.max(64, Math.min(mostRows, Math.floor(segmentBytes / this.rowBytes / 64) * 64));
    const writer = thisProcess();
    for (let number = this.#segments.length + 1; ; number++) {
      const name = path.join(this.folder, String(number).padStart(6, '0'));
      const [file, index] = [`${name}.rows`, `${name}.index`];
      if (fs.existsSync(file) || !writing(file, 'wx', (fd) => fs.ftruncateSync(fd, capacity * this.rowBytes))) continue;
      const header = headerOf({ capacity, writer });
      writing(index, 'wx', (fd) => writeAll(fd, header, 0));
      const segment: KnownSegment = {
        ...{ file, index, capacity, writer },
        base: this.#total,
        blocks: [],
        read: header.length,
      };
      this.#known.add(path.basename(index));
      this.#add(segment);
      return (this.#own = { segment, used: 0 });
    }
  }

  /** Compares all checksums. @param onBlock is told how many of all rows are done. */
  verify(onBlock: (done: number, of: number) => void = () => undefined): DamagedBlock[] {
    this.refresh();
    const all = this.#segments.flatMap((segment) => segment.blocks.map((block) => ({ segment, block })));
    const total = all.reduce((sum, { block }) => sum + block.count, 0);
    let done = 0;
    return all.flatMap(({ segment, block }) => {
      const intact = this.#isIntact(segment, block);
      onBlock((done += block.count), total);
      return intact ? [] : [{ file: segment.file, first: block.first, count: block.count }];
    });
  }

  /**
   * Drops what is damaged, and rows that nobody knows of: indexes without damaged blocks, and segments without any. What a process
   * still writes is left. Returns how many rows were dropped.
   */
  prune(): number {
    const damaged = this.verify();
    const segments = this.#segments.filter(({ writer }) => !isAlive(writer));
    let dropped = 0;
    for (const segment of segments) {
      const bad = new Set(damaged.filter(({ file }) => file === segment.file).map(({ first }) => first));
      const good = segment.blocks.filter(({ first }) => !bad.has(first));
      dropped += segment.blocks.filter(({ first }) => bad.has(first)).reduce((sum, { count }) => sum + count, 0);
      if (good.length === 0) {
        for (const file of [segment.index, segment.file]) fs.rmSync(file, { force: true });
      } else if (bad.size > 0) writeFileAtomicSync(segment.index, indexOf(segment, good));
    }
    for (const name of fs.readdirSync(this.folder)) {
      const index = path.join(this.folder, `${name.slice(0, -'.rows'.length)}.index`);
      if (/^\d{6,}\.rows$/.test(name) && !fs.existsSync(index))
        fs.rmSync(path.join(this.folder, name), { force: true });
    }
    return dropped;
  }
}

/** An index anew. */
function indexOf(segment: KnownSegment, blocks: readonly Block[]): Uint8Array {
  return Buffer.concat([headerOf(segment), ...blocks.map(recordOf)]);
}

function headerOf({ capacity, writer }: Pick<KnownSegment, 'capacity' | 'writer'>): Buffer {
  return Buffer.from(`${JSON.stringify({ capacity, writer })}\n`);
}

function recordOf({ first, count, crc, keys }: Block): Buffer {
  const record = Buffer.alloc(20 + keys.byteLength);
  for (const [i, value] of [record.length, first, count, crc].entries()) record.writeUInt32LE(value, 4 * i);
  record.set(new Uint8Array(keys.buffer), 16);
  record.writeUInt32LE(crc32(record.subarray(0, -4)), record.length - 4);
  return record;
}

/** The block of a row: blocks of a segment are in the order of their rows. */
function blockOf(blocks: readonly Block[], row: number): Block {
  let [low, high] = [0, blocks.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (blocks[middle]!.first <= row) low = middle;
    else high = middle - 1;
  }
  return blocks[low]!;
}

const bytesOf = (columns: readonly Column[]): number => columns.reduce((sum, { bytes }) => sum + bytes, 0);

/** Up to `length` bytes. */
function readSome(file: string, position: number, length: number): Buffer {
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
function writing(file: string, flags: 'r+' | 'wx', write: (fd: number) => void): boolean {
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
