// Reads the images of Netpbm: PBM, PGM and PPM, plain (P1 to P3) and binary (P4 to P6); the bytes are those that Pillow gives, but for
// more than 8 bits of gray, which Pillow clips: of those it is the high byte.
// Format: https://netpbm.sourceforge.net/doc/ppm.html

import { failFor } from './format-error.ts';
import { checkRasterSize } from './shape.ts';
import type { Raster, RasterOptions } from './shape.ts';

const fail = failFor('pnm');

const [hash, newline, slash0, colon] = [0x23, 0x0a, 0x2f, 0x3a];
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13);

/**
 * Parses the first image of a PBM, PGM or PPM file: one channel for the first two, three for the last.
 *
 * @throws FormatError `magic`, `syntax`, `shape`, `too-large`, `truncated`.
 */
export function parsePnm(bytes: Uint8Array, { maxPixels = 1e8 }: RasterOptions = {}): Raster {
  const kind = bytes[0] === 0x50 ? (bytes[1] ?? 0) - 0x30 : 0;
  if (kind < 1 || kind > 6)
    throw fail('magic', 'a Netpbm image starts with P1 to P6, this one does not', { byteOffset: 0 });
  const reader = new Reader(bytes);
  const [width, height] = [reader.number('width'), reader.number('height')];
  checkRasterSize(width, height, { maxPixels, fail });
  const bilevel = kind === 1 || kind === 4;
  const most = bilevel ? 1 : reader.number('largest value');
  if (most < 1 || most > 65_535) throw fail('syntax', `expected a largest value of 1 to 65535, got ${most}`);
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const samples = width * height * channels;
  if (kind > 3) reader.endHeader();
  if (kind === 4) return { width, height, channels, data: reader.bits(width, height) };
  const values = kind > 3 ? reader.binary(samples, most) : reader.plain(samples, { bilevel, most });
  return { width, height, channels, data: bilevel ? values.map((bit) => 255 - bit) : values };
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 2;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next integer, after spaces and comments. */
  number(what: string): number {
    this.#skip(what);
    const start = this.#at;
    let value = 0;
    for (
      let byte = this.#bytes[this.#at];
      byte !== undefined && byte > slash0 && byte < colon;
      byte = this.#bytes[++this.#at]
    ) {
      value = value * 10 + byte - 0x30;
      if (value > 1e9) break;
    }
    if (this.#at === start || value > 1e9)
      throw fail('syntax', `expected a number for the ${what}`, { byteOffset: start });
    return value;
  }

  /** One space stands between the header and binary data. */
  endHeader(): void {
    if (!isSpace(this.#bytes[this.#at++]))
      throw fail('syntax', 'expected a space after the header', { byteOffset: this.#at - 1 });
  }

  /** Rows of bits, 1 for black, each filled up to a whole byte. */
  bits(width: number, height: number): Uint8Array {
    const rowBytes = Math.ceil(width / 8);
    this.#need(rowBytes * height);
    const data = new Uint8Array(width * height);
    for (let y = 0, i = 0; y < height; y++) {
      const start = this.#at + y * rowBytes;
      for (let x = 0; x < width; x++) data[i++] = (this.#bytes[start + (x >> 3)]! >> (7 - (x & 7))) & 1 ? 0 : 255;
    }
    return data;
  }

  binary(count: number, most: number): Uint8Array {
    const wide = most > 255;
    this.#need(wide ? 2 * count : count);
    const [bytes, at] = [this.#bytes, this.#at];
    if (most === 255) return bytes.slice(at, at + count);
    const scaled = scale(most, this.#gray);
    return Uint8Array.from({ length: count }, (_, i) =>
      scaled(wide ? (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]! : bytes[at + i]!),
    );
  }

  plain(count: number, { bilevel, most }: { bilevel: boolean; most: number }): Uint8Array {
    this.#need(bilevel ? count : 2 * count - 1); // before memory is taken: a digit each, and spaces between
    const data = new Uint8Array(count);
    const scaled = scale(most, this.#gray);
    for (let i = 0; i < count; i++) data[i] = scaled(bilevel ? this.#digit() : this.number('pixels'));
    return data;
  }

  get #gray(): boolean {
    return this.#bytes[1] === 0x32 || this.#bytes[1] === 0x35;
  }

  /** Bits need no space between them. */
  #digit(): number {
    this.#skip('pixels');
    const bit = this.#bytes[this.#at++]! - 0x30;
    if (bit === 0 || bit === 1) return bit;
    throw fail('syntax', 'expected 0 or 1', { byteOffset: this.#at - 1 });
  }

  #skip(what: string): void {
    for (let byte = this.#bytes[this.#at]; isSpace(byte) || byte === hash; byte = this.#bytes[++this.#at]) {
      if (byte === hash) while (this.#at < this.#bytes.length && this.#bytes[this.#at] !== newline) this.#at++;
    }
    if (this.#at >= this.#bytes.length) throw fail('truncated', `the file ends before its ${what}`);
  }

  #need(count: number): void {
    const there = this.#bytes.length - this.#at;
    if (there < count)
      throw fail('truncated', `its pixels take at least ${count} bytes, of which ${there} are there`, {
        byteOffset: this.#at,
      });
  }
}

/** To 0 to 255, halves to the even number; more than 8 bits of gray over 16 bits, of which the high byte is taken. */
function scale(most: number, gray: boolean): (value: number) => number {
  const deep = gray && most > 255;
  const target = deep ? 65_535 : 255;
  return (value) => {
    const exact = (value / most) * target;
    const low = Math.floor(exact);
    const over = exact - low;
    const rounded = over > 0.5 || (over === 0.5 && low % 2 === 1) ? low + 1 : low;
    return Math.min(target, rounded) >> (deep ? 8 : 0);
  };
}
