// Writes zip archives: stored or deflated entries, zip64 where it is needed, data aligned as readers that map files want it.

import { crc32, deflateRawSync } from 'node:zlib';

import {
  centralBytes,
  centralSignature,
  end64Bytes,
  end64Signature,
  endBytes,
  endSignature,
  full16,
  full32,
  localBytes,
  localSignature,
  locatorBytes,
  locatorSignature,
  utf8Flag,
} from './zip.ts';

/** What goes into an archive. */
export interface ZipContent {
  readonly name: string;
  /** The content in pieces, written one after the other. */
  readonly pieces: readonly Uint8Array[];
}

export interface ZipWriteOptions {
  /** Data start at a multiple of so many bytes, as readers that map files want it. Default 64. */
  alignment?: number;
  /** Default false: data are stored as they are. */
  compress?: boolean;
}

/**
 * The bytes of an archive, as pieces to be written one after the other; stored data are the given arrays, not copies. The same content
 * gives the same bytes: all entries are of 1980-01-01.
 */
export function* serializeZip(contents: Iterable<ZipContent>, options: ZipWriteOptions = {}): Generator<Uint8Array> {
  const { alignment = 64, compress = false } = options;
  const central: Uint8Array[] = [];
  let position = 0;
  const emit = (bytes: Uint8Array): Uint8Array => {
    position += bytes.length;
    return bytes;
  };
  for (const { name, pieces } of contents) {
    const nameBytes = Buffer.from(name);
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
    // Of no bytes Node's crc32 is 0, whatever came before.
    const crc = pieces.reduce((sum, piece) => (piece.length === 0 ? sum : crc32(piece, sum)), 0);
    const data = compress ? [deflateRawSync(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))] : pieces;
    const stored = data.reduce((sum, piece) => sum + piece.length, 0);
    const header = position;
    const wide = size >= full32 || stored >= full32;
    const sizes = wide ? zip64Field([size, stored]) : new Uint8Array();
    const start = header + localBytes + nameBytes.length + sizes.length + 4;
    const padding = paddingField((alignment - (start % alignment)) % alignment);
    const about = {
      crc,
      method: compress ? 8 : 0,
      size: wide ? full32 : size,
      stored: wide ? full32 : stored,
      nameBytes,
    };
    yield emit(localHeader(about, [sizes, padding]));
    for (const piece of data) if (piece.length > 0) yield emit(piece);
    const far = header >= full32;
    const fields = [...(wide ? [size, stored] : []), ...(far ? [header] : [])];
    central.push(
      centralHeader(about, fields.length > 0 ? zip64Field(fields) : new Uint8Array(), far ? full32 : header),
    );
  }
  const start = position;
  for (const record of central) yield emit(record);
  yield endRecords({ count: central.length, start, size: position - start });
}

interface Written {
  crc: number;
  method: number;
  size: number;
  stored: number;
  nameBytes: Uint8Array;
}

function localHeader({ crc, method, size, stored, nameBytes }: Written, extra: readonly Uint8Array[]): Uint8Array {
  const fixed = Buffer.alloc(localBytes);
  fixed.writeUInt32LE(localSignature, 0);
  fixed.writeUInt16LE(extra[0]!.length > 0 ? 45 : 20, 4);
  fixed.writeUInt16LE(utf8Flag, 6);
  fixed.writeUInt16LE(method, 8);
  fixed.writeUInt16LE(firstDay, 12);
  fixed.writeUInt32LE(crc, 14);
  fixed.writeUInt32LE(stored, 18);
  fixed.writeUInt32LE(size, 22);
  fixed.writeUInt16LE(nameBytes.length, 26);
  fixed.writeUInt16LE(
    extra.reduce((sum, { length }) => sum + length, 0),
    28,
  );
  return Buffer.concat([fixed, nameBytes, ...extra]);
}

function centralHeader(
  { crc, method, size, stored, nameBytes }: Written,
  extra: Uint8Array,
  header: number,
): Uint8Array {
  const fixed = Buffer.alloc(centralBytes);
  fixed.writeUInt32LE(centralSignature, 0);
  fixed.writeUInt16LE(extra.length > 0 ? 45 : 20, 4);
  fixed.writeUInt16LE(extra.length > 0 ? 45 : 20, 6);
  fixed.writeUInt16LE(utf8Flag, 8);
  fixed.writeUInt16LE(method, 10);
  fixed.writeUInt16LE(firstDay, 14);
  fixed.writeUInt32LE(crc, 16);
  fixed.writeUInt32LE(stored, 20);
  fixed.writeUInt32LE(size, 24);
  fixed.writeUInt16LE(nameBytes.length, 28);
  fixed.writeUInt16LE(extra.length, 30);
  fixed.writeUInt32LE(header, 42);
  return Buffer.concat([fixed, nameBytes, extra]);
}

/** 1980-01-01. */
const firstDay = 0x21;

function zip64Field(numbers: readonly number[]): Uint8Array {
  const field = Buffer.alloc(4 + 8 * numbers.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * numbers.length, 2);
  for (const [i, number] of numbers.entries()) field.writeBigUInt64LE(BigInt(number), 4 + 8 * i);
  return field;
}

/** As PyTorch pads: a field `FB` of so many bytes. */
function paddingField(length: number): Uint8Array {
  const field = Buffer.alloc(4 + length);
  field.write('FB', 'latin1');
  field.writeUInt16LE(length, 2);
  return field;
}

function endRecords({ count, start, size }: { count: number; start: number; size: number }): Uint8Array {
  const records: Buffer[] = [];
  if (count >= full16 || start >= full32 || size >= full32) {
    const wide = Buffer.alloc(end64Bytes + locatorBytes);
    wide.writeUInt32LE(end64Signature, 0);
    wide.writeBigUInt64LE(BigInt(end64Bytes - 12), 4);
    wide.writeUInt16LE(45, 12);
    wide.writeUInt16LE(45, 14);
    for (const [i, number] of [count, count, size, start].entries()) wide.writeBigUInt64LE(BigInt(number), 24 + 8 * i);
    wide.writeUInt32LE(locatorSignature, end64Bytes);
    wide.writeBigUInt64LE(BigInt(start + size), end64Bytes + 8);
    wide.writeUInt32LE(1, end64Bytes + 16);
    records.push(wide);
  }
  const end = Buffer.alloc(endBytes);
  end.writeUInt32LE(endSignature, 0);
  end.writeUInt16LE(Math.min(count, full16), 8);
  end.writeUInt16LE(Math.min(count, full16), 10);
  end.writeUInt32LE(Math.min(size, full32), 12);
  end.writeUInt32LE(Math.min(start, full32), 16);
  return Buffer.concat([...records, end]);
}
