// Zip archives: what PyTorch and NumPy write, what we write, and archives that break each rule.
import { deflateRawSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { failFor, type FormatErrorCode } from './format-error.ts';
import { openBytes } from './read-file.ts';
import { bytes } from './testing/archives.ts';
import { serializeZip, type ZipWriteOptions } from './zip-writer.ts';
import { Zip, type ZipOptions } from './zip.ts';

const open = (file: Uint8Array, options?: ZipOptions): Zip => new Zip(openBytes(file), failFor('zip'), options);
const write = (contents: Readonly<Record<string, string>>, options?: ZipWriteOptions): Buffer =>
  Buffer.concat([
    ...serializeZip(
      Object.entries(contents).map(([name, text]) => ({ name, pieces: [bytes(text)] })),
      options,
    ),
  ]);
const read = (zip: Zip, name: string): string => Buffer.from(zip.read(zip.entries.get(name)!)).toString();

/** An archive with some bytes changed; `at` says where, from the last place where `signature` stands. */
function patched(file: Buffer, signature: string, at: number, change: Uint8Array): Buffer {
  const copy = Buffer.from(file);
  const start = copy.lastIndexOf(bytes(signature));
  copy.set(change, start + at);
  return copy;
}
const local = 'PK\x03\x04';
const central = 'PK\x01\x02';
const end = 'PK\x05\x06';
const u16 = (value: number): Buffer => Buffer.from([value & 255, value >> 8]);
const u32 = (value: number): Buffer => bytes(u16(value & 0xffff), u16(value >>> 16));

describe('zip archives', () => {
  it.each([{ compress: false }, { compress: true }, { alignment: 1 }, { alignment: 4096 }])(
    'come back: %o',
    (options) => {
      const zip = open(write({ 'a/b': 'hello', empty: '', é: 'x'.repeat(1000) }, options));
      expect([...zip.entries.keys()]).toEqual(['a/b', 'empty', 'é']);
      expect([...zip.entries.keys()].map((name) => read(zip, name))).toEqual(['hello', '', 'x'.repeat(1000)]);
      const { alignment = 64 } = options as ZipWriteOptions;
      for (const { position } of zip.entries.values()) expect(position % alignment).toBe(0);
    },
  );

  it('hand their content on piece by piece', () => {
    const pieces: Uint8Array[] = [];
    const zip = open(write({ a: 'y'.repeat(3_000_000) }));
    zip.stream(zip.entries.get('a')!, (piece) => pieces.push(Uint8Array.from(piece)));
    expect(pieces.length).toBeGreaterThan(1);
    expect(Buffer.concat(pieces).toString()).toBe('y'.repeat(3_000_000));
  });

  it('may have names that lead elsewhere, since nothing is extracted, and a comment', () => {
    const file = bytes(write({ '../../etc/passwd': 'a', '/abs': 'b' }), 'note');
    const zip = open(patched(file, end, 20, u16(4)));
    expect(read(zip, '../../etc/passwd') + read(zip, '/abs')).toBe('ab');
  });

  it('are written with zip64 records for 70,000 entries', () => {
    const contents = Array.from({ length: 70_000 }, (_, i) => ({ name: String(i), pieces: [] }));
    expect(open(Buffer.concat([...serializeZip(contents)])).entries.size).toBe(70_000);
  });
});

/** An archive with an entry inside of the data of another, all numbers right: what bombs are made of. */
function nested(): Buffer {
  const inner = write({ inner: 'data' }, { alignment: 1 });
  const directory = inner.lastIndexOf(bytes(central));
  const outer = write({ outer: inner.toString('latin1', 0, directory) }, { alignment: 64 });
  const both = bytes(
    outer.subarray(0, outer.lastIndexOf(bytes(end))),
    patched(inner, central, 42, u32(64)).subarray(directory, inner.lastIndexOf(bytes(end))),
    outer.subarray(outer.lastIndexOf(bytes(end))),
  );
  return patched(both, end, 8, bytes(u16(2), u16(2), u32(2 * (46 + 5))));
}

describe('archives are refused', () => {
  const file = write({ first: 'hello', other: 'world' });
  const small = write({ other: 'world' });

  it('at every length but their own', () => {
    for (let length = 0; length < file.length; length++) {
      expect(() => open(file.subarray(0, length)), `${length} bytes`).toThrow(refusal('truncated', 'end record'));
    }
    expect(() => open(bytes(file, 'x'))).toThrow(refusal('truncated'));
  });

  it.each<[string, FormatErrorCode, Buffer, ...string[]]>([
    [
      'a name that occurs twice',
      'duplicate-key',
      Buffer.from(file.toString('latin1').replaceAll('first', 'other'), 'latin1'),
      'other',
    ],
    ['an entry that lies over another', 'offsets', nested(), 'inner', 'overlaps'],
    ['two entries that are one', 'size-mismatch', patched(file, central, 42, u32(0)), 'other'],
    ['an entry behind the end', 'offsets', patched(file, central, 42, u32(9999)), 'outside'],
    ['more entries than there are', 'size-mismatch', patched(small, end, 8, bytes(u16(2), u16(2))), 'fit'],
    ['fewer entries than there are', 'size-mismatch', patched(file, end, 8, bytes(u16(1), u16(1))), 'more'],
    ['a directory outside of the file', 'offsets', patched(file, end, 16, u32(99_999)), 'directory'],
    ['several parts', 'offsets', patched(file, end, 4, u16(1)), 'parts'],
    ['an unknown method', 'compression', patched(file, central, 10, u16(99)), '99'],
    ['an encrypted entry', 'compression', patched(file, central, 8, u16(1)), 'encrypted'],
    ['a name that is not UTF-8', 'utf8', patched(file, central, 46, bytes('\xff\xfe')), 'UTF-8'],
    ['a stored size of two', 'size-mismatch', patched(file, central, 24, u32(6)), 'stored'],
    ['a size that goes beyond the data', 'offsets', patched(file, central, 20, bytes(u32(900), u32(900))), 'beyond'],
    ['headers that differ in size', 'size-mismatch', patched(file, local, 18, bytes(u32(4), u32(4))), 'agree'],
    ['headers that differ in method', 'size-mismatch', patched(file, local, 8, u16(8)), 'agree'],
    ['headers that differ in name', 'size-mismatch', patched(file, local, 30, bytes('x')), 'agree'],
    ['a local header that is none', 'offsets', patched(file, local, 0, bytes('XX')), 'header'],
    ['zip64 fields that are missing', 'missing-field', patched(file, central, 24, u32(0xffffffff)), 'zip64'],
    ['an entry of the directory that is none', 'syntax', patched(file, central, 0, bytes('XX')), 'directory'],
  ])('%s', (_, code, hostile, ...mentions) => {
    expect(() => open(hostile)).toThrow(refusal(code, ...mentions));
  });

  it('where zip64 records lie outside of the file or disagree', () => {
    const many = Buffer.concat([
      ...serializeZip(Array.from({ length: 65_535 }, (_, i) => ({ name: String(i), pieces: [] }))),
    ]);
    expect(() => open(patched(many, 'PK\x06\x07', 8, Buffer.alloc(8, 255)))).toThrow(refusal('overflow'));
    expect(() => open(patched(many, 'PK\x06\x07', 8, bytes(u32(many.length), u32(0))))).toThrow(
      refusal('offsets', 'zip64'),
    );
    expect(() => open(patched(many, 'PK\x06\x06', 40, u32(7)))).toThrow(refusal('offsets', 'agree'));
    const more = bytes(u32(2 ** 18 + 1), u32(0), u32(2 ** 18 + 1), u32(0));
    expect(() => open(patched(many, 'PK\x06\x06', 24, more))).toThrow(refusal('too-large', '262145', '262144'));
  });

  it('where the content is not that of the checksum, unless that is not asked for', () => {
    const altered = Buffer.from(file);
    altered[altered.indexOf('world')] = 0x57;
    const zip = open(altered);
    expect(() => read(zip, 'other')).toThrow(refusal('checksum', 'other'));
    expect(() => zip.stream(zip.entries.get('other')!, () => {})).toThrow(refusal('checksum', 'other'));
    expect(read(open(altered, { verify: false }), 'other')).toBe('World');
  });

  it('where deflated data are damaged or of another size', () => {
    const zeros = '\0'.repeat(10_000);
    const whole = write({ a: zeros }, { compress: true });
    const { position } = open(whole).entries.get('a')!;
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, position, position + 4);
    expect(() => read(open(damaged), 'a')).toThrow(refusal('compression', 'a'));
    for (const [size, code] of [
      [9999, 'compression'],
      [10_001, 'size-mismatch'],
      [2 ** 31, 'too-large'],
    ] as const) {
      const told = patched(patched(whole, central, 24, u32(size)), local, 22, u32(size));
      expect(() => read(open(told), 'a'), String(size)).toThrow(refusal(size === 9999 ? 'size-mismatch' : code, 'a'));
    }
  });

  it('before a bomb inflates: many entries that share the allowance', () => {
    const bomb = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [String(i), '\0'.repeat(4_000_000)]));
    expect(() => open(write(bomb, { compress: true }))).toThrow(refusal('too-large', 'inflate', 'maxInflated'));
    expect(deflateRawSync(Buffer.alloc(4_000_000)).length).toBeLessThan(10_000);
  });
});
