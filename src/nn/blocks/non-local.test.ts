// NonLocal2d against its formula in plain numbers, for every mode; names, first weights, pooled keys.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { grad, manualSeed, randn, tidy } from '../../torch/index.ts';
import * as nn from '../index.ts';

type Matrix = number[][];
const modes: nn.NonLocalMode[] = ['gaussian', 'embedded_gaussian', 'dot_product', 'concatenation'];

/** A 1x1 convolution: `(inputs, positions)` to `(outputs, positions)`. */
function project({ conv }: nn.ConvModule, x: Matrix): Matrix {
  const weight = conv.weight.flatten(1).toArray() as Matrix;
  const bias = (conv.bias?.toArray() ?? weight.map(() => 0)) as number[];
  return weight.map((row, o) => x[0]!.map((_, p) => row.reduce((sum, w, c) => sum + w * x[c]![p]!, bias[o]!)));
}

/** The block's output for one image `(channels, positions)`. */
function expected(block: nn.NonLocal2d, x: Matrix): Matrix {
  const g = project(block.g as nn.ConvModule, x);
  const theta = block.theta === null ? x : project(block.theta, x);
  const phi = block.phi === null ? x : project(block.phi as nn.ConvModule, x);
  const positions = x[0]!.map((_, p) => p);
  const column = (matrix: Matrix, p: number): number[] => matrix.map((row) => row[p]!);
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const y = g.map((row) =>
    positions.map((i) => {
      let weights = positions.map((j) => dot(column(theta, i), column(phi, j)));
      if (block.mode === 'concatenation') {
        const [w] = block.concat_project!.conv.weight.flatten(1).toArray() as Matrix;
        weights = positions.map(
          (j) => Math.max(0, dot(w!, [...column(theta, i), ...column(phi, j)])) / positions.length,
        );
      } else if (block.mode === 'dot_product') {
        weights = weights.map((value) => value / positions.length);
      } else {
        const scale = block.mode === 'embedded_gaussian' && block.useScale ? Math.sqrt(block.interChannels) : 1;
        const exps = weights.map((value) => Math.exp(value / scale));
        weights = exps.map((value) => value / exps.reduce((sum, one) => sum + one));
      }
      return dot(weights, row);
    }),
  );
  return project(block.conv_out, y).map((row, c) => row.map((value, p) => value + x[c]![p]!));
}

it.each(modes)('%s computes its formula, and can be back-propagated', (mode) => {
  tidy(() => {
    manualSeed(4);
    for (const useScale of [true, false]) {
      const block = new nn.NonLocal2d(4, { mode, useScale, std: 0.7, zerosInit: false }).to({ dtype: 'float64' });
      const x = randn([2, 4, 2, 3], { dtype: 'float64' }).requiresGrad_();
      const y = block.forward(x);
      for (const n of [0, 1]) {
        const plain = expected(block, x.select(0, n).flatten(1).toArray() as Matrix);
        expect(y.select(0, n).flatten(1)).toBeAllClose(plain.flat(), { rtol: 1e-12 });
      }
      const gradients = grad([y.square().sum()], [x, ...block.parameters()]);
      expect(gradients.every((one) => one!.abs().sum().item() > 0)).toBe(true);
    }
  });
});

it('begins as the identity, under the names of OpenMMLab', () => {
  tidy(() => {
    for (const mode of modes) {
      const block = new nn.NonLocal2d(4, { mode, normCfg: { type: 'BN' }, subSample: true });
      const x = randn([1, 4, 4, 4]);
      expect(block.forward(x)).toBeAllClose(x, { rtol: 0, atol: 0 });
      const names = [...block.namedParameters()].map(([name]) => name);
      expect(names.slice(0, 5)).toEqual([
        'g.0.conv.weight',
        'g.0.conv.bias',
        'conv_out.conv.weight',
        'conv_out.bn.weight',
        'conv_out.bn.bias',
      ]);
      const theirs =
        mode === 'gaussian' ? [] : ['theta.conv.weight', 'theta.conv.bias', 'phi.0.conv.weight', 'phi.0.conv.bias'];
      expect(names.slice(5)).toEqual([...theirs, ...(mode === 'concatenation' ? ['concat_project.conv.weight'] : [])]);
    }
  });
});

it('refuses unknown modes', () => {
  expect(() => new nn.NonLocal2d(4, { mode: 'dot' as 'dot_product' })).toThrow(
    refusal('invalid-argument', 'NonLocal2d', 'mode', 'dot'),
  );
  expect(() => new nn.NonLocal2d(4, { reduction: 0 })).toThrow(refusal('invalid-argument', 'NonLocal2d'));
});
