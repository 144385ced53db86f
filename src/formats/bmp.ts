// Reads BMP images: 1, 4, 8, 16, 24 and 32 bits a pixel, with a palette, color masks or run lengths; the bytes are those that Pillow gives.
// Format: https://learn.microsoft.com/windows/win32/gdi/bitmap-storage; the short header is that of OS/2.

import { failFor } from './format-error.ts';
import { checkRasterSize } from './shape.ts';
import type { Raster, RasterOptions } from './shape.ts';

const fail = failFor('bmp');

const compressions = ['none', 'RLE8', 'RLE4', 'bit fields', 'JPEG', 'PNG', 'bit fields'] as const;
/** Red, green and blue of pixels that say nothing else. */
const usualMasks: Readonly<Record<number, readonly number[]>> = {
  16: [0x7c00, 0x3e0, 0x1f],
  32: [0xff0000, 0xff00, 0xff],
};

interface Header {
  width: number;
  height: number;
  topDown: boolean;
  bits: number;
  compression: (typeof compressions)[number];
  /** Of red, green and blue. */
  masks: readonly number[];
  /** `(r, g, b)` of each index; empty above 8 bits. */
  palette: Uint8Array;
  dataStart: number;
}

/**
 * Parses the bytes of a whole BMP file; the image comes as RGB, transparency dropped.
 *
 * @throws FormatError `magic`, `version`, `truncated`, `shape`, `too-large`, `dtype` for a kind of pixels that is not known,
 * `compression` for run lengths that leave the image.
 */
export function parseBmp(bytes: Uint8Array, options: RasterOptions = {}): Raster {
  const header = readHeader(bytes, options);
  const { width, height, bits, compression, palette } = header;
  if (compression === 'RLE8' || compression === 'RLE4') {
    return { width, height, channels: 3, data: colored(unpackRuns(bytes, header), palette) };
  }
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  const lastBytes = Math.ceil((width * bits) / 8); // some writers leave out the padding of the last row
  const needed = header.dataStart + rowBytes * (height - 1) + lastBytes;
  if (bytes.length < needed) {
    throw fail(
      'truncated',
      `${width}x${height} pixels of ${bits} bits end at byte ${needed}, the file has ${bytes.length}`,
    );
  }
  const rowStart = (y: number): number => header.dataStart + rowBytes * (header.topDown ? y : height - 1 - y);
  if (bits <= 8) {
    const indices = new Uint8Array(width * height);
    for (let y = 0, i = 0; y < height; y++) {
      const start = rowStart(y);
      for (let x = 0; x < width; x++) indices[i++] = indexAt(bytes, start, { x, bits });
    }
    return { width, height, channels: 3, data: colored(indices, palette) };
  }
  const data = new Uint8Array(width * height * 3);
  const fill = bits === 24 ? copyBgr : unmask;
  for (let y = 0; y < height; y++)
    fill(bytes, rowStart(y), { header, row: data.subarray(y * width * 3, (y + 1) * width * 3) });
  return { width, height, channels: 3, data };
}

function readHeader(bytes: Uint8Array, { maxPixels }: RasterOptions): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== 0x42 || bytes[1] !== 0x4d)
    throw fail('magic', 'a BMP file starts with "BM", this one does not', { byteOffset: 0 });
  if (bytes.length < 26) throw fail('truncated', `the file ends after ${bytes.length} bytes, inside its header`);
  const headerBytes = view.getUint32(14, true);
  const short = headerBytes === 12;
  if (!short && (headerBytes < 40 || headerBytes > 124)) {
    throw fail('version', `a header of ${headerBytes} bytes is unknown; 12 and 40 to 124 are known`, {
      byteOffset: 14,
    });
  }
  const paletteStart = 14 + headerBytes;
  if (bytes.length < paletteStart)
    throw fail('truncated', `the header should end at byte ${paletteStart}, the file has ${bytes.length}`);
  const width = short ? view.getUint16(18, true) : view.getInt32(18, true);
  const signed = short ? view.getUint16(20, true) : view.getInt32(22, true);
  const height = Math.abs(signed);
  const bits = view.getUint16(short ? 24 : 28, true);
  const compression = short ? 'none' : compressions[view.getUint32(30, true)];
  checkRasterSize(width, height, { maxPixels: maxPixels ?? 1e8, fail });
  const runs = compression === 'RLE8' ? 8 : compression === 'RLE4' ? 4 : undefined;
  const known =
    runs === undefined
      ? compression === 'none'
        ? [1, 4, 8, 16, 24, 32].includes(bits)
        : compression === 'bit fields' && (bits === 16 || bits === 32)
      : runs === bits && signed > 0;
  if (!known || compression === undefined) {
    throw fail('dtype', `${bits} bits a pixel with compression ${compression ?? 'of an unknown kind'} cannot be read`, {
      byteOffset: 28,
    });
  }
  const separate = compression === 'bit fields' && headerBytes === 40; // the masks stand between header and palette
  const masksStart = separate ? paletteStart : 54;
  if (compression === 'bit fields' && bytes.length < masksStart + 12)
    throw fail('truncated', 'the file ends before its color masks');
  const masks =
    compression === 'bit fields'
      ? [0, 4, 8].map((at) => view.getUint32(masksStart + at, true))
      : (usualMasks[bits] ?? []);
  const entryBytes = short ? 3 : 4;
  const announced = short || bits > 8 ? 0 : view.getUint32(46, true);
  const entries = bits > 8 ? 0 : Math.min(announced === 0 ? 2 ** bits : announced, 2 ** bits);
  const paletteBytes = entries * entryBytes;
  if (bytes.length < paletteStart + paletteBytes) throw fail('truncated', 'the file ends inside its palette');
  const palette = new Uint8Array(3 * (bits > 8 ? 0 : 2 ** bits)); // what it does not name is black
  for (let i = 0; i < entries; i++) {
    for (let k = 0; k < 3; k++) palette[3 * i + k] = bytes[paletteStart + entryBytes * i + 2 - k]!;
  }
  const dataStart = view.getUint32(10, true);
  return { width, height, topDown: signed < 0, bits, compression, masks, palette, dataStart };
}

function indexAt(bytes: Uint8Array, start: number, { x, bits }: { x: number; bits: number }): number {
  const at = x * bits;
  return (bytes[start + (at >> 3)]! >> (8 - bits - (at & 7))) & ((1 << bits) - 1);
}

function colored(indices: Uint8Array, palette: Uint8Array): Uint8Array {
  const data = new Uint8Array(indices.length * 3);
  for (let i = 0; i < indices.length; i++) {
    for (let k = 0; k < 3; k++) data[3 * i + k] = palette[3 * indices[i]! + k]!;
  }
  return data;
}

interface Row {
  header: Header;
  /** Where `(r, g, b)` of each pixel go. */
  row: Uint8Array;
}

function copyBgr(bytes: Uint8Array, start: number, { row }: Row): void {
  for (let i = 0; i < row.length; i += 3) {
    for (let k = 0; k < 3; k++) row[i + k] = bytes[start + i + 2 - k]!;
  }
}

/** Pixels of 16 or 32 bits, a part of which is each color. */
function unmask(bytes: Uint8Array, start: number, { header: { bits, masks }, row }: Row): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = masks.map((mask) => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
    return { mask, shift, most: mask >>> shift };
  });
  for (let x = 0; 3 * x < row.length; x++) {
    const pixel = bits === 16 ? view.getUint16(start + 2 * x, true) : view.getUint32(start + 4 * x, true);
    parts.forEach(({ mask, shift, most }, k) => {
      row[3 * x + k] = most === 0 ? 0 : Math.floor((((pixel & mask) >>> shift) * 255) / most);
    });
  }
}

/** Indices out of run lengths, first row first. What they skip is index 0. */
function unpackRuns(bytes: Uint8Array, { width, height, compression, dataStart }: Header): Uint8Array {
  const indices = new Uint8Array(width * height);
  const nibbles = compression === 'RLE4';
  let [at, x, y] = [dataStart, 0, 0]; // y counts from the bottom
  const next = (): number => {
    if (at >= bytes.length) throw fail('truncated', 'the file ends inside its run lengths');
    return bytes[at++]!;
  };
  const put = (index: number): void => {
    if (y >= height) throw fail('compression', 'its run lengths go on after the last row', { byteOffset: at });
    if (x < width) indices[(height - 1 - y) * width + x] = index; // more than a row holds is padding
    x++;
  };
  for (;;) {
    if (y >= height) return indices; // some writers leave out the mark of the end
    const [count, value] = [next(), next()];
    if (count > 0) {
      for (let i = 0; i < count; i++) put(nibbles ? (i % 2 === 0 ? value >> 4 : value & 15) : value);
    } else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) return indices;
    else if (value === 2) [x, y] = [x + next(), y + next()];
    else {
      const stretch = nibbles ? Math.ceil(value / 2) : value;
      for (let i = 0, byte = 0; i < value; i++) {
        if (!nibbles || i % 2 === 0) byte = next();
        put(nibbles ? (i % 2 === 0 ? byte >> 4 : byte & 15) : byte);
      }
      if (stretch % 2 === 1) next(); // stretches end at an even byte
    }
  }
}
