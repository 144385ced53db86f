// What the losses of logits have in common: finite for any logits, 0 for equal ones, checked options.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { wave } from '../../../../test/golden.ts';
import { grad, tensor, tidy } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { buildLoss, ReverseKL } from '../index.ts';

const zeroWhenEqual = [
  'ReverseKL',
  'JeffreysDivergence',
  'JSDivergence',
  'SkewKL',
  'TotalVariation',
  'CTKDLoss',
  'MLKDLoss',
];
const withLabels = ['NKDLoss', 'OFALoss'];
const names = [...zeroWhenEqual, ...withLabels, 'LogitMSE', 'WTTMLoss'];

const forwardOf = (type: string, options: object = {}) =>
  buildLoss({ type, ...options }).forward as (args: Record<string, unknown>) => Tensor;

it.each(names)('%s is finite in value and gradient for any logits up to 1e4, the teacher kept', (type) => {
  const logit = fc.double({ min: -1e4, max: 1e4, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(logit, { minLength: 6, maxLength: 6 }),
      fc.constantFrom('float32', 'bfloat16'),
      (values, dtype) =>
        tidy(() => {
          const predsS = tensor(values.slice(0, 3), { shape: [1, 3], dtype, requiresGrad: true });
          const predsT = tensor(values.slice(3), { shape: [1, 3], dtype, requiresGrad: true });
          const labels = withLabels.includes(type) ? { gtLabels: tensor([2n]) } : {};
          const loss = forwardOf(type, { teacherDetach: false })({ predsS, predsT, ...labels });
          const numbers = [loss, ...grad([loss], [predsS, predsT])].flatMap((t) => Array.from(t!.data(), Number));
          expect(numbers.every(Number.isFinite)).toBe(true);
        }),
    ),
    { numRuns: 40 },
  );
});

it.each(zeroWhenEqual)('%s is 0 between equal logits, also of maps, and positive otherwise', (type) => {
  const shape = type === 'MLKDLoss' ? [2, 4] : [2, 4, 3];
  tidy(() => {
    const [predsS, other] = [wave({ shape, a: 0.7, b: 0.2 }), wave({ shape, a: 0.4, b: 0.9 })];
    expect(forwardOf(type)({ predsS, predsT: predsS }).item()).toBeCloseTo(0, 12);
    expect(forwardOf(type)({ predsS, predsT: other }).item()).toBeGreaterThan(0);
  });
});

it('lets gradients through to the teacher only when asked', () => {
  tidy(() => {
    const [predsS, predsT] = [wave({ shape: [2, 4], a: 0.7, b: 0.2 }), wave({ shape: [2, 4], a: 0.4, b: 0.9 })];
    for (const type of ['ReverseKL', 'LogitMSE', 'MLKDLoss']) {
      const [none] = grad([forwardOf(type)({ predsS, predsT })], [predsT], { allowUnused: true });
      const [some] = grad([forwardOf(type, { teacherDetach: false })({ predsS, predsT })], [predsT]);
      expect(none).toBeNull();
      expect(some!.abs().sum().item()).toBeGreaterThan(0);
    }
  });
});

it('gives the terms themselves without a reduction, and refuses one that is none', () => {
  tidy(() => {
    const [predsS, predsT] = [wave({ shape: [2, 4], a: 0.7, b: 0.2 }), wave({ shape: [2, 4], a: 0.4, b: 0.9 })];
    const terms = new ReverseKL({ reduction: 'none' }).forward({ predsS, predsT });
    expect(terms.shape).toEqual([2, 4]);
    expect(terms.sum()).toBeAllClose(new ReverseKL({ reduction: 'sum' }).forward({ predsS, predsT }));
  });
  expect(() => new ReverseKL({ reduction: 'man' as never })).toThrow(/ReverseKL: reduction: .*did you mean "mean"/);
  expect(() => buildLoss({ type: 'JSDivergence', beta: 1 })).toThrow(/beta/);
});
