// CTKDLoss: the contract, its value by plain numbers, and the temperature's reversed gradient.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import { grad, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { CTKDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('CTKDLoss', {
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

function plain({ predsS, predsT }: ReturnType<typeof args>, globalT: number): number {
  const tau = 2 + 10 / (1 + Math.exp(-globalT));
  const teacher = rowsOf(predsT);
  return mean(rowsOf(predsS).map((row, n) => tau ** 2 * kl(softmax(teacher[n]!, tau), softmax(row, tau))));
}

const options = { tauStart: 2, tauRange: 10 };

it('is tau^2 KL at the learned temperature, 1 at first', () => {
  expect(relativeError({ type: 'CTKDLoss', ...options }, args, (given) => plain(given, 1))).toBeLessThan(1e-9);
});

it('reverses the gradient of the temperature by a lambda that rises along a cosine', () => {
  tidy(() => {
    const given = args();
    const slope = (plain(given, 1 + 1e-5) - plain(given, 1 - 1e-5)) / 2e-5;
    const loss = new CTKDLoss({ ...options, lambdaMax: 0.8, rampSteps: 2 }).to({ dtype: 'float64' });
    for (const lambda of [0, 0.4, 0.8, 0.8]) {
      expect(loss.lambda).toBeCloseTo(lambda, 12);
      const [gradient] = grad([loss.forward(given)], [loss.global_T]);
      expect(gradient!.item()).toBeCloseTo(-lambda * slope, 6);
    }
    loss.eval().forward(given);
    expect(loss.step.item()).toBe(4);
  });
});
