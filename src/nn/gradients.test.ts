// The gradients of layers and functions against finite differences in float64.
import { beforeEach, describe, expect, it } from 'vitest';

import type { Tensor } from '../torch/index.ts';
import { grad, manualSeed, noGrad, ops, randint, tensor, tidy } from '../torch/index.ts';
import { functional as F } from './index.ts';
import * as nn from './index.ts';

const step = 1e-6;
const close = { rtol: 1e-5, atol: 1e-7 };

/** d/dx of `sum(f() * w)` for every element of every leaf (float64): by autograd, and by central differences. */
function gradientsOf(leaves: readonly Tensor[], f: () => Tensor): { exact: number[][]; differences: number[][] } {
  const total = (): Tensor => {
    const output = f();
    const weights = Float64Array.from({ length: output.numel }, (_, i) => Math.cos(0.7 * i));
    return output.mul(tensor(weights, { shape: output.shape })).sum();
  };
  const exact = tidy(() => grad([total()], leaves).map((gradient) => Array.from(gradient!.data(), Number)));
  const differences = leaves.map((leaf) => {
    const { shape } = leaf;
    const values = Float64Array.from(leaf.data(), Number);
    const at = (i: number, value: number): number =>
      noGrad(() =>
        tidy(() => {
          leaf.copy_(tensor(values.with(i, value), { shape }));
          return total().item();
        }),
      );
    const slopes = Array.from(values, (value, i) => (at(i, value + step) - at(i, value - step)) / (2 * step));
    at(0, values[0]!); // the leaf as it was
    return slopes;
  });
  return { exact, differences };
}

beforeEach(() => manualSeed(0));

function leaf(shape: readonly number[]): Tensor {
  return ops.randn(shape, { dtype: 'float64', requiresGrad: true });
}

const layers: [string, () => nn.Layer, number[]][] = [
  ['Conv2d', () => new nn.Conv2d(2, 4, { kernelSize: 3, stride: 2, padding: 1, groups: 2 }), [2, 2, 5, 4]],
  [
    'Conv2d, reflect',
    () => new nn.Conv2d(1, 2, { kernelSize: 3, padding: [1, 2], paddingMode: 'reflect' }),
    [1, 1, 4, 4],
  ],
  ['ConvTranspose2d', () => new nn.ConvTranspose2d(2, 2, { kernelSize: 3, stride: 2, outputPadding: 1 }), [1, 2, 3, 2]],
  ['BatchNorm2d', () => new nn.BatchNorm2d(2), [3, 2, 2, 2]],
  ['BatchNorm1d, eval', () => new nn.BatchNorm1d(3).eval(), [4, 3]],
  ['LayerNorm', () => new nn.LayerNorm(5), [3, 5]],
  ['GroupNorm', () => new nn.GroupNorm(2, 4), [2, 4, 2, 2]],
  ['Linear', () => new nn.Linear(4, 3), [2, 4]],
  ['PReLU', () => new nn.PReLU({ numParameters: 3 }), [2, 3, 2]],
  ['AvgPool2d', () => new nn.AvgPool2d(2, { padding: 1, countIncludePad: false }), [1, 2, 4, 4]],
  ['Softplus', () => new nn.Softplus({ beta: 2 }), [6]],
  ['Upsample', () => new nn.Upsample({ scaleFactor: 1.5, mode: 'bilinear' }), [1, 1, 3, 4]],
];

describe('layers', () => {
  it.each(layers)('%s', (_, make, shape) => {
    tidy(() => {
      const layer = make().to({ dtype: 'float64' });
      const x = leaf(shape);
      const { exact, differences } = gradientsOf([x, ...layer.parameters()], () => layer.forward(x));
      expect(exact).toBeAllClose(differences, close);
    });
  });
});

type Loss = (input: Tensor, other: Tensor) => Tensor;
const functions: [string, Loss, number[]][] = [
  [
    'crossEntropy, soft targets, labelSmoothing',
    (a, b) => F.crossEntropy(a, F.softmax(b, { dim: 1 }), { labelSmoothing: 0.1 }),
    [3, 4],
  ],
  [
    'klDiv, batchmean',
    (a, b) => F.klDiv(F.logSoftmax(a, { dim: 1 }), F.softmax(b, { dim: 1 }), { reduction: 'batchmean' }),
    [3, 4],
  ],
  [
    'klDiv, logTarget',
    (a, b) => F.klDiv(F.logSoftmax(a, { dim: 1 }), F.logSoftmax(b, { dim: 1 }), { logTarget: true }),
    [3, 4],
  ],
  ['mseLoss', (a, b) => F.mseLoss(a, b), [3, 4]],
  ['smoothL1Loss', (a, b) => F.smoothL1Loss(a, b, { beta: 0.3 }), [3, 4]],
  ['binaryCrossEntropyWithLogits', (a, b) => F.binaryCrossEntropyWithLogits(a, b.sigmoid()), [3, 4]],
  ['cosineSimilarity', (a, b) => F.cosineSimilarity(a, b), [3, 4]],
  ['normalize', (a, b) => F.normalize(a, { p: 3 }).mul(b), [3, 4]],
];

describe('functions', () => {
  it.each(functions)('%s', (_, f, shape) => {
    tidy(() => {
      const [a, b] = [leaf(shape), leaf(shape)];
      const { exact, differences } = gradientsOf([a, b], () => f(a, b));
      expect(exact).toBeAllClose(differences, close);
    });
  });

  it('crossEntropy of classes, weighted', () => {
    tidy(() => {
      const logits = leaf([4, 3]);
      const classes = randint(0, 3, [4]);
      const weight = tensor([0.5, 1, 2], { dtype: 'float64' });
      const loss = (): Tensor => F.crossEntropy(logits, classes, { weight, labelSmoothing: 0.2 });
      const { exact, differences } = gradientsOf([logits], loss);
      expect(exact).toBeAllClose(differences, close);
    });
  });
});
