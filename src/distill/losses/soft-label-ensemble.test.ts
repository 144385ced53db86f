// SoftLabelEnsemble: the contract, its value by plain numbers in both spaces, and what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax, sum } from '../../../test/plain.ts';
import { tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { SoftLabelEnsemble } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: [
    wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
    wave({ shape: [4, 5], a: 0.93, b: 0.4, scale: 3 }, dtype),
  ],
});

describeLoss('SoftLabelEnsemble', {
  options: { tau: 2 },
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it.each([
  ['probability', undefined],
  ['probability', [3, 1]],
  ['logit', [3, 1]],
  ['logit', undefined],
] as const)('averages in the space of %s, weights %j', (space, weights) => {
  const [first, second] = weights === undefined ? [0.5, 0.5] : [0.75, 0.25];
  const config = { type: 'SoftLabelEnsemble', tau: 2, space, ...(weights === undefined ? {} : { weights }) };
  expect(
    relativeError(config, args, ({ predsS, predsT }) => {
      const [a, b] = predsT.map(rowsOf) as [number[][], number[][]];
      const each = rowsOf(predsS).map((row, n) => {
        const mix = (x: readonly number[], y: readonly number[]): number[] =>
          x.map((v, c) => first * v + second * y[c]!);
        const target = space === 'logit' ? softmax(mix(a[n]!, b[n]!), 2) : mix(softmax(a[n]!, 2), softmax(b[n]!, 2));
        expect(sum(target)).toBeCloseTo(1, 12);
        return 4 * kl(target, softmax(row, 2));
      });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});

it('leaves out teachers of weight 0, and refuses none, or another number of them', () => {
  tidy(() => {
    const { predsS, predsT } = args();
    const one = new SoftLabelEnsemble().forward({ predsS, predsT: [predsT[1]!] });
    expect(new SoftLabelEnsemble({ weights: [0, 2] }).forward({ predsS, predsT })).toBeAllClose(one);
    expect(() => new SoftLabelEnsemble({ weights: [1] }).forward({ predsS, predsT })).toThrow(
      refusal('invalid-argument', 'predsT', 1, 'got 2'),
    );
    expect(() => new SoftLabelEnsemble().forward({ predsS, predsT: [] })).toThrow(
      refusal('invalid-argument', 'SoftLabelEnsemble', 'predsT'),
    );
    expect(() => new SoftLabelEnsemble({ weights: [0, 0] })).toThrow(refusal('invalid-argument', 'weights', '[0, 0]'));
  });
});
