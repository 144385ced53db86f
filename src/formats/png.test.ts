// PNG as written here is read as it was by another program's decoder.
import sharp from 'sharp';
import { expect, it } from 'vitest';

import { serializePng } from './index.ts';

it.each([
  [3, 1, 1],
  [1, 5, 7],
  [3, 9, 4],
  [3, 64, 33],
] as const)('of %i channels, %i x %i', async (channels, height, width) => {
  const data = Uint8Array.from({ length: height * width * channels }, (_, i) => (i * i * 7 + (i >> 3)) & 255);
  const file = serializePng({ data, height, width, channels });
  const { data: read, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ height, width, format: 'raw' });
  const kept = read.filter((_, i) => i % info.channels < channels);
  expect([...kept]).toEqual([...data]);
  expect(serializePng({ data, height, width, channels }).equals(file)).toBe(true);
});

it('is small where a picture is smooth', () => {
  const [height, width] = [128, 128];
  const data = Uint8Array.from(
    { length: height * width * 3 },
    (_, i) => Math.floor(i / 3 / width) + (Math.floor(i / 3) % width),
  );
  expect(serializePng({ data, height, width, channels: 3 }).length).toBeLessThan(2000);
});
