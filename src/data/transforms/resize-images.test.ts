// Resizing follows Pillow's algorithm, written out here in plain loops: two passes of bytes, columns first.
import { describe, expect, it } from 'vitest';

import { tensor, tidy } from '../../torch/index.ts';
import { CenterCrop, Resize, ResizeEdge } from './index.ts';
import { resizeImages } from './resize-images.ts';
import { pictures } from './transform.contract.ts';
import { refusal } from '../../../test/refusal.ts';

type Plane = number[][];

const filters = {
  bilinear: { support: 1, weight: (x: number) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight: (signed: number) => {
      const [x, a] = [Math.abs(signed), -0.5];
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
    },
  },
};

/** One row to another length: the weights are whole numbers of 2^-22. */
function resizeRow(
  row: readonly number[],
  length: number,
  { support, weight }: (typeof filters)['bilinear'],
): number[] {
  const scale = row.length / length;
  const stretch = Math.max(scale, 1);
  return Array.from({ length }, (_, i) => {
    const center = (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - support * stretch + 0.5));
    const to = Math.min(row.length, Math.trunc(center + support * stretch + 0.5));
    const weights = row.slice(from, to).map((__, k) => weight((from + k - center + 0.5) / stretch));
    const total = weights.reduce((a, b) => a + b);
    const sum = weights.reduce((s, one, k) => s + Math.round((one / total) * 2 ** 22) * row[from + k]!, 2 ** 21);
    return Math.min(255, Math.max(0, Math.floor(sum / 2 ** 22)));
  });
}

const turned = (plane: Plane): Plane => plane[0]!.map((_, x) => plane.map((row) => row[x]!));

function pillow(plane: Plane, [height, width]: readonly [number, number], filter: keyof typeof filters): Plane {
  const wide = plane[0]!.length === width ? plane : plane.map((row) => resizeRow(row, width, filters[filter]));
  if (plane.length === height) return wide;
  return turned(turned(wide).map((column) => resizeRow(column, height, filters[filter])));
}

describe.each(['bilinear', 'bicubic'] as const)('%s', (interpolation) => {
  it.each([
    [11, 13],
    [90, 70],
    [37, 20],
    [8, 41],
  ])('to %i x %i is within one gray level of the loops', (height, width) => {
    tidy(() => {
      const images = pictures([4, 9], 37, 41);
      const got = (resizeImages(images, [height, width], { interpolation }).toArray() as Plane[][]).flat(3);
      const want = (images.toArray() as Plane[][])
        .map((image) => image.map((plane) => pillow(plane, [height, width], interpolation)))
        .flat(3);
      const differences = got.map((value, i) => Math.abs(value - want[i]!));
      expect(Math.max(...differences)).toBeLessThanOrEqual(1);
      expect(differences.filter((difference) => difference > 0).length).toBeLessThanOrEqual(differences.length / 50);
    });
  });
});

it('known values: half the size is the mean with triangular weights', () => {
  tidy(() => {
    const row = tensor(Uint8Array.from([0, 40, 80, 120]), { shape: [1, 1, 1, 4] });
    // weights of the first pixel: 0.75, 0.75, 0.25 of 1.75
    expect(resizeImages(row, [1, 2]).toArray()).toEqual([[[[29, 91]]]]);
    expect(resizeImages(row, [1, 2], { antialias: false }).toArray()).toEqual([[[[20, 100]]]]);
    expect(resizeImages(row, [1, 2], { interpolation: 'nearest' }).toArray()).toEqual([[[[40, 120]]]]);
    expect(resizeImages(row, [1, 2], { interpolation: 'nearest', antialias: false }).toArray()).toEqual([[[[0, 80]]]]);
    expect(resizeImages(row, [1, 4]).toArray()).toEqual([[[[0, 40, 80, 120]]]]);
    expect(resizeImages(row.to('float32'), [1, 2])).toBeAllClose([(30 + 20) / 1.75, (10 + 60 + 90) / 1.75], {
      atol: 1e-4,
    });
  });
});

it('Resize, ResizeEdge and CenterCrop give the sizes they should', () => {
  tidy(() => {
    const [tall, wide] = [pictures([1], 30, 20), pictures([1], 20, 31)];
    const sizes = (edge: 'short' | 'long' | 'width' | 'height') =>
      [tall, wide].map((image) => new ResizeEdge({ size: 10, edge }).apply(image).shape.slice(2));
    expect(sizes('short')).toEqual([
      [15, 10],
      [10, 15],
    ]);
    expect(sizes('long')).toEqual([
      [10, 6],
      [6, 10],
    ]);
    expect(sizes('width')).toEqual([
      [15, 10],
      [6, 10],
    ]);
    expect(sizes('height')).toEqual([
      [10, 6],
      [10, 15],
    ]);
    expect(new Resize({ size: 7 }).apply(wide).shape).toEqual([1, 3, 7, 7]);
    const cut = new CenterCrop({ size: [4, 8] }).apply(wide);
    expect(cut.toArray()).toEqual(wide.narrow(2, 8, 4).narrow(3, 12, 8).toArray()); // 11.5 is rounded to 12
    expect(() => new CenterCrop({ size: 21 }).apply(wide)).toThrow(refusal('invalid-argument', '21x21', '20x31'));
  });
});
