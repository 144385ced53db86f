// The operations of AutoAugment and RandAugment equal plain loops over bytes, which do what Pillow does.
import { describe, expect, it } from 'vitest';

import { tidy } from '../../../torch/index.ts';
import { pictures } from '../transform.contract.ts';
import { operate, operations } from './index.ts';
import type { OperationLook, OperationName } from './index.ts';
import { refusal } from '../../../../test/refusal.ts';

type Plane = number[][];
type Image = Plane[];

const samples = [3, 8, 20, 41];
const byte = (value: number): number => Math.min(255, Math.max(0, value));

/** The operation on four images, each with a magnitude of its own. */
function run(name: OperationName, magnitudes: readonly number[], look: OperationLook = {}): Image[] {
  return tidy(() => operations[name].run(pictures(samples), magnitudes, look).toArray()) as Image[];
}

function expected(loop: (image: Image, i: number) => Image): Image[] {
  return tidy(() => pictures(samples).toArray() as Image[]).map(loop);
}

const perValue = (change: (value: number) => number) => (image: Image) =>
  image.map((plane) => plane.map((row) => row.map(change)));

const luminance = ([r, g, b]: Image): Plane =>
  r!.map((row, y) =>
    row.map((red, x) => Math.floor((19595 * red + 38470 * g![y]![x]! + 7471 * b![y]![x]! + 32768) / 65536)),
  );

const blend = (image: Image, poor: Image, factor: number): Image =>
  image.map((plane, c) =>
    plane.map((row, y) =>
      row.map((value, x) => Math.trunc(byte(poor[c]![y]![x]! + factor * (value - poor[c]![y]![x]!)))),
    ),
  );

/** Moves pixels: what is at (x, y) comes from `from(x, y)`, the nearest pixel, 128 outside. */
const moved = (image: Image, from: (x: number, y: number) => [x: number, y: number]): Image =>
  image.map((plane) =>
    plane.map((row, y) =>
      row.map((_, x) => {
        const [fromX, fromY] = from(x, y).map(Math.round) as [number, number];
        return plane[fromY]?.[fromX] ?? 128;
      }),
    ),
  );

describe('tables', () => {
  it('AutoContrast', () => {
    const loop = (image: Image): Image =>
      image.map((plane) => {
        const [low, high] = [Math.min(...plane.flat()), Math.max(...plane.flat())];
        const scale = 255 / (high - low);
        return plane.map((row) => row.map((value) => Math.trunc(byte(value * scale - low * scale))));
      });
    expect(run('AutoContrast', [0, 0, 0, 0])).toEqual(expected(loop));
  });

  it('Equalize', () => {
    const loop = (image: Image): Image =>
      image.map((plane) => {
        const counts = Array.from({ length: 256 }, () => 0);
        for (const value of plane.flat()) counts[value]!++;
        const last = counts[Math.max(...plane.flat())]!;
        const step = Math.floor((plane.flat().length - last) / 255);
        if (step === 0) return plane;
        let sum = Math.floor(step / 2);
        const table = counts.map((count) => {
          const value = Math.min(255, Math.floor(sum / step));
          sum += count;
          return value;
        });
        return plane.map((row) => row.map((value) => table[value]!));
      });
    const large = tidy(() => pictures(samples, 30, 40).bitwiseAnd(0x3f).toArray()) as Image[];
    const got = tidy(() => operations.Equalize.run(pictures(samples, 30, 40).bitwiseAnd(0x3f), [], {}).toArray());
    expect(got).toEqual(large.map(loop));
    expect(got).not.toEqual(large);
    expect(run('Equalize', [])).toEqual(expected((image) => image)); // fewer pixels than values
  });

  it('Invert, Solarize, SolarizeAdd, Posterize', () => {
    expect(run('Invert', [])).toEqual(expected(perValue((value) => 255 - value)));
    const thresholds = [0, 100.5, 128, 256];
    expect(run('Solarize', thresholds)).toEqual(
      expected((image, i) => perValue((value) => (value < thresholds[i]! ? value : 255 - value))(image)),
    );
    const amounts = [0, 7.9, 110, 200];
    expect(run('SolarizeAdd', amounts)).toEqual(
      expected((image, i) => perValue((value) => (value < 128 ? Math.trunc(byte(value + amounts[i]!)) : value))(image)),
    );
    const bits = [0, 1, 3.2, 8];
    expect(run('Posterize', bits)).toEqual(
      expected((image, i) => perValue((value) => value - (value % 2 ** (8 - Math.ceil(bits[i]!))))(image)),
    );
  });
});

describe('blends', () => {
  const magnitudes = [-1, -0.5, 0.25, 0.75];

  it('Brightness and Color', () => {
    const black = perValue(() => 0);
    expect(run('Brightness', magnitudes)).toEqual(
      expected((image, i) => blend(image, black(image), 1 + magnitudes[i]!)),
    );
    const gray = (image: Image): Image => [luminance(image), luminance(image), luminance(image)];
    expect(run('Color', magnitudes)).toEqual(expected((image, i) => blend(image, gray(image), 1 + magnitudes[i]!)));
  });

  it('Contrast', () => {
    const loop = (image: Image, i: number): Image => {
      const values = luminance(image).flat();
      const mean = Math.floor(values.reduce((a, b) => a + b) / values.length + 0.5);
      return blend(image, perValue(() => mean)(image), 1 + magnitudes[i]!);
    };
    expect(run('Contrast', magnitudes)).toEqual(expected(loop));
  });

  it('Sharpness', () => {
    const smooth = (image: Image): Image =>
      image.map((plane) =>
        plane.map((row, y) =>
          row.map((value, x) => {
            if (y === 0 || x === 0 || y === plane.length - 1 || x === row.length - 1) return value;
            let sum = 4 * value;
            for (const dy of [-1, 0, 1]) for (const dx of [-1, 0, 1]) sum += plane[y + dy]![x + dx]!;
            return Math.floor(sum / 13 + 0.5);
          }),
        ),
      );
    expect(run('Sharpness', magnitudes)).toEqual(
      expected((image, i) => blend(image, smooth(image), 1 + magnitudes[i]!)),
    );
  });

  it('take gray images and refuse other numbers of channels', () => {
    tidy(() => {
      const gray = pictures([1]).narrow(1, 0, 1);
      expect(operations.Color.run(gray, [0.9], {}).toArray()).toEqual(gray.toArray());
      expect(operations.Contrast.run(gray, [0], {}).toArray()).toEqual(gray.toArray());
      expect(() => operations.Color.run(pictures([1]).narrow(1, 0, 2), [0.9], {})).toThrow(
        refusal('invalid-argument', 1, '3 channels', 'got 2'),
      );
    });
  });
});

describe('warps', () => {
  const magnitudes = [-0.27, 0, 0.13, 0.31];
  const look = { interpolation: 'nearest' as const };

  it('shears and translations', () => {
    const by = (i: number): number => magnitudes[i]!;
    expect(run('ShearX', magnitudes, look)).toEqual(expected((image, i) => moved(image, (x, y) => [x - by(i) * y, y])));
    expect(run('ShearY', magnitudes, look)).toEqual(expected((image, i) => moved(image, (x, y) => [x, y - by(i) * x])));
    expect(run('TranslateX', magnitudes, look)).toEqual(
      expected((image, i) => moved(image, (x, y) => [x - by(i) * 12, y])),
    );
    expect(run('TranslateY', magnitudes, look)).toEqual(
      expected((image, i) => moved(image, (x, y) => [x, y - by(i) * 9])),
    );
  });

  it('Rotate turns clockwise', () => {
    const degrees = [-90, 180, 17, 90];
    const got = run('Rotate', degrees);
    const loop = (image: Image, i: number): Image => {
      const [cos, sin] = [Math.cos((degrees[i]! * Math.PI) / 180), Math.sin((degrees[i]! * Math.PI) / 180)];
      return moved(image, (x, y) => {
        const [dx, dy] = [x - 5.5, y - 4];
        return [cos * dx + sin * dy + 5.5, cos * dy - sin * dx + 4];
      });
    };
    const want = expected(loop);
    expect([got[1], got[2]]).toEqual([want[1], want[2]]); // at a right angle, columns fall between two pixels
    const square = tidy(() => operations.Rotate.run(pictures([9], 5, 5), [90], {}).toArray()) as Image[];
    const before = tidy(() => pictures([9], 5, 5).toArray()) as Image[];
    square[0]!.forEach((plane, c) =>
      plane.forEach((row, y) => expect(row).toEqual(row.map((_, x) => before[0]![c]![4 - x]![y]))),
    );
  });

  it('bilinear takes means of pixels, and of what is outside', () => {
    const got = run('TranslateX', [0.5 / 12, 0.5 / 12, 0.5 / 12, 0.5 / 12], {
      interpolation: 'bilinear',
      fill: [0, 10, 20],
    });
    const loop = (image: Image): Image =>
      image.map((plane, c) =>
        plane.map((row) => row.map((value, x) => Math.floor((value + (x === 0 ? c * 10 : row[x - 1]!)) / 2 + 0.5))),
      );
    const want = expected(loop).flat(3);
    const far = got.flat(3).filter((value, i) => Math.abs(value - want[i]!) > 1);
    expect(far).toEqual([]);
    expect(run('ShearX', [0, 0, 0, 0])).toEqual(expected((image) => image)); // bicubic, by nothing
  });
});

it('operate does to each image what was chosen for it', () => {
  tidy(() => {
    const images = pictures(samples);
    const chosen = [
      { operation: 'Invert', magnitude: 0 },
      undefined,
      { operation: 'Solarize', magnitude: 90 },
    ] as const;
    const got = operate('test', images, [...chosen, chosen[0]], {}).toArray() as Image[];
    const [before, inverted] = [images.toArray() as Image[], run('Invert', [])];
    expect(got).toEqual([inverted[0], before[1], run('Solarize', [90, 90, 90, 90])[2], inverted[3]]);
  });
});
