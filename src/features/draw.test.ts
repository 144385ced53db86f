// Numbers and pictures of feature maps: reductions, order of channels, cropping, grids, colors, as MMRazor's tests ask and by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { decodeImage } from '../data/index.ts';
import { serializePng } from '../formats/index.ts';
import { colorOf, shortNumber } from './colors.ts';
import { drawFeatureMap } from './draw.ts';
import type { DrawnMap } from './draw.ts';
import {
  croppedTo,
  difference,
  featureMap,
  rangeOf,
  reduceChannels,
  resized,
  shares,
  standardized,
  topChannels,
} from './numbers.ts';
import type { FeatureMap } from './numbers.ts';

/** A map of these channels, each a list of rows. */
function mapOf(...channels: number[][][]): FeatureMap {
  return featureMap(Float32Array.from(channels.flat(2)), [
    channels.length,
    channels[0]!.length,
    channels[0]![0]!.length,
  ]);
}

/** Numbers without a pattern, the same each time. */
function wild(channels: number, height: number, width: number): FeatureMap {
  const data = Float32Array.from({ length: channels * height * width }, (_, i) => Math.sin(i * i + 1) * 3);
  return featureMap(data, [channels, height, width]);
}

const image = (height: number, width: number, value = 128) => ({
  ...{ height, width },
  data: new Uint8Array(height * width * 3).fill(value),
});
const sizeOf = ({ height, width }: DrawnMap): number[] => [height, width];
const bare = { scaleBar: false } as const;

it('reduces channels in three ways', () => {
  const map = mapOf([[1, -2]], [[3, 0]], [[-1, 5]]);
  expect([...reduceChannels(map, 'squeeze_mean').data]).toEqual([1, 1]);
  expect([...reduceChannels(map, 'pixel_wise_max').data]).toEqual([3, 5]);
  expect([...reduceChannels(map, 'select_max').data]).toEqual([-1, 5]); // of sums -1, 3, 4
});

it('orders channels by their sums, equal ones as they stand', () => {
  const map = mapOf([[2, 2]], [[9, -9]], [[1, 3]], [[5, 6]]);
  expect(topChannels(map, 4)).toEqual([3, 0, 2, 1]);
  expect(topChannels(map, 2)).toEqual([3, 0]);
  expect(topChannels(map, 9)).toHaveLength(4);
});

it('brings channels to mean 0 and deviation 1 of n - 1', () => {
  const map = standardized(mapOf([[1, 2, 3]], [[7, 7, 7]]));
  expect([...map.data]).toEqual([-1, 0, 1, 0, 0, 0]);
  expect([...standardized(mapOf([[4]])).data]).toEqual([0]);
});

it('crops as inputs are padded, by the image’s ratio', () => {
  const map = mapOf([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
    [9, 10, 11, 12],
    [13, 14, 15, 16],
  ]);
  expect([...croppedTo(map, [20, 40]).data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]); // wide: rows below go
  expect([...croppedTo(map, [40, 20]).data]).toEqual([1, 2, 5, 6, 9, 10, 13, 14]);
  expect(croppedTo(map, [7, 7])).toBe(map);
  expect(croppedTo(map, [1, 100]).shape).toEqual([1, 1, 4]); // a row stays
});

it('interpolates as torch does without aligned corners', () => {
  const plane = { data: Float32Array.of(0, 1, 2, 3), height: 2, width: 2 };
  // torch.nn.functional.interpolate(torch.arange(4.).reshape(1, 1, 2, 2), (4, 4), mode='bilinear')
  const rows = [
    [0, 0.25, 0.75, 1],
    [0.5, 0.75, 1.25, 1.5],
    [1.5, 1.75, 2.25, 2.5],
    [2, 2.25, 2.75, 3],
  ];
  expect([...resized(plane, [4, 4]).data]).toEqual(rows.flat());
  const line = { data: Float32Array.of(0, 1, 2, 3, 4, 5), height: 1, width: 6 };
  expect([...resized(line, [1, 2]).data]).toEqual([1, 4]); // interpolate(..., (1, 2)): places 1 and 4
  expect([...resized(line, [3, 6]).data]).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
});

it('differences are absolute, of maps of one shape', () => {
  expect([...difference(mapOf([[1, 5]]), mapOf([[4, 3]])).data]).toEqual([3, 2]);
  expect(() => difference(mapOf([[1, 5]]), mapOf([[4], [3]]))).toThrow(
    refusal('mismatch', '[1, 1, 2]', '[1, 2, 1]', 'connector'),
  );
});

it('scales values to a range, and says what has no color', () => {
  const plane = { data: Float32Array.of(-1, 0, 3), height: 1, width: 3 };
  expect(rangeOf([plane])).toEqual([-1, 3]);
  expect([...shares(plane, [-1, 3])]).toEqual([0, 0.25, 1]);
  expect([...shares(plane, [0, 1])]).toEqual([0, 0, 1]);
  expect([...shares(plane, [2, 2])]).toEqual([0, 0, 0]);
  for (const value of [NaN, Infinity])
    expect(() => drawFeatureMap(mapOf([[1, value]]))).toThrow(refusal('not-finite', String(value)));
});

it('colors grow lighter all the way, from viridis’ first to its last', () => {
  expect(colorOf(0)).toEqual([0x44, 0x01, 0x54]);
  expect(colorOf(1)).toEqual([0xfd, 0xe7, 0x25]);
  const lightness = Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = colorOf(i / 255);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
  for (let i = 8; i < 256; i += 8) expect(lightness[i]!).toBeGreaterThan(lightness[i - 8]!);
});

// As `tests/test_visualizer` of MMRazor.
it('pictures have the sizes of the original', () => {
  expect(sizeOf(drawFeatureMap(wild(1, 4, 3), { ...bare, resizeShape: [6, 7] }))).toEqual([6, 7]);
  expect(sizeOf(drawFeatureMap(wild(1, 4, 3), { ...bare, resizeShape: [6, 7], image: image(3, 3) }))).toEqual([6, 7]);
  for (const channelReduction of ['squeeze_mean', 'select_max', 'pixel_wise_max'] as const) {
    expect(sizeOf(drawFeatureMap(wild(2, 3, 3), { ...bare, channelReduction }))).toEqual([3, 3]);
    expect(sizeOf(drawFeatureMap(wild(2, 4, 3), { ...bare, channelReduction, image: image(3, 3) }))).toEqual([3, 3]);
  }
  const channels = { ...bare, channelReduction: null };
  expect(sizeOf(drawFeatureMap(wild(6, 3, 3), { ...bare, channelReduction: 'select_max', topk: 10 }))).toEqual([3, 3]);
  expect(sizeOf(drawFeatureMap(wild(1, 4, 3), { ...channels, topk: 0 }))).toEqual([4, 3]);
  expect(sizeOf(drawFeatureMap(wild(6, 3, 3), { ...channels, topk: 4, arrangement: [2, 2] }))).toEqual([6, 6]);
  expect(sizeOf(drawFeatureMap(wild(6, 3, 3), { ...channels, topk: 4, arrangement: [1, 4] }))).toEqual([3, 12]);
  const gray = drawFeatureMap(wild(6, 3, 3), { ...channels, topk: 4, arrangement: [2, 2], image: image(3, 3) });
  expect(sizeOf(gray)).toEqual([6, 6]);
  expect(gray.channels).toEqual(topChannels(wild(6, 3, 3), 4));
});

it('refuses what the original refuses, and says why', () => {
  const map = wild(6, 3, 3);
  expect(() => featureMap(map.data, [1, 6, 3, 3])).toThrow(refusal('invalid-argument', '(C, H, W)', '[1, 6, 3, 3]'));
  expect(() => drawFeatureMap(map, { channelReduction: 'xx' as never })).toThrow(
    refusal('invalid-argument', 'channelReduction', 'squeeze_mean', 'xx'),
  );
  expect(() => drawFeatureMap(map, { channelReduction: null, topk: 0 })).toThrow(
    refusal('invalid-argument', 'topk', 6),
  );
  expect(() => drawFeatureMap(map, { channelReduction: null, topk: 4, arrangement: [1, 2] })).toThrow(
    refusal('invalid-argument', 'arrangement', 4, 2),
  );
  expect(() => drawFeatureMap(map, { range: [2, 1] })).toThrow(refusal('invalid-argument', 'range'));
  expect(() => drawFeatureMap(map, { alpah: 1 } as never)).toThrow(refusal('unknown-option', 'alpah', 'alpha'));
});

it('lays colors over the image by alpha, and tiles where they belong', () => {
  const map = mapOf([[0, 1]]);
  const over = drawFeatureMap(map, { ...bare, image: image(1, 2, 200), alpha: 0.25 });
  const mixed = [...colorOf(0), ...colorOf(1)].map((value) => Math.round(0.75 * 200 + 0.25 * value));
  expect([...over.data]).toEqual(mixed);
  const two = drawFeatureMap(mapOf([[0]], [[4]]), { ...bare, channelReduction: null, topk: 2, arrangement: [2, 2] });
  // the stronger one first, one scale for both, white where there is no channel
  expect([...two.data]).toEqual([...colorOf(1), ...colorOf(0), 255, 255, 255, 255, 255, 255]);
  expect(two.range).toEqual([0, 4]);
  expect(two.channels).toEqual([1, 0]);
});

it('numbers of the scale are short', () => {
  expect([1234.5, 0.000012345, -3, 0.1 + 0.2].map(shortNumber)).toEqual(['1230', '0.0000123', '-3', '0.3']);
});

/** Two round spots on a slope, in eight channels that differ in height. */
const spots = featureMap(
  Float32Array.from({ length: 8 * 16 * 16 }, (_, i) => {
    const [channel, y, x] = [Math.floor(i / 256), Math.floor(i / 16) % 16, i % 16];
    const spot = (cy: number, cx: number): number => Math.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 12);
    return (channel + 1) * (spot(4, 4) - 0.5 * spot(11, 10)) + (0.3 * (channel % 3) * x) / 16;
  }),
  [8, 16, 16],
);
/** A face of a clock, dark on light. */
const face = {
  ...{ height: 96, width: 96 },
  data: Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => {
    const [y, x] = [Math.floor(i / 3 / 96) - 48, (Math.floor(i / 3) % 96) - 48];
    return Math.abs(Math.hypot(x, y) - 40) < 3 || (Math.abs(x) < 2 && y < 0 && y > -30) ? 30 : 225;
  }),
};

// Kept pictures: RETORT_WRITE_PICTURES=1 writes them again, to be looked at.
it.each([
  ['mean', drawFeatureMap(spots, { resizeShape: [96, 96] })],
  ['overlay', drawFeatureMap(spots, { channelReduction: 'pixel_wise_max', image: face, alpha: 0.5 })],
  ['grid', drawFeatureMap(spots, { channelReduction: null, topk: 6, arrangement: [2, 3], resizeShape: [64, 64] })],
])('looks as the kept picture: %s', async (name, { height, width, data }) => {
  const path = fileURLToPath(new URL(`fixtures/${name}.png`, import.meta.url));
  const bytes = serializePng({ height, width, channels: 3, data });
  if (process.env['RETORT_WRITE_PICTURES'] === '1') writeFileSync(path, bytes);
  const kept = await decodeImage(new Uint8Array(readFileSync(path)));
  expect([kept.height, kept.width]).toEqual([height, width]);
  // The last bit of an exponential may differ between processors.
  const off = kept.data.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i]!)), 0);
  expect(off).toBeLessThanOrEqual(2);
});
