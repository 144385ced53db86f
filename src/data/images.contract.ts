// Small image files, made for the tests that read some.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import sharp from 'sharp';
import { onTestFinished } from 'vitest';

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'retort-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface PictureOptions {
  width?: number;
  height?: number;
  /** Tells pictures from one another. */
  seed?: number;
}

/** Bytes `(height, width, 3)` of an image. */
export function pictureBytes({ width = 10, height = 8, seed = 0 }: PictureOptions = {}): Uint8Array {
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + seed * 31 + Math.floor(i / 50)) % 256);
}

/** Writes a picture and returns its path. The ending says the format. */
export async function writePicture(file: string, options: PictureOptions = {}): Promise<string> {
  const { width = 10, height = 8 } = options;
  mkdirSync(dirname(file), { recursive: true });
  await sharp(pictureBytes(options), { raw: { width, height, channels: 3 } }).toFile(file);
  return file;
}

/** Writes bytes or text, with the folders above. */
export function write(file: string, content: Uint8Array | string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}
