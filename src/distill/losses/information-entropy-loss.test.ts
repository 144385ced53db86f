// InformationEntropyLoss: the contract, the original's numbers, and classes that never come.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { column, relativeError, mean, rowsOf, softmax, sum } from '../../../test/plain.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { InformationEntropyLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('InformationEntropyLoss');

const args = (dtype: DType = 'float64') => ({ predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype) });

describeLoss('InformationEntropyLoss', { args, trains: ['predsT'], minusInfinity: ['predsT'] });

it('is the sum of p log10 p of the mean prediction, gathered or not', () => {
  for (const gather of [true, false]) {
    expect(
      relativeError({ type: 'InformationEntropyLoss', gather }, args, ({ predsT }) => {
        const rows = rowsOf(predsT).map((row) => softmax(row));
        return sum(rows[0]!.map((_, c) => mean(column(rows, c))).map((p) => p * Math.log10(p)));
      }),
    ).toBeLessThan(1e-9);
  }
});

it('is 0, with a finite gradient, where a class has probability 0', () => {
  tidy(() => {
    const predsT = tensor([[1000, 0, -1000]], { requiresGrad: true });
    const loss = new InformationEntropyLoss().forward({ predsT });
    expect(loss.item()).toBeCloseTo(0, 12);
    expect(grad([loss], [predsT])[0]!.isfinite().all().item()).toBe(1);
  });
});

it('lies between -log10 C and 0', () => {
  const logits = fc.array(fc.double({ min: -1e4, max: 1e4, noNaN: true }), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(logits, (values) =>
      tidy(() => {
        const predsT = tensor(values, { shape: [2, 3], dtype: 'float64' });
        const value = new InformationEntropyLoss().forward({ predsT }).item();
        expect(value).toBeGreaterThanOrEqual(-Math.log10(3) - 1e-12);
        expect(value).toBeLessThanOrEqual(1e-12);
      }),
    ),
  );
});
