// The shapes of outputs follow their formulas, for random options.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { rand, tidy, zeros } from '../../torch/index.ts';
import * as nn from '../index.ts';

const small = (max: number, min = 1): fc.Arbitrary<number> => fc.integer({ min, max });
const window = fc.record({
  kernelSize: fc.tuple(small(3), small(3)),
  stride: fc.tuple(small(3), small(3)),
  padding: fc.tuple(small(1, 0), small(1, 0)),
  dilation: fc.tuple(small(2), small(2)),
});
type Window = typeof window extends fc.Arbitrary<infer W> ? W : never;

function slid({ kernelSize, stride, padding, dilation }: Window, axis: 0 | 1, size: number): number {
  const reach = dilation[axis] * (kernelSize[axis] - 1) + 1;
  return Math.floor((size + 2 * padding[axis] - reach) / stride[axis]) + 1;
}

describe('shapes', () => {
  it('of a convolution follow the formula', () => {
    fc.assert(
      fc.property(window, small(12, 6), small(12, 6), fc.constantFrom(1, 2), (options, height, width, groups) =>
        tidy(() => {
          const conv = new nn.Conv2d(2, 4, { ...options, groups });
          const expected = [1, 4, slid(options, 0, height), slid(options, 1, width)];
          expect(conv.forward(zeros([1, 2, height, width])).shape).toEqual(expected);
        }),
      ),
      { numRuns: 50 },
    );
  });

  it('of a transposed convolution undo those of the convolution', () => {
    fc.assert(
      fc.property(window, small(12, 6), small(12, 6), (options, height, width) =>
        tidy(() => {
          const inner = [slid(options, 0, height), slid(options, 1, width)];
          const back = [0, 1].map((axis) => {
            const { kernelSize, stride, padding, dilation } = options;
            return (
              (inner[axis]! - 1) * stride[axis]! - 2 * padding[axis]! + dilation[axis]! * (kernelSize[axis]! - 1) + 1
            );
          });
          fc.pre(back.every((size) => size > 0));
          const transposed = new nn.ConvTranspose2d(4, 2, options);
          expect(transposed.forward(zeros([1, 4, ...inner])).shape).toEqual([1, 2, ...back]);
        }),
      ),
      { numRuns: 50 },
    );
  });

  it('of pooling follow the formula', () => {
    fc.assert(
      fc.property(window, small(12, 6), (options, size) =>
        tidy(() => {
          const { kernelSize, ...rest } = options;
          const padding = kernelSize.map((k, axis) => Math.min(options.padding[axis]!, Math.floor(k / 2)));
          const used = { ...options, padding: [padding[0]!, padding[1]!] as [number, number] };
          const pool = new nn.MaxPool2d(kernelSize, { ...rest, padding: used.padding });
          expect(pool.forward(rand([1, 1, size, size])).shape).toEqual([
            1,
            1,
            slid(used, 0, size),
            slid(used, 1, size),
          ]);
        }),
      ),
      { numRuns: 50 },
    );
  });

  it("with padding 'same' stay", () => {
    tidy(() => {
      for (const paddingMode of ['zeros', 'replicate'] as const) {
        const conv = new nn.Conv2d(1, 1, { kernelSize: [4, 3], dilation: [2, 1], padding: 'same', paddingMode });
        expect(conv.forward(zeros([1, 1, 9, 7])).shape).toEqual([1, 1, 9, 7]);
      }
    });
  });
});
