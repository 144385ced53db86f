// What layers do to their input and to memory: dropout, inplace, scopes, the padding row.
import { beforeEach, describe, expect, it } from 'vitest';

import type { Tensor } from '../../torch/index.ts';
import { manualSeed, memory, ones, randn, tensor, tidy } from '../../torch/index.ts';
import * as nn from '../index.ts';

beforeEach(() => manualSeed(0));

function distinct(values: Tensor): Set<number> {
  return new Set(Array.from(values.data(), Number));
}

describe('dropout', () => {
  it.each([nn.Dropout, nn.Dropout2d])('drops and scales in training, does nothing in evaluation', (Layer) => {
    tidy(() => {
      const layer = new Layer({ p: 0.25 });
      const x = ones([16, 16, 4, 4]);
      const dropped = layer.forward(x);
      expect(distinct(dropped)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
      expect(dropped.mean().item()).toBeCloseTo(1, 0);
      expect(layer.eval().forward(x)).toBe(x);
      expect(x).toBeAllClose(ones([16, 16, 4, 4]));
    });
  });

  it('of channels drops whole channels', () => {
    tidy(() => {
      const means = new nn.Dropout2d().forward(ones([8, 8, 3, 3])).mean([2, 3]);
      expect(distinct(means)).toEqual(new Set([0, 2]));
    });
  });
});

describe('inplace', () => {
  it.each([nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid])(
    'may be switched off later: %s',
    (Layer) => {
      tidy(() => {
        const layer = new Layer({ inplace: true });
        const x = tensor([-2, -1, 7]);
        const expected = new Layer().forward(x);
        const y = x.clone();
        expect(layer.forward(y)).toBe(y);
        expect(y).toBeAllClose(expected);
        layer.inplace = false;
        expect(layer.forward(x)).toBeAllClose(expected);
        expect(x).toBeAllClose([-2, -1, 7]);
      });
    },
  );
});

it('a forward leaves nothing but its output', () => {
  tidy(() => {
    const net = new nn.Sequential(
      new nn.Conv2d(2, 4, { kernelSize: 3, padding: 1, paddingMode: 'circular' }),
      new nn.BatchNorm2d(4, { momentum: null }),
      new nn.ReLU({ inplace: true }),
      new nn.AdaptiveMaxPool2d([null, 2]),
      new nn.Upsample({ scaleFactor: 2 }),
      new nn.Dropout(),
      new nn.Flatten(),
    );
    const x = randn([2, 2, 4, 4]);
    const before = memory().tensors;
    const y = net.forward(x);
    expect(y.shape).toEqual([2, 4 * 8 * 4]);
    expect(memory().tensors).toBe(before + 1);
  });
});

it('the padding row of an embedding is 0 and stays', () => {
  tidy(() => {
    const table = new nn.Embedding(4, 2, { paddingIdx: -1 });
    expect(table.paddingIdx).toBe(3);
    const output = table.forward(tensor([3, 0], { dtype: 'int64' }));
    expect(output.select(0, 0)).toBeAllClose([0, 0]);
    output.sum().backward();
    expect(table.weight.grad).toBeAllClose([1, 1, 0, 0, 0, 0, 0, 0]);
  });
});
