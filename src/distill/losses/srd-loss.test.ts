// SRDLoss: the contract, its value by plain numbers, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { dot, kl, mapsOf, mean, meanSquare, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { SRDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [4, 3], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  classifierWeight: wave({ shape: [5, 3], a: 0.9, b: 0.3 }, dtype),
  classifierBias: wave({ shape: [5], a: 0.5, b: 0.8 }, dtype),
});

for (const match of ['logits', 'probabilities']) {
  describeLoss('SRDLoss', {
    options: { match },
    args,
    trains: ['sFeature'],
    constant: ['tFeature', 'classifierWeight', 'classifierBias'],
    extreme: ['sFeature', 'tFeature'],
    sameShape: [['sFeature', 'tFeature']],
  });
}

const classified = (row: readonly number[], given: ReturnType<typeof args>): number[] => {
  const bias = rowsOf(given.classifierBias).flat();
  return rowsOf(given.classifierWeight).map((weights, k) => dot(weights, row) + bias[k]!);
};

it('adds the squared difference of features and of logits', () => {
  expect(
    relativeError({ type: 'SRDLoss', alpha: 0.5, beta: 2 }, args, (given) => {
      const [s, t] = [rowsOf(given.sFeature), rowsOf(given.tFeature)];
      const [p, q] = [s, t].map((rows) => rows.map((row) => classified(row, given)));
      return 0.5 * meanSquare(s, t) + 2 * meanSquare(p!, q!);
    }),
  ).toBeLessThan(1e-9);
});

it('adds KL of probabilities in its place', () => {
  expect(
    relativeError({ type: 'SRDLoss', match: 'probabilities' }, args, (given) => {
      const [s, t] = [rowsOf(given.sFeature), rowsOf(given.tFeature)];
      const each = s.map((row, n) => kl(softmax(classified(t[n]!, given)), softmax(classified(row, given))));
      return meanSquare(s, t) + mean(each);
    }),
  ).toBeLessThan(1e-9);
});

it('takes the mean of maps over their positions', () => {
  const maps = () => ({
    ...args(),
    sFeature: wave({ shape: [4, 3, 2, 2], a: 0.71, b: 0.2 }),
    tFeature: wave({ shape: [4, 3, 1, 3], a: 0.43, b: 1.1 }),
  });
  expect(
    relativeError({ type: 'SRDLoss', beta: 0 }, maps, ({ sFeature, tFeature }) => {
      const [s, t] = [sFeature, tFeature].map((feature) => mapsOf(feature).map((sample) => sample.map(mean)));
      return meanSquare(s!, t!);
    }),
  ).toBeLessThan(1e-9);
});

it('refuses a classifier that does not take the features', () => {
  tidy(() => {
    const given = args();
    expect(() => new SRDLoss().forward({ ...given, classifierWeight: tensor([[1, 2]], { dtype: 'float64' }) })).toThrow(
      refusal('invalid-argument', 'SRDLoss', 'classifierWeight', 3, '[1, 2]', '[5]', 'Parameter', 'type'),
    );
  });
});
