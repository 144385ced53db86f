// StandardizedLogits: the contract, its value by plain numbers, constant rows, what it hands on, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { buildLoss, KLDivergence, StandardizedLogits } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('StandardizedLogits', {
  options: { loss: { type: 'KLDivergence', tau: 2 } },
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
});

function zScores(row: readonly number[], tau: number): number[] {
  const variance = mean(row.map((x) => (x - mean(row)) ** 2)) + 1e-7;
  return row.map((x) => (x - mean(row)) / (tau * Math.sqrt(variance)));
}

it('hands z-scores to the wrapped loss, both weights counting', () => {
  const loss = { type: 'KLDivergence', tau: 2, lossWeight: 3 };
  expect(
    relativeError({ type: 'StandardizedLogits', tau: 1.5, lossWeight: 5, loss }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT).map((row) => softmax(zScores(row, 1.5), 2));
      return 15 * 4 * mean(rowsOf(predsS).map((row, n) => kl(teacher[n]!, softmax(zScores(row, 1.5), 2))));
    }),
  ).toBeLessThan(1e-9);
});

it('hands on labels and lists of teachers', () => {
  const loss = { type: 'NKDLoss' };
  const gtLabels = [1n, 0n, 4n, 2n];
  tidy(() => {
    const wrapped = buildLoss({ type: 'StandardizedLogits', loss }) as StandardizedLogits;
    expect(wrapped.inputs.required).toEqual(['predsS', 'predsT', 'gtLabels']);
    expect(Number.isFinite(wrapped.forward({ ...args(), gtLabels: tensor(gtLabels) }).item())).toBe(true);
    const { predsS, predsT } = args();
    const many = buildLoss({ type: 'StandardizedLogits', loss: { type: 'SoftLabelEnsemble' } }) as StandardizedLogits;
    const one = buildLoss({ type: 'StandardizedLogits', loss: { type: 'KLDivergence' } }) as StandardizedLogits;
    expect(many.forward({ predsS, predsT: [predsT, predsT] })).toBeAllClose(one.forward({ predsS, predsT }));
  });
});

it('looks for the classes where the wrapped loss does, and leaves out what that leaves out', () => {
  tidy(() => {
    const { predsS, predsT } = args();
    const build = (loss: object) =>
      (buildLoss({ type: 'StandardizedLogits', loss: { type: 'NKDLoss', ...loss } }) as StandardizedLogits).forward;
    const gtLabels = tensor([1n, 0n, 4n, -100n]);
    const expected = build({})({
      predsS: predsS.narrow(0, 0, 3),
      predsT: predsT.narrow(0, 0, 3),
      gtLabels: gtLabels.narrow(0, 0, 3),
    });
    const wrong = tensor([0, 0, 0, 1]).gt(0).unsqueeze(1);
    const leaf = predsS.detach().maskedFill(wrong, NaN).t().requiresGrad_();
    const loss = build({ dim: 0 })({ predsS: leaf, predsT: predsT.detach().maskedFill(wrong, Infinity).t(), gtLabels });
    expect(loss).toBeAllClose(expected, { rtol: 1e-12 });
    const [gradient] = grad([loss], [leaf]);
    expect(gradient!.isfinite().all().item()).toBe(1);
    expect(gradient!.select(1, 3).abs().sum().item()).toBe(0);
  });
});

it('gives finite gradients for a constant row', () => {
  tidy(() => {
    const predsS = tensor([[3, 3, 3]], { requiresGrad: true });
    const loss = buildLoss({ type: 'StandardizedLogits', loss: { type: 'KLDivergence' } }) as StandardizedLogits;
    const [gradient] = grad([loss.forward({ predsS, predsT: tensor([[1, 2, 3]]) })], [predsS]);
    expect(Array.from(gradient!.data(), Number).every(Number.isFinite)).toBe(true);
  });
});

it('refuses a loss that takes no logits, and one that does not exist', () => {
  const build = (loss: unknown) => () => buildLoss({ type: 'StandardizedLogits', loss });
  expect(build({ type: 'SPLoss' })).toThrow(refusal('invalid-argument', 'predsS', 'predsT', 'SPLoss'));
  expect(build(undefined)).toThrow(refusal('invalid-argument', 'loss'));
  expect(build({ type: 'KLDivergense' })).toThrow(refusal('unknown-name', 'KLDivergence'));
  expect(build({ type: 'KLDivergence', tua: 1 })).toThrow(refusal('unknown-option', '"tua"', '"tau"'));
});

it('names the argument that does not fit', () => {
  tidy(() => {
    const loss = new StandardizedLogits({ loss: new KLDivergence({ dim: 1 }) });
    const [predsS, flat] = [tensor([[1, 2]]), tensor([1, 2])];
    expect(() => loss.forward({ predsS: flat, predsT: predsS })).toThrow(refusal('invalid-argument', 'of predsS [2]'));
    expect(() => loss.forward({ predsS, predsT: flat })).toThrow(refusal('invalid-argument', 'of predsT [2]'));
  });
});
