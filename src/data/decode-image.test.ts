// Decoding: the same bytes as were written, for every kind of file; a clear error for every kind of bad one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';

import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';

import { decodeImage } from './index.ts';
import { pictureBytes, temporaryFolder, write, writePicture } from './images.contract.ts';
import { refusal } from '../../test/refusal.ts';

const raw = { raw: { width: 10, height: 8, channels: 3 as const } };

describe('decodeImage', () => {
  it('gives the bytes of files without loss, whatever their kind', async () => {
    const folder = temporaryFolder();
    const bytes = pictureBytes();
    const kinds: Record<string, Sharp> = {
      'a.png': sharp(bytes, raw),
      'palette.png': sharp(bytes, raw).png({ palette: true, dither: 0 }),
      'deep.png': sharp(bytes, raw).toColourspace('rgb16'),
      'transparent.png': sharp(bytes, raw).ensureAlpha(0.5),
      'a.tif': sharp(bytes, raw).tiff({ compression: 'lzw' }),
      'a.webp': sharp(bytes, raw).webp({ lossless: true }),
    };
    for (const [name, image] of Object.entries(kinds)) {
      const file = join(folder, name);
      await image.toFile(file);
      const { data, ...about } = await decodeImage(file);
      expect(about).toEqual({ height: 8, width: 10, channels: 3, source: file });
      expect(Array.from(data), name).toEqual(Array.from(bytes));
    }
  });

  it('turns JPEG as their orientation says, and makes gray RGB and RGB gray', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'turned.jpg');
    await sharp(pictureBytes(), raw).withMetadata({ orientation: 6 }).toFile(file);
    expect(await decodeImage(file)).toMatchObject({ height: 10, width: 8, channels: 3 });
    const gray = join(folder, 'gray.png');
    await sharp(Uint8Array.from([0, 50, 100, 200]), { raw: { width: 2, height: 2, channels: 1 } }).toFile(gray);
    expect(Array.from((await decodeImage(gray)).data)).toEqual(
      [0, 50, 100, 200].flatMap((value) => [value, value, value]),
    );
    expect(Array.from((await decodeImage(gray, { channels: 1 })).data)).toEqual([0, 50, 100, 200]);
  });

  it('names the file and says what is wrong with it', async () => {
    const folder = temporaryFolder();
    const png = await writePicture(join(folder, 'a.png'), { width: 60, height: 60 });
    const jpg = await writePicture(join(folder, 'a.jpg'), { width: 60, height: 60 });
    const cut = (file: string, name: string): string => {
      const bytes = readFileSync(file);
      return write(join(folder, name), bytes.subarray(0, bytes.length - 200));
    };
    await expect(decodeImage(cut(png, 'cut.png'))).rejects.toThrow(refusal('invalid-file', 'cut.png'));
    await expect(decodeImage(cut(jpg, 'cut.jpg'))).rejects.toThrow(refusal('invalid-file', 'cut.jpg'));
    await expect(decodeImage(write(join(folder, 'page.jpg'), '<html>not found</html>'))).rejects.toThrow(
      refusal('invalid-file', 'page.jpg', 'JPEG', 'PNG', 'WebP', 'GIF', 'TIFF', 'AVIF', 'BMP', 'Netpbm', 3, 68746),
    );
    await expect(
      decodeImage(write(join(folder, 'x.png'), '<svg xmlns="http://www.w3.org/2000/svg"/>')),
    ).rejects.toThrow(refusal('invalid-file', 'x.png', 'JPEG'));
    await expect(decodeImage(write(join(folder, 'none.png'), ''))).rejects.toThrow(refusal('invalid-file', 'none.png'));
    await expect(decodeImage(join(folder, 'a.pgn'))).rejects.toThrow(refusal('not-found', 'a.pgn', 'a.png'));
    await expect(decodeImage(folder)).rejects.toThrow(refusal('file-system', folder));
  });

  it('refuses an image of more pixels than allowed before it takes memory', async () => {
    const folder = temporaryFolder();
    const bomb = write(join(folder, 'bomb.png'), largePng(60_000, 60_000));
    await expect(decodeImage(bomb)).rejects.toThrow(
      refusal('invalid-file', 'bomb.png', '100000000 pixels', 'maxPixels'),
    );
    const small = await writePicture(join(folder, 'a.png'));
    await expect(decodeImage(small, { maxPixels: 79 })).rejects.toThrow(refusal('invalid-file', '79 pixels'));
    expect((await decodeImage(small, { maxPixels: 80 })).width).toBe(10);
  });
});

/** A PNG file of a few bytes that announces a huge image. */
function largePng(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const start = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([start, chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.alloc(1000)))]);
}

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
