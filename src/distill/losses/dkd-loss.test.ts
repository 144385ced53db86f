// DKDLoss: the contract, the original's numbers, what the reductions mean, how it decomposes KL, labels that are none.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { kl, rowsOf, softmax, sum } from '../../../test/plain.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { buildLoss, DKDLoss } from './index.ts';
import type { Reduction } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('DKDLoss', ({ reduction }) => reduction === 'mean' || reduction === 'none');

const labels = [1, 4, 0, 2];
const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  gtLabels: tensor(labels.map(BigInt)),
});

describeLoss('DKDLoss', {
  options: { tau: 2, beta: 0.5 },
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS', 'predsT'],
  sameShape: [
    ['predsS', 'predsT'],
    ['predsS', 'gtLabels'],
  ],
});

function plain({ predsS, predsT }: ReturnType<typeof args>, tau: number, alpha: number, beta: number): number[] {
  const students = rowsOf(predsS);
  return rowsOf(predsT).map((row, n) => {
    const [s, t] = [students[n]!, row].map((logits) => {
      const all = softmax(logits, tau);
      const target = all[labels[n]!]!;
      const others = softmax(
        logits.filter((_, c) => c !== labels[n]),
        tau,
      );
      return { binary: [target, 1 - target], others };
    });
    return tau ** 2 * (alpha * kl(t!.binary, s!.binary) + beta * kl(t!.others, s!.others));
  });
}

it('reduces as it says: none per sample, mean and batchmean over samples, sum', () => {
  tidy(() => {
    const each = plain(args(), 3, 0.7, 2);
    const options = { tau: 3, alpha: 0.7, beta: 2 };
    const value = (reduction: Reduction): Tensor => new DKDLoss({ ...options, reduction }).forward(args());
    expect(value('none')).toBeAllClose(each, { rtol: 1e-9 });
    expect(value('sum')).toBeAllClose(sum(each), { rtol: 1e-9 });
    for (const reduction of ['mean', 'batchmean'] as const) {
      expect(value(reduction)).toBeAllClose(sum(each) / 4, { rtol: 1e-9 });
    }
    const original = new DKDLoss({ ...options, reduction: 'mean', compat: 'mmrazor' });
    expect(original.forward(args())).toBeAllClose(sum(each), { rtol: 1e-9 });
  });
});

it('takes KL apart: KL = TCKD + (1 - p_t) NCKD, each at least 0, the teacher within its reach', () => {
  const logits = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(logits, fc.integer({ min: 0, max: 3 }), (values, label) =>
      tidy(() => {
        const make = (from: number): Tensor =>
          tensor(values.slice(from, from + 4), { shape: [1, 4], dtype: 'float64', requiresGrad: true });
        const given = { predsS: make(0), predsT: make(4), gtLabels: tensor([BigInt(label)]) };
        const tckd = new DKDLoss({ beta: 0 }).forward(given).item();
        const nckd = new DKDLoss({ alpha: 0 }).forward(given).item();
        const whole = buildLoss({ type: 'KLDivergence' })
          .forward(given as never)
          .item();
        const others = sum(softmax(values.slice(4)).filter((_, c) => c !== label));
        expect(Math.min(tckd, nckd)).toBeGreaterThanOrEqual(-1e-12);
        expect(tckd + others * nckd).toBeCloseTo(whole, 8);
        const [gradient] = grad([new DKDLoss().forward(given)], [given.predsT]);
        expect(gradient!.isfinite().all().item()).toBe(1);
      }),
    ),
  );
});

it('is finite where the original masks by 1000: logits that far apart', () => {
  tidy(() => {
    const predsS = tensor([[5000, -5000, 0]], { requiresGrad: true });
    const predsT = tensor([[-5000, 5000, 100]], { requiresGrad: true });
    const loss = new DKDLoss().forward({ predsS, predsT, gtLabels: tensor([0n]) });
    const all = [loss, ...grad([loss], [predsS, predsT])].flatMap((one) => Array.from(one!.data(), Number));
    expect(all.every(Number.isFinite)).toBe(true);
  });
});

it('keeps the teacher constant when told, and takes labels (N, 1)', () => {
  tidy(() => {
    const { predsS, predsT, gtLabels } = args();
    const loss = new DKDLoss({ teacherDetach: true }).forward({ predsS, predsT, gtLabels: gtLabels.view([4, 1]) });
    expect(grad([loss], [predsT], { allowUnused: true })).toEqual([null]);
    expect(loss).toBeAllClose(new DKDLoss().forward({ predsS, predsT, gtLabels }).item(), { rtol: 1e-12 });
  });
});

it('refuses a label outside the classes, one class only, and unknown reductions', () => {
  tidy(() => {
    const { predsS, predsT } = args();
    const call = (gtLabels: Tensor) => (): unknown => new DKDLoss().forward({ predsS, predsT, gtLabels });
    expect(call(tensor([0n, 1n, 5n, 2n]))).toThrow(refusal('invalid-argument', 'DKDLoss', 'gtLabels', 'predsS', 2, 5));
    expect(call(tensor([0n, -1n, 1n, 2n]))).toThrow(refusal('invalid-argument', 'gtLabels', 'sample 1', 'got -1'));
    expect(call(tensor([0, 1, 1, 2]))).toThrow(refusal('invalid-argument', 'int64', 'float32'));
    expect(call(tensor([0n, 1n]))).toThrow(refusal('invalid-argument', '[4]', '[4, 1]', '[2]'));
    const one = tensor([[1], [2]]);
    const gtLabels = tensor([0n, 0n]);
    expect(() => new DKDLoss().forward({ predsS: one, predsT: one, gtLabels })).toThrow(
      refusal('invalid-argument', 'DKDLoss', 'predsS', '[2, 1]'),
    );
  });
  expect(() => new DKDLoss({ reduction: 'avg' as never })).toThrow(refusal('invalid-argument', 'reduction', 'avg'));
});

it('takes shares of one class each for classes, and refuses mixed ones by name', () => {
  tidy(() => {
    const [predsS, predsT] = [wave({ shape: [2, 3], a: 0.7, b: 0.2 }), wave({ shape: [2, 3], a: 0.4, b: 0.9 })];
    const gtLabels = tensor([2n, 0n]);
    const shares = tensor([
      [0, 0, 1],
      [1, 0, 0],
    ]);
    const loss = new DKDLoss();
    expect(loss.forward({ predsS, predsT, gtLabels: shares }).item()).toBe(
      loss.forward({ predsS, predsT, gtLabels }).item(),
    );
    const mixed = tensor([
      [0, 0, 1],
      [0.625, 0.375, 0],
    ]);
    expect(() => loss.forward({ predsS, predsT, gtLabels: mixed })).toThrow(
      refusal('invalid-argument', 'DKDLoss', 'gtLabels', 1, 0.625, 0),
    );
  });
});
