// Boxes on the grid of a map.
import { expect, it } from 'vitest';

import { refusal } from '../../../../test/refusal.ts';
import { tensor, tidy } from '../../../torch/index.ts';
import { boxesOf, focalMasks } from './focal-masks.ts';

const grid = { image: [40, 80], map: [4, 4] } as const;

it('weighs small boxes as much as large ones, and shares the background evenly', () => {
  tidy(() => {
    const { foreground, background } = focalMasks([[[0, 0, 10, 9]], []], grid);
    const f = 1 / 4; // rows 0 to 1, columns 0 to 1
    const b = 1 / 12;
    expect(foreground.toArray()).toEqual([
      [
        [
          [f, f, 0, 0],
          [f, f, 0, 0],
          [0, 0, 0, 0],
          [0, 0, 0, 0],
        ],
      ],
      [
        [
          [0, 0, 0, 0],
          [0, 0, 0, 0],
          [0, 0, 0, 0],
          [0, 0, 0, 0],
        ],
      ],
    ]);
    expect(background.select(0, 0).flatten().data()).toBeAllClose([0, 0, b, b, 0, 0, b, b, ...Array(8).fill(b)]);
    expect(background.select(0, 1).sum().item()).toBeCloseTo(1, 12);
  });
});

it('gives a place to the smaller of two boxes, cuts what is outside, and knows an image without background', () => {
  tidy(() => {
    const { foreground, background } = focalMasks(
      [
        [
          [0, 0, 80, 40],
          [20, 10, 20, 10],
          [-50, -50, -10, -10],
        ],
      ],
      grid,
    );
    expect(foreground.select(0, 0).select(0, 0).select(0, 1).data()).toBeAllClose([1 / 25, 1, 1 / 25, 1 / 25]);
    expect(background.sum().item()).toBe(0);
  });
});

it('reads the boxes of a batch once, and again when they have changed', () => {
  tidy(() => {
    const boxes = tensor([[0, 0, 1, 1]]);
    const [first] = boxesOf('L', { boxes: [boxes] }, 1);
    expect(first).toEqual([[0, 0, 1, 1]]);
    expect(boxesOf('L', { dataSamples: { boxes: [boxes] } }, 1)[0]).toBe(first);
    boxes.mul_(2);
    expect(boxesOf('L', { boxes: [boxes] }, 1)).toEqual([[[0, 0, 2, 2]]]);
  });
});

it('takes boxes from samples, and says what is missing', () => {
  const box = [0, 0, 1, 1] as const;
  expect(boxesOf('L', { dataSamples: [{ gtBoxes: [box] }, {}] }, 2)).toEqual([[box], []]);
  expect(() => boxesOf('L', {}, 2)).toThrow(refusal('invalid-argument', 'L', 'boxes', 2));
  expect(() => boxesOf('L', { boxes: [[]] }, 2)).toThrow(refusal('invalid-argument', 'boxes', 2, 'got 1'));
});
