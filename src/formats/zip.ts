// Reads zip archives, as PyTorch (`.pth`) and NumPy (`.npz`) use them: stored and deflated entries, zip64; nothing is ever
// extracted to the disk. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
//
// A file MUST have: the end record as its last bytes; one disk; a central directory of exactly the entries that are announced; names
// that are UTF-8 and differ; for each entry a local header that agrees in name, method, flags, sizes and checksum (sizes and checksum
// may stand behind the data); entries that do not overlap one another or the directory; the size and the CRC-32 that are announced.
// Limits: 2^18 entries, and as many inflated bytes as 16 times the file and 32 MiB. Encrypted entries are refused.

import { crc32, inflateRawSync } from 'node:zlib';

import { type Fail, quote } from './format-error.ts';
import { type OpenFile, readPieces, type Sink } from './read-file.ts';

export const localSignature = 0x04034b50;
export const centralSignature = 0x02014b50;
export const endSignature = 0x06054b50;
export const end64Signature = 0x06064b50;
export const locatorSignature = 0x07064b50;
const descriptorSignature = 0x08074b50;
export const localBytes = 30;
export const centralBytes = 46;
export const endBytes = 22;
export const locatorBytes = 20;
export const end64Bytes = 56;
const mostComment = 65_535;
const mostEntries = 2 ** 18;
const mostDirectoryBytes = 2 ** 28;
/** In place of a number that stands in the zip64 fields. */
export const full16 = 0xff_ff;
export const full32 = 0xff_ff_ff_ff;
export const utf8Flag = 0x800;
const descriptorFlag = 8;
const refusedFlags = 1 | 0x20 | 0x40 | 0x2000; // encrypted, patched, strongly encrypted, masked headers

/** An entry of a zip archive. */
export interface ZipEntry {
  readonly name: string;
  /** Of the content, not compressed. */
  readonly size: number;
  readonly compressedSize: number;
  /** Whether it is deflated; else it is stored as it is. */
  readonly deflated: boolean;
  readonly crc: number;
  /** Where its bytes start in the file. */
  readonly position: number;
}

export interface ZipOptions {
  /** Whether checksums are compared. Default true. */
  verify?: boolean | undefined;
  /** Inflated bytes of all entries together. Default 32 MiB and 16 times the size of the file. */
  maxInflated?: number | undefined;
}

/** Whether bytes start as a zip archive with entries does, or an empty one. */
export function isZip(start: Uint8Array): boolean {
  const [a, b, c, d] = start;
  return a === 0x50 && b === 0x4b && ((c === 3 && d === 4) || (c === 5 && d === 6));
}

/** The names in an archive, from its directory alone. @throws FormatError where that breaks a rule. */
export function zipNames(file: OpenFile, fail: Fail): string[] {
  return readDirectory(file, fail).listed.map(({ name }) => name);
}

/** An archive whose directory has been read and checked; the content of entries is checked as it is read. */
export class Zip {
  /** By name, in the order of the directory. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #file: OpenFile;
  readonly #fail: Fail;
  readonly #verify: boolean;

  /** @throws FormatError for each rule that is broken. */
  constructor(file: OpenFile, fail: Fail, { verify = true, maxInflated = file.size * 16 + 2 ** 25 }: ZipOptions = {}) {
    this.#file = file;
    this.#fail = fail;
    this.#verify = verify;
    const { listed, start } = readDirectory(file, fail);
    this.entries = locate(file, { listed, start }, fail);
    refuseBombs(this.entries.values(), maxInflated, fail);
  }

  /** The content of an entry, in memory of its own or, where the file is in memory and stores it as it is, a view of that. */
  read(entry: ZipEntry): Uint8Array {
    const { compressedSize, deflated, position } = entry;
    const stored = this.#file.read(position, compressedSize);
    const content = deflated ? this.#inflate(entry, stored) : stored;
    this.#check(entry, this.#verify ? crc32(content) : entry.crc);
    return content;
  }

  /**
   * Hands the content of an entry to `sink`, piece by piece. The checksum is compared at the end, unless `verify` says that this entry's
   * is not.
   * @throws FormatError `checksum`, `compression`, `size-mismatch`, `too-large`.
   */
  stream(entry: ZipEntry, sink: Sink, { verify = this.#verify }: Pick<ZipOptions, 'verify'> = {}): void {
    if (entry.deflated) return sink(this.read(entry));
    const place = { position: entry.position, length: entry.size };
    if (!verify) return readPieces(this.#file, place, sink);
    let crc = 0;
    readPieces(this.#file, place, (piece) => {
      crc = crc32(piece, crc);
      sink(piece);
    });
    this.#check(entry, crc);
  }

  #check({ name, crc }: ZipEntry, actual: number): void {
    if (crc === actual) return;
    throw this.#fail('checksum', `the content of ${quote(name)} does not match its checksum`, {
      help: 'download or copy the file again; if it was written without checksums, `verify: false` does not compare them',
    });
  }

  #inflate({ name, size, position }: ZipEntry, deflated: Uint8Array): Uint8Array {
    const at = { byteOffset: position };
    const fail = this.#fail;
    let inflated: Uint8Array;
    try {
      inflated = inflateRawSync(deflated, { maxOutputLength: size + 1, chunkSize: Math.max(size + 1, 64) });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw fail('compression', `the data of ${quote(name)} are damaged (${reason})`, { ...at, cause });
    }
    if (inflated.length === size) return inflated;
    throw fail('size-mismatch', `${quote(name)} inflates to ${inflated.length} bytes, ${size} were announced`, at);
  }
}

/** Before anything is read, or memory is taken for it. */
function refuseBombs(entries: Iterable<ZipEntry>, allowed: number, fail: Fail): void {
  let left = allowed;
  for (const { name, size, compressedSize, deflated, position } of entries) {
    if (!deflated) continue;
    const at = { byteOffset: position };
    if (size > left) {
      throw fail('too-large', `${quote(name)} would inflate to ${size} bytes, of which ${left} are allowed`, {
        ...at,
        help: 'a bomb, perhaps; if you trust the file, zip it again without compression, or raise `maxInflated`',
      });
    }
    // Deflate makes at most 1032 bytes of one.
    if (size > compressedSize * 1032) {
      throw fail('size-mismatch', `${compressedSize} bytes of ${quote(name)} cannot be the ${size} announced`, at);
    }
    left -= size;
  }
}

/** Numbers of a record, little-endian. */
class Fields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: Fail;

  constructor(bytes: Uint8Array, fail: Fail) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
  }

  /** Some of them as characters of a byte each. */
  text(from: number, to: number): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + from, to - from).toString('latin1');
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  u64(at: number): number {
    const value = Number(this.#view.getBigUint64(at, true));
    if (!Number.isSafeInteger(value)) throw this.#fail('overflow', `a number of ${value} in a record of the archive`);
    return value;
  }
}

interface Directory {
  count: number;
  size: number;
  start: number;
  /** Where the records behind the directory begin. */
  limit: number;
}

function findDirectory(file: OpenFile, fail: Fail): Directory {
  const help = 'it is cut off, or no zip archive: download or copy the file again';
  const tailBytes = Math.min(file.size, endBytes + mostComment);
  const tailStart = file.size - tailBytes;
  const tail = new Fields(file.read(tailStart, tailBytes), fail);
  let at = tailBytes - endBytes;
  while (at >= 0 && !(tail.u32(at) === endSignature && tail.u16(at + 20) === tailBytes - endBytes - at)) at--;
  if (at < 0) throw fail('truncated', 'the archive has no end record', { help });
  const end = tailStart + at;
  const byteOffset = end;
  let directory: Directory & { disks: number[] } = {
    count: tail.u16(at + 10),
    size: tail.u32(at + 12),
    start: tail.u32(at + 16),
    limit: end,
    disks: [tail.u16(at + 4), tail.u16(at + 6)],
  };
  if (tail.u16(at + 8) !== directory.count)
    throw fail('offsets', 'the archive is one of several parts', { byteOffset });
  const locator =
    at >= locatorBytes && tail.u32(at - locatorBytes) === locatorSignature ? at - locatorBytes : undefined;
  if (locator !== undefined) {
    const position = tail.u64(locator + 8);
    if (position + end64Bytes > tailStart + locator) {
      throw fail('offsets', 'the zip64 end record lies outside the file', { byteOffset: tailStart + locator });
    }
    const record = new Fields(file.read(position, end64Bytes), fail);
    if (record.u32(0) !== end64Signature) {
      throw fail('offsets', 'there is no zip64 end record where it should be', { byteOffset: position });
    }
    const wide: Directory = { count: record.u64(32), size: record.u64(40), start: record.u64(48), limit: position };
    const agrees =
      [wide.count, full16].includes(directory.count) &&
      [wide.size, full32].includes(directory.size) &&
      [wide.start, full32].includes(directory.start) &&
      record.u64(24) === wide.count;
    if (!agrees) throw fail('offsets', 'the two end records of the archive do not agree', { byteOffset });
    directory = { ...wide, disks: [record.u32(16), record.u32(20)] };
  }
  if (directory.disks.some((disk) => disk !== 0)) {
    throw fail('offsets', 'the archive is one of several parts', { byteOffset, help: 'join them first' });
  }
  const { count, size, start, limit } = directory;
  if (count > mostEntries || size > mostDirectoryBytes) {
    throw fail('too-large', `an archive of ${count} entries; at most ${mostEntries} are read`, { byteOffset });
  }
  if (start + size > limit) throw fail('offsets', 'the directory of the archive lies outside the file', { byteOffset });
  if (count * centralBytes > size) {
    throw fail('size-mismatch', `${count} entries do not fit into a directory of ${size} bytes`, { byteOffset });
  }
  return directory;
}

interface Listed extends Omit<ZipEntry, 'position'> {
  header: number;
  flags: number;
  method: number;
  nameBytes: Uint8Array;
}

function readDirectory(file: OpenFile, fail: Fail): { listed: Listed[]; start: number } {
  const { count, size, start } = findDirectory(file, fail);
  const record = new Fields(file.read(start, size), fail);
  const texts = record.text(0, size);
  const listed: Listed[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const byteOffset = start + at;
    if (at + centralBytes > size)
      throw fail('truncated', 'the directory of the archive ends too early', { byteOffset });
    if (record.u32(at) !== centralSignature)
      throw fail('syntax', 'an entry of the directory was expected', { byteOffset });
    const nameLength = record.u16(at + 28);
    const extraLength = record.u16(at + 30);
    const nameAt = at + centralBytes;
    const next = nameAt + nameLength + extraLength + record.u16(at + 32);
    if (next > size) throw fail('truncated', 'the directory of the archive ends too early', { byteOffset });
    const nameBytes = record.bytes.subarray(nameAt, nameAt + nameLength);
    const flags = record.u16(at + 8);
    const plain = texts.slice(nameAt, nameAt + nameLength);
    const name = isAscii(plain)
      ? plain
      : decodeName(nameBytes, () => fail('utf8', 'a name is not UTF-8', { byteOffset }));
    if ((flags & refusedFlags) !== 0) {
      throw fail('compression', `${quote(name)} is encrypted or patched`, {
        byteOffset,
        help: 'unpack it, and zip it plainly',
      });
    }
    const method = record.u16(at + 10);
    if (method !== 0 && method !== 8) {
      const help = 'unpack it, and zip it with deflate or without compression';
      throw fail('compression', `${quote(name)} is compressed by method ${method}; stored and deflated are known`, {
        byteOffset,
        help,
      });
    }
    let size64 = record.u32(at + 24);
    let compressed64 = record.u32(at + 20);
    let header = record.u32(at + 42);
    if (size64 === full32 || compressed64 === full32 || header === full32) {
      const extra = new Fields(record.bytes.subarray(nameAt + nameLength, nameAt + nameLength + extraLength), fail);
      [size64, compressed64, header] = widened([size64, compressed64, header], extra, () =>
        fail('missing-field', `the zip64 fields of ${quote(name)} are not there`, { byteOffset }),
      ) as [number, number, number];
    }
    if (method === 0 && size64 !== compressed64) {
      throw fail('size-mismatch', `${quote(name)} is stored in ${compressed64} bytes, but should have ${size64}`, {
        byteOffset,
      });
    }
    listed.push({
      name,
      nameBytes,
      flags,
      method,
      header,
      crc: record.u32(at + 16),
      size: size64,
      compressedSize: compressed64,
      deflated: method === 8,
    });
    at = next;
  }
  if (at !== size)
    throw fail('size-mismatch', `the directory has ${size - at} bytes more than its entries`, {
      byteOffset: start + at,
    });
  return { listed, start };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Whether characters of a byte each are what UTF-8 means as well. */
const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text);

/** Without the flag the bytes are code page 437, of which ASCII is the part that both agree on; who writes more means UTF-8. */
function decodeName(bytes: Uint8Array, error: () => Error): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw error();
  }
}

/** Numbers that are full stand in the extra field 1, in their order. */
function widened(numbers: number[], extra: Fields, missing: () => Error): number[] {
  const length = extra.bytes.length;
  for (let at = 0; at + 4 <= length;) {
    const end = at + 4 + extra.u16(at + 2);
    if (end > length) break;
    if (extra.u16(at) === 1) {
      let from = at + 4;
      return numbers.map((number) => {
        if (number !== full32) return number;
        if (from + 8 > end) throw missing();
        from += 8;
        return extra.u64(from - 8);
      });
    }
    at = end;
  }
  throw missing();
}

/** Bytes of fields behind a name; PyTorch pads with up to 68. */
const usualExtra = 96;

/** Reads the local headers, which say where the data start, and sees that nothing lies over anything else. */
function locate(
  file: OpenFile,
  { listed, start }: { listed: Listed[]; start: number },
  fail: Fail,
): Map<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  const extents: { name: string; from: number; to: number }[] = [];
  const usual = new Uint8Array(1024);
  for (const one of listed) {
    const { name, nameBytes, header, flags, method, size, compressedSize, crc, deflated } = one;
    const at = { byteOffset: header };
    if (entries.has(name)) throw fail('duplicate-key', `two entries are named ${quote(name)}`);
    if (header + localBytes > start) throw fail('offsets', `${quote(name)} lies outside the file`, at);
    // One reading has the header, its name and, as a rule, its fields.
    const wanted = Math.min(localBytes + nameBytes.length + usualExtra, start - header);
    const first = wanted <= usual.length ? usual.subarray(0, wanted) : new Uint8Array(wanted);
    file.readInto(header, first);
    const fixed = new Fields(first, fail);
    const rest = fixed.u16(26) + fixed.u16(28);
    const position = header + localBytes + rest;
    if (position + compressedSize > start)
      throw fail('offsets', `${quote(name)} reaches beyond the data of the archive`, at);
    if (fixed.u32(0) !== localSignature)
      throw fail('offsets', `there is no header of ${quote(name)} where it should be`, at);
    const has = first.length >= localBytes + rest;
    const local = has ? first.subarray(localBytes, localBytes + rest) : file.read(header + localBytes, rest);
    const ownName = local.subarray(0, fixed.u16(26));
    const behind = (flags & descriptorFlag) !== 0;
    let told = fixed.u32(22);
    let toldCompressed = fixed.u32(18);
    if (told === full32 || toldCompressed === full32) {
      [told, toldCompressed] = widened([told, toldCompressed], new Fields(local.subarray(ownName.length), fail), () =>
        fail('missing-field', `the zip64 fields of ${quote(name)} are not there`, at),
      ) as [number, number];
    }
    const fits = (number: number, expected: number): boolean => number === expected || (behind && number === 0);
    const agrees = fits(fixed.u32(14), crc) && fits(told, size) && fits(toldCompressed, compressedSize);
    if (!agrees || fixed.u16(8) !== method || fixed.u16(6) !== flags || Buffer.compare(ownName, nameBytes) !== 0) {
      throw fail('size-mismatch', `the two headers of ${quote(name)} do not agree`, at);
    }
    const entry: ZipEntry = { name, size, compressedSize, deflated, crc, position };
    const to = position + compressedSize + (behind ? descriptorLength(file, entry, { limit: start, fail }) : 0);
    entries.set(name, entry);
    extents.push({ name, from: header, to });
  }
  extents.sort((a, b) => a.from - b.from);
  let last = { name: '', from: 0, to: 0 };
  for (const extent of extents) {
    if (extent.from < last.to)
      throw fail('offsets', `${quote(extent.name)} overlaps ${quote(last.name)}`, { byteOffset: extent.from });
    last = extent;
  }
  return entries;
}

/** The bytes of the record behind the data, which repeats the checksum and the sizes, 4 or 8 bytes each. */
function descriptorLength(file: OpenFile, entry: ZipEntry, { limit, fail }: { limit: number; fail: Fail }): number {
  const { name, position, compressedSize, size, crc } = entry;
  const from = position + compressedSize;
  const record = new Fields(file.read(from, Math.min(24, limit - from)), fail);
  const room = record.bytes.length;
  for (const start of [4, 0]) {
    if (start === 4 && !(room >= 16 && record.u32(0) === descriptorSignature)) continue;
    if (room < start + 12 || record.u32(start) !== crc) continue;
    if (record.u32(start + 4) === compressedSize && record.u32(start + 8) === size) return start + 12;
    if (room < start + 20) continue;
    const wide = (at: number): number => record.u32(at) + record.u32(at + 4) * 2 ** 32;
    if (wide(start + 4) === compressedSize && wide(start + 12) === size) return start + 20;
  }
  throw fail('size-mismatch', `the record behind ${quote(name)} does not agree with its headers`, { byteOffset: from });
}
