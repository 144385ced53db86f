// KDSoftCELoss: the contract, the original's numbers, weights and factors, options that do not go together.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { dot, rowsOf, softmax, sum } from '../../../test/plain.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { KDSoftCELoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('KDSoftCELoss');

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('KDSoftCELoss', {
  options: { tau: 2 },
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

const weights = [0.1, 1, 0, 3];

function plain({ predsS, predsT }: ReturnType<typeof args>, tau: number): number[] {
  const teachers = rowsOf(predsT);
  return rowsOf(predsS).map((row, n) => {
    const logs = softmax(row, tau).map(Math.log);
    return -(tau ** 2) * dot(softmax(teachers[n]!, tau), logs) * weights[n]!;
  });
}

it('weighs samples, divides by avgFactor, and lets a call choose the reduction', () => {
  tidy(() => {
    const each = plain(args(), 3);
    const weight = tensor(weights, { dtype: 'float64' });
    const loss = new KDSoftCELoss({ tau: 3 });
    const given = { ...args(), weight };
    expect(loss.forward(given)).toBeAllClose(sum(each) / 4, { rtol: 1e-9 });
    expect(loss.forward({ ...given, avgFactor: 2.5 })).toBeAllClose(sum(each) / 2.5, { rtol: 1e-9 });
    expect(loss.forward({ ...given, reductionOverride: 'sum' })).toBeAllClose(sum(each), { rtol: 1e-9 });
    expect(loss.forward({ ...given, reductionOverride: 'none' })).toBeAllClose(each, { rtol: 1e-9 });
    expect(loss.forward({ ...given, reductionOverride: 'none', avgFactor: 7 })).toBeAllClose(each, { rtol: 1e-9 });
    expect(loss.forward({ ...args(), weight: null, avgFactor: null, reductionOverride: null })).toBeAllClose(
      new KDSoftCELoss({ tau: 3 }).forward(args()).item(),
      { rtol: 1e-12 },
    );
  });
});

it("rounds weights to float32 under compat, as the original's are", () => {
  tidy(() => {
    const weight = tensor(weights, { dtype: 'float64' });
    const original = new KDSoftCELoss({ compat: 'mmrazor', reduction: 'none' }).forward({ ...args(), weight });
    const right = new KDSoftCELoss({ reduction: 'none' }).forward({ ...args(), weight });
    const ratio = original.select(0, 0).div(right.select(0, 0)).item();
    expect(ratio).toBeCloseTo(Math.fround(0.1) / 0.1, 14);
    expect(ratio).not.toBe(1);
  });
});

it('keeps the teacher constant when told', () => {
  tidy(() => {
    const given = args();
    const loss = new KDSoftCELoss({ teacherDetach: true }).forward(given);
    expect(grad([loss], [given.predsT], { allowUnused: true })).toEqual([null]);
  });
});

it('refuses weights that would broadcast, and options that do not go together', () => {
  tidy(() => {
    const given = args();
    const weight = tensor(weights, { shape: [4, 1], dtype: 'float64' });
    expect(() => new KDSoftCELoss().forward({ ...given, weight })).toThrow(
      refusal('invalid-argument', '[4]', 'KDSoftCELoss', 'weight', '[4, 1]'),
    );
    const sum = new KDSoftCELoss({ reduction: 'sum' });
    expect(() => sum.forward({ ...given, avgFactor: 3 })).toThrow(refusal('invalid-argument', 'avgFactor', 'sum'));
    const override = 'average' as 'mean';
    expect(() => sum.forward({ ...given, reductionOverride: override })).toThrow(
      refusal('invalid-argument', 'reductionOverride', 'average'),
    );
  });
  expect(() => new KDSoftCELoss({ reduction: null as never })).toThrow(
    refusal('invalid-argument', 'reduction', 'null'),
  );
});
