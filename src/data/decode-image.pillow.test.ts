// Decoding gives Pillow's bytes, for every mode and kind of file: test/fixtures/images/, made by tools/fixtures/images.py.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, it } from 'vitest';

import { RetortError } from '../errors.ts';
import { temporaryFolder, write } from './images.contract.ts';
import { decodeImage } from './index.ts';

interface Expected {
  /** Pillow's mode. */
  mode: string;
  width: number;
  height: number;
  /** Base64 of the bytes as RGB, and as gray. */
  rgb: string;
  l: string;
  /** Where the file has an orientation. */
  turned?: { width: number; height: number; rgb: string };
}

const folder = join(import.meta.dirname, '../../test/fixtures/images');
const table = JSON.parse(readFileSync(join(folder, 'images.json'), 'utf8')) as { files: Record<string, Expected> };

/** Decoders of lossy formats differ a little between versions of their libraries; all else is equal byte by byte. */
const allowed: Readonly<Record<string, number>> = { jpg: 2, avif: 2 };

it('every file of the folder is in the table', () => {
  expect(Object.keys(table.files).toSorted()).toEqual(
    readdirSync(folder)
      .filter((name) => name !== 'images.json')
      .toSorted(),
  );
});

it.each(Object.entries(table.files))('%s', async (name, { width, height, rgb, l, turned }) => {
  const file = join(folder, name);
  const most = allowed[name.split('.').at(-1)!] ?? (name.includes('lossy') ? 2 : 0);
  const near = (got: Uint8Array, base64: string): void => {
    const want = Buffer.from(base64, 'base64');
    expect(got.length).toBe(want.length);
    expect(got.reduce((worst, value, i) => Math.max(worst, Math.abs(value - want[i]!)), 0)).toBeLessThanOrEqual(most);
  };
  const plain = await decodeImage(file, { orient: false });
  expect(plain).toMatchObject({ width, height, channels: 3, source: file });
  near(plain.data, rgb);
  near((await decodeImage(file, { orient: false, channels: 1 })).data, l);
  const applied = await decodeImage(file);
  const want = turned ?? { width, height, rgb };
  expect(applied).toMatchObject({ width: want.width, height: want.height });
  near(applied.data, want.rgb);
});

it('throws nothing but RetortError and gives whole images, whatever is altered in a file', async () => {
  const target = join(temporaryFolder(), 'altered');
  const names = Object.keys(table.files);
  const altered = fc.record({
    name: fc.constantFrom(...names),
    changes: fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 4 }),
    cut: fc.option(fc.nat(600)),
  });
  await fc.assert(
    fc.asyncProperty(altered, async ({ name, changes, cut }) => {
      const bytes = Uint8Array.from(readFileSync(join(folder, name)));
      for (const [at, value] of changes) bytes[at] = value;
      write(target, bytes.subarray(0, cut ?? undefined));
      try {
        const { data, width, height } = await decodeImage(target, { maxPixels: 1e5 });
        expect(data.length).toBe(width * height * 3);
      } catch (error) {
        expect(error).toBeInstanceOf(RetortError);
      }
    }),
    { numRuns: 200, seed: 1 },
  );
});
