// Writes PNG: 8 bits of red, green and blue, as small as deflate makes it, the same bytes each time, without waiting.
import { crc32, deflateSync } from 'node:zlib';

import type { Raster } from './shape.ts';

const signature = Buffer.from('89504e470d0a1a0a', 'hex');

/**
 * The file of a picture.
 * @param picture `data` has `height * width * channels` bytes, row by row; 3 channels are RGB, 1 is gray
 */
export function serializePng({ data, height, width, channels }: Omit<Raster, 'source'>): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 1 ? 0 : 2, 0, 0, 0], 8);
  const stride = width * channels;
  const rows = Buffer.alloc(height * (stride + 1));
  for (let y = 0; y < height; y++) writeRow(rows.subarray(y * (stride + 1), (y + 1) * (stride + 1)), y);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);

  /** Of five ways to say how a row differs from what is left of it and above, the one whose differences are the smallest. */
  function writeRow(into: Buffer, y: number): void {
    const at = (row: number, i: number): number => (row < 0 || i < 0 ? 0 : data[row * stride + i]!);
    let least = Infinity;
    for (const [filter, predicted] of filters.entries()) {
      const line = Buffer.alloc(stride);
      let sum = 0;
      for (let i = 0; i < stride; i++) {
        const [left, up, corner] = [at(y, i - channels), at(y - 1, i), i < channels ? 0 : at(y - 1, i - channels)];
        line[i] = (at(y, i) - predicted(left, up, corner)) & 255;
        sum += Math.abs(line.readInt8(i));
      }
      if (sum >= least) continue;
      least = sum;
      into[0] = filter;
      into.set(line, 1);
    }
  }
}

/** What a byte is expected to be, by what is left of it, above it, and left of that. */
const filters: readonly ((left: number, up: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_left, up) => up,
  (left, up) => (left + up) >> 1,
  paeth,
];

/** The neighbor that is nearest to `left + up - corner`. */
function paeth(left: number, up: number, corner: number): number {
  const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
