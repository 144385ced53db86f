// Rows of fixed size that are written once and found again by key (view, sample): many files side by side in one folder, so that several
// processes write at once, each its own files. Made for what a teacher gives of samples. A folder holds `cache.json`, which says what the
// rows are, and segments (`row-segments.ts`). Nothing is synced: what a failing machine leaves half-written, checksums tell.
import fs from 'node:fs';
import path from 'node:path';

import { isPlain } from '../check.ts';
import { RetortError } from '../errors.ts';
import { removeStale } from './atomic-file.ts';
import { fileError } from './file-error.ts';
import { failFor } from './format-error.ts';
import {
  isBeingWritten,
  lastUpTo,
  makeWhole,
  mostKey,
  mostRows,
  readSome,
  rowsOf,
  Segment,
  statOf,
} from './row-segments.ts';
import type { Block, Column } from './row-segments.ts';

const fail = failFor('row store');
const aboutFile = 'cache.json';
const version = 1;
/** Segments are as large as this at most, unless 64 rows take more. */
const segmentBytes = 2 ** 28;
const mostRowBytes = 2 ** 30;
const mostAbout = 2 ** 24;
/** Of all segments together: rows are numbered with 32 bits. */
const mostInAll = 2 ** 31 - 2;
/** Rows that one page of the table of keys is for. */
const pageRows = 256;

/** Where a row is. */
export interface RowPlace {
  readonly segment: Segment;
  readonly row: number;
}

/** What {@link RowStore.verify} found. */
export interface RowDamage {
  readonly file: string;
  /** What is wrong, such as `rows 0 to 63 are not what was written`. */
  readonly what: string;
  /** Rows that are lost by it, as far as that is known. */
  readonly rows: number;
}

/** What {@link RowStore.prune} did. */
export interface RowsPruned {
  /** Rows that were dropped. */
  readonly rows: number;
  /** Files that were removed. */
  readonly files: readonly string[];
  /** Files that were left alone, as a process still writes them. */
  readonly inUse: readonly string[];
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
  /** Bytes of a row. */
  readonly rowBytes: number;
  /** What the rows are, as whoever made the store says it. */
  readonly about: unknown;
  readonly #segments: Segment[] = [];
  /** Segments that cannot be read, with why: only where the store is {@link inspect}ed. */
  readonly #faults = new Map<string, RetortError>();
  readonly #lenient: boolean;
  readonly #known = new Set<string>();
  /** Numbers of rows, plus one, by view and sample: pages of samples, as far as there are any. */
  readonly #pages = new Map<number, Map<number, Int32Array>>();
  readonly #counts = new Map<number, number>();
  #total = 0;
  /** The segment that this process writes. */
  #own: Segment | undefined;

  private constructor(folder: string, { columns, about }: Manifest, lenient: boolean) {
    this.folder = folder;
    this.columns = columns;
    this.rowBytes = bytesOf(columns);
    this.about = about;
    this.#lenient = lenient;
    this.refresh();
  }

  /** Whether a folder holds a store. */
  static isAt(folder: string): boolean {
    return fs.existsSync(path.join(folder, aboutFile));
  }

  /** @throws {RetortError} `not-found` where there is none; `FormatError` for one that is damaged, or of a newer version. */
  static open(folder: string): RowStore {
    return new RowStore(folder, manifestOf(folder), false);
  }

  /** {@link open} to look for damage: files that cannot be read are found by {@link verify}, and dropped by {@link prune}. */
  static inspect(folder: string): RowStore {
    return new RowStore(folder, manifestOf(folder), true);
  }

  /** Makes a store; where another process has made one meanwhile, opens that. @throws {RetortError} when it cannot be written. */
  static create(folder: string, columns: readonly Column[], about: unknown): RowStore {
    if (bytesOf(columns) > mostRowBytes) {
      throw fail('too-large', `a row of ${bytesOf(columns)} bytes, and ${mostRowBytes} are the most`);
    }
    const target = path.join(folder, aboutFile);
    try {
      // Temporary files stay: another machine may be making the same store just now.
      fs.mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw fileError('write', target, error);
    }
    makeWhole(target, Buffer.from(JSON.stringify({ format: 'retort-rows', version, columns, about }, null, 1)));
    return RowStore.open(folder);
  }

  /**
   * Removes a store: its files, and the folder where nothing else is in it.
   * @throws {RetortError} `run-in-use` while a process writes into it; `FormatError` for a folder that holds none.
   */
  static remove(folder: string): void {
    const busy = RowStore.inspect(folder).#busy();
    if (busy.length > 0) {
      throw new RetortError(`${folder} is in use: a process may still write ${path.basename(busy[0]!)}`, {
        code: 'run-in-use',
        help: 'wait until that has ended; one of another machine cannot be judged from here: remove its files by hand',
      });
    }
    const names = listed(folder).filter((name) => isSegmentFile.test(name));
    try {
      // What names the rest goes last: a removal that was interrupted can be repeated.
      for (const name of [...names, aboutFile]) fs.rmSync(path.join(folder, name), { force: true });
      removeStale(folder);
      const real = fs.lstatSync(path.resolve(folder)).isDirectory(); // a link to a folder stays, and what it leads to
      if (real && fs.readdirSync(folder).length === 0) fs.rmdirSync(folder);
    } catch (error) {
      throw fileError('remove', folder, error);
    }
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

  /** Bytes that its files take on the disk: room that no row has come into takes none. */
  get bytes(): number {
    return listed(this.folder)
      .filter((name) => isSegmentFile.test(name) || name === aboutFile)
      .reduce((sum, name) => sum + 512 * (statOf(path.join(this.folder, name))?.blocks ?? 0), 0);
  }

  /** Takes in what other processes wrote since. */
  refresh(): void {
    for (const name of listed(this.folder)) {
      if (!name.endsWith('.index') || !isSegmentFile.test(name) || this.#known.has(name)) continue;
      const index = path.join(this.folder, name);
      try {
        const segment = Segment.open(index, this.#total, this.rowBytes);
        if (segment === undefined) continue;
        this.#known.add(name);
        this.#add(segment);
      } catch (error) {
        if (!this.#lenient || !(error instanceof RetortError)) throw error;
        this.#known.add(name);
        this.#faults.set(index, error);
      }
    }
    for (const segment of this.#segments) {
      if (segment !== this.#own) for (const block of segment.refresh()) this.#take(segment, block);
    }
  }

  #add(segment: Segment): void {
    if (this.#total + segment.capacity > mostInAll) {
      throw fail('too-large', `it has room for more than ${mostInAll} rows`, { path: this.folder });
    }
    this.#segments.push(segment);
    this.#total += segment.capacity;
  }

  #take(segment: Segment, block: Block): void {
    for (let i = 0; i < block.count; i++) {
      const [view, sample] = [block.keys[2 * i]!, block.keys[2 * i + 1]!];
      const page = this.#page(view, sample);
      if (page[sample % pageRows] === 0) this.#counts.set(view, this.countOf(view) + 1);
      page[sample % pageRows] = segment.base + block.first + i + 1;
    }
  }

  #page(view: number, sample: number): Int32Array {
    const pages = this.#pages.get(view) ?? new Map<number, Int32Array>();
    this.#pages.set(view, pages);
    const number = Math.floor(sample / pageRows);
    const page = pages.get(number) ?? new Int32Array(pageRows);
    pages.set(number, page);
    return page;
  }

  /** Where the row of a sample is; undefined where there is none. */
  find(view: number, sample: number): RowPlace | undefined {
    const page = this.#pages.get(view)?.get(Math.floor(sample / pageRows));
    const number = (page?.[sample % pageRows] ?? 0) - 1;
    if (number < 0) return undefined;
    const segment = lastUpTo(this.#segments, number, ({ base }) => base);
    return { segment, row: number - segment.base };
  }

  /** Compares the checksum of the block that a row is of, the first time it is asked for. @throws `FormatError` where it differs. */
  require({ segment, row }: RowPlace): void {
    const block = segment.blockOf(row);
    if (block.verified) return;
    if (!segment.isIntact(this.columns, block)) {
      throw fail('checksum', altered(block), {
        path: segment.file,
        help: 'the disk or another program changed them: `retort cache prune` drops what is damaged, and a run with the teacher computes it again',
      });
    }
    block.verified = true;
  }

  /**
   * Stores rows: each column's bytes, one row after the other. They are found by this process at once, by others when they look again.
   * Rows that fit into one segment are there together or not at all, if the process is killed.
   * @throws {RetortError} when they cannot be written; what is stored already stays.
   */
  append(view: number, samples: readonly number[], columns: readonly Uint8Array[]): void {
    const wrong = [view, ...samples].find((key) => !Number.isInteger(key) || key < 0 || key >= mostKey);
    if (wrong !== undefined) throw fail('too-large', `view or sample ${wrong} is not below ${mostKey}`);
    for (let done = 0; done < samples.length;) {
      const own = this.#writable(samples.length - done);
      const count = Math.min(samples.length - done, own.capacity - own.used);
      const part = columns.map((bytes, i) => {
        const size = this.columns[i]!.bytes;
        return bytes.subarray(done * size, (done + count) * size);
      });
      const keys = Uint32Array.from(samples.slice(done, done + count).flatMap((sample) => [view, sample]));
      this.#take(own, own.append(this.columns, part, keys));
      done += count;
    }
  }

  /** The segment that this process writes, with room for so many rows, or for as many as there can be. */
  #writable(rows: number): Segment {
    const capacity = Math.max(64, Math.min(mostRows, Math.floor(segmentBytes / this.rowBytes / 64) * 64));
    if (this.#own !== undefined && this.#own.capacity - this.#own.used >= Math.min(rows, capacity)) return this.#own;
    this.close();
    for (let number = this.#segments.length + 1; ; number++) {
      const index = path.join(this.folder, `${String(number).padStart(6, '0')}.index`);
      const segment = Segment.create(index, this.#total, { capacity, rowBytes: this.rowBytes });
      if (segment === undefined) continue;
      this.#known.add(path.basename(index));
      this.#add(segment);
      return (this.#own = segment);
    }
  }

  /** Says that this process writes no more into the segment it has begun. @throws {RetortError} when that cannot be written. */
  close(): void {
    this.#own?.close();
    this.#own = undefined;
  }

  /** Compares all checksums. @param onBlock is told how many of all rows are done. */
  verify(onBlock: (done: number, of: number) => void = () => undefined): RowDamage[] {
    this.refresh();
    return [
      ...[...this.#faults].map(([index, { what }]) => ({ file: index, what, rows: 0 })),
      ...this.#damaged(onBlock).map(({ segment: { file }, block }) => ({
        file,
        what: altered(block),
        rows: block.count,
      })),
    ];
  }

  #damaged(onBlock: (done: number, of: number) => void = () => undefined): { segment: Segment; block: Block }[] {
    const all = this.#segments.flatMap((segment) => segment.blocks.map((block) => ({ segment, block })));
    const total = all.reduce((sum, { block }) => sum + block.count, 0);
    let done = 0;
    return all.filter(({ segment, block }) => {
      const intact = segment.isIntact(this.columns, block);
      onBlock((done += block.count), total);
      return !intact;
    });
  }

  /** Bytes at the ends of indexes that are no whole records, such as a process leaves that was killed: rows that nobody knows of. */
  get torn(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.torn, 0);
  }

  #busy(): string[] {
    const segments = this.#segments.filter(({ inUse }) => inUse).map(({ index }) => index);
    const unread = [...this.#faults.keys(), ...this.#unfinished()].filter(isBeingWritten);
    return [...segments, ...unread];
  }

  /** Indexes without rows, which are being made or were left by a process that was killed. */
  #unfinished(): string[] {
    return listed(this.folder)
      .filter((name) => name.endsWith('.index') && isSegmentFile.test(name) && !this.#known.has(name))
      .map((name) => path.join(this.folder, name));
  }

  /**
   * Drops what is damaged and what nobody knows of: damaged blocks and torn ends of indexes, segments without any whole block, rows
   * without an index. What a process still writes is left.
   * @throws {RetortError} when a file cannot be written or removed.
   */
  prune(): RowsPruned {
    this.refresh();
    const damaged = this.#damaged();
    const busy = new Set(this.#busy());
    const removed: string[] = [];
    const remove = (...files: string[]): void => {
      for (const file of files.filter((one) => statOf(one) !== undefined)) {
        fs.rmSync(file);
        removed.push(file);
      }
    };
    let rows = 0;
    try {
      for (const segment of this.#segments) {
        if (busy.has(segment.index)) continue;
        const bad = new Set(damaged.flatMap((one) => (one.segment === segment ? [one.block] : [])));
        const good = segment.blocks.filter((block) => !bad.has(block));
        rows += [...bad].reduce((sum, { count }) => sum + count, 0);
        // The index goes first: rows without one are dropped the next time.
        if (good.length === 0) remove(segment.index, segment.file);
        else if (bad.size > 0 || segment.torn > 0) segment.keep(good);
      }
      for (const index of [...this.#faults.keys(), ...this.#unfinished()]) {
        if (!busy.has(index)) remove(index, rowsOf(index));
      }
      for (const name of listed(this.folder)) {
        const orphan = name.endsWith('.rows') && isSegmentFile.test(name);
        const file = path.join(this.folder, name);
        if (orphan && statOf(`${file.slice(0, -'.rows'.length)}.index`) === undefined) remove(file);
      }
      removeStale(this.folder);
    } catch (error) {
      throw fileError('tidy up', this.folder, error);
    }
    return { rows, files: removed, inUse: [...busy] };
  }
}

const isSegmentFile = /^\d{6,}\.(?:index|rows)$/;

const unusable = 'it was changed, and without it the rows mean nothing: remove the folder, or name another';

/** @throws {RetortError} where there is none; `FormatError` for one that is damaged, or of a newer version. */
function manifestOf(folder: string): Manifest {
  const file = path.join(folder, aboutFile);
  const size = statOf(file)?.size ?? 0;
  if (size > mostAbout)
    throw fail('too-large', `${size} bytes, and ${mostAbout} are the most`, { path: file, help: unusable });
  let manifest: unknown;
  try {
    manifest = JSON.parse(readSome(file, 0, size).toString());
  } catch (error) {
    if (error instanceof SyntaxError) throw fail('syntax', `no JSON: ${error.message}`, { path: file, help: unusable });
    throw error;
  }
  if (!isPlain(manifest) || manifest['format'] !== 'retort-rows') {
    throw fail('magic', 'it describes no store of rows', { path: file, help: 'name another folder' });
  }
  if (manifest['version'] !== version) {
    throw fail('version', `version ${String(manifest['version'])}, and this reads ${version}`, {
      path: file,
      help: 'read it with the Retort that made it, or name another folder',
    });
  }
  const columns = manifest['columns'];
  const fits = (one: unknown): one is Column =>
    isPlain(one) &&
    typeof one['name'] === 'string' &&
    Number.isSafeInteger(one['bytes']) &&
    (one['bytes'] as number) > 0;
  if (!Array.isArray(columns) || columns.length === 0 || !columns.every(fits) || bytesOf(columns) > mostRowBytes) {
    throw fail('missing-field', 'it has no columns', { path: file, help: unusable });
  }
  return manifest as unknown as Manifest;
}

function listed(folder: string): string[] {
  try {
    return fs.readdirSync(folder).toSorted();
  } catch (error) {
    throw fileError('list', folder, error);
  }
}

const altered = ({ first, count }: Block): string => `rows ${first} to ${first + count - 1} are not what was written`;

const bytesOf = (columns: readonly Column[]): number => columns.reduce((sum, { bytes }) => sum + bytes, 0);
