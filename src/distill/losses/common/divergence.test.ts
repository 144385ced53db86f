// What the losses of logits have in common: finite for any logits, 0 for equal ones, checked options.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { refusal } from '../../../../test/refusal.ts';
import { wave } from '../../../../test/golden.ts';
import { grad, tensor, tidy } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { buildLoss, KLDivergence, ReverseKL } from '../index.ts';

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

it.each(['KLDivergence', 'SoftLabelEnsemble', ...zeroWhenEqual, 'LogitMSE'])(
  '%s of an empty batch is 0, with a mask too',
  (type) => {
    tidy(() => {
      const none = tensor([], { shape: [0, 3] });
      const args = { predsS: none, predsT: type === 'SoftLabelEnsemble' ? [none, none] : none };
      expect(forwardOf(type)(args).item()).toBe(0);
      expect(forwardOf(type)({ ...args, mask: tensor([], { dtype: 'bool' }) }).item()).toBe(0);
    });
  },
);

/** Losses of logits for which a class that both sides rule out might as well not be there. */
const withoutTheClass: [type: string, more?: object][] = [
  ...[
    'KLDivergence',
    'ReverseKL',
    'JeffreysDivergence',
    'JSDivergence',
    'SkewKL',
    'TotalVariation',
    'KDSoftCELoss',
  ].map((type): [string] => [type]),
  ...['CrossEntropyLoss', 'DKDLoss', 'NKDLoss', 'WSLD', 'OFALoss', 'WTTMLoss', 'CTKDLoss'].map((type): [string] => [
    type,
  ]),
  ['SkewKL', { reverse: true }],
  ['MLKDLoss', { classWeight: 0 }],
  ['SoftLabelEnsemble', { space: 'logit' }],
  ['SoftLabelEnsemble', { space: 'probability' }],
  ['StandardizedLogits', { loss: { type: 'KLDivergence' } }],
];

it.each(withoutTheClass)(
  '%s %j: a class that both sides rule out (-Infinity) adds nothing, in value and gradient',
  (type, more = {}) => {
    const shape = [3, 4];
    const compute = (remove: (logits: Tensor) => Tensor, options: object): [number, ...Tensor[]] => {
      const [s, t] = [wave({ shape, a: 0.7, b: 0.2 }), wave({ shape, a: 0.4, b: 0.9 })].map((logits) =>
        logits.detach().requiresGrad_(),
      ) as [Tensor, Tensor];
      const loss = buildLoss({ type, ...more, ...options });
      const [predsS, predsT] = [remove(s), remove(t)];
      const given: Record<string, unknown> = {
        predsS,
        student: predsS,
        teacher: predsT,
        gtLabels: tensor([0n, 2n, 1n]),
      };
      given['predsT'] = type === 'SoftLabelEnsemble' ? [predsT, predsT.mul(0.5)] : predsT;
      const used = Object.fromEntries(loss.inputs.required.map((name) => [name, given[name]]));
      const value = (loss.forward as (args: object) => Tensor)(used);
      const gradients = grad([value], [s, t], { allowUnused: true }).map((one) => one ?? s.mul(0));
      return [value.item(), ...gradients];
    };
    tidy(() => {
      const last = tensor([[0, 0, 0, 1]]).gt(0);
      for (const options of [{}, { teacherDetach: false }, { compat: 'mmrazor' }]) {
        if ('teacherDetach' in options && ['CrossEntropyLoss', 'StandardizedLogits'].includes(type)) continue;
        const [value, ...gradients] = compute((logits) => logits.maskedFill(last, -Infinity), options);
        const [expected, ...wanted] = compute((logits) => logits.narrow(1, 0, 3), options);
        expect(value).toBeCloseTo(expected, 10);
        gradients.forEach((one, i) => expect(one).toBeAllClose(wanted[i]!, { rtol: 1e-9, atol: 1e-12 }));
      }
    });
  },
);

it('takes -Infinity of a teacher for probability 0, in chunks, at a temperature, in float32 and bfloat16', () => {
  tidy(() => {
    for (const dtype of ['float64', 'float32', 'bfloat16'] as const) {
      const predsS = tensor(
        [
          [1, 2, 3],
          [0.5, 0.1, 0.2],
        ],
        { dtype, requiresGrad: true },
      );
      const predsT = tensor(
        [
          [1, 2, -Infinity],
          [0, 1, 2],
        ],
        { dtype },
      );
      const plain = new KLDivergence().forward({ predsS, predsT });
      expect(plain.item()).toBeCloseTo(0.7197556, dtype === 'bfloat16' ? 2 : 6);
      for (const tau of [1, 4]) {
        const whole = new KLDivergence({ tau }).forward({ predsS, predsT });
        const chunked = new KLDivergence({ tau, chunkSize: 1 }).forward({ predsS, predsT });
        expect(chunked.item()).toBeCloseTo(whole.item(), 5);
        const [a, b] = [whole, chunked].map((loss) => grad([loss], [predsS])[0]!);
        expect(a!.isfinite().all().item()).toBe(1);
        expect(b).toBeAllClose(a!, { rtol: dtype === 'bfloat16' ? 0.02 : 1e-4, atol: 1e-6 });
      }
    }
  });
});

it('says which class makes a divergence infinite, and leaves NaN to the check of training', () => {
  tidy(() => {
    const [open, ruledOut] = [tensor([[1, 2, 3]]), tensor([[1, -Infinity, 2]])];
    const reverse = { predsS: open, predsT: ruledOut };
    expect(new ReverseKL().forward(reverse).item()).toBe(Infinity);
    expect(new ReverseKL().explainNonFinite(reverse)).toMatch(/^predsT is -Infinity at \[0, 1\].*KLDivergence/);
    const kl = { predsS: ruledOut, predsT: open };
    expect(new KLDivergence({ chunkSize: 1 }).forward(kl).item()).toBe(Infinity);
    expect(new KLDivergence().explainNonFinite(kl)).toMatch(/^predsS is -Infinity at \[0, 1\]/);
    expect(new KLDivergence().explainNonFinite({ predsS: open, predsT: open.mul(NaN) })).toBeUndefined();
    expect(new KLDivergence().forward({ predsS: open, predsT: open.mul(NaN) }).item()).toBeNaN();
    // the true class alone is left on both sides, or on the teacher's
    const sure = tensor([[2, -Infinity, -Infinity]]);
    const gtLabels = tensor([0n]);
    for (const type of ['DKDLoss', 'NKDLoss', 'OFALoss', 'WSLD']) {
      for (const predsS of [open, sure]) {
        const [s, t] = [predsS.clone().requiresGrad_(), sure.clone().requiresGrad_()];
        const args = { predsS: s, predsT: t, student: s, teacher: t, gtLabels };
        const value = forwardOf(type, { teacherDetach: false })(args);
        const numbers = [value, ...grad([value], [s, t])].flatMap((one) => Array.from(one!.data(), Number));
        expect(numbers.every(Number.isFinite), `${type} ${predsS === sure}`).toBe(true);
      }
    }
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

it('gives the terms themselves without a reduction, and refuses an unknown one', () => {
  tidy(() => {
    const [predsS, predsT] = [wave({ shape: [2, 4], a: 0.7, b: 0.2 }), wave({ shape: [2, 4], a: 0.4, b: 0.9 })];
    const terms = new ReverseKL({ reduction: 'none' }).forward({ predsS, predsT });
    expect(terms.shape).toEqual([2, 4]);
    expect(terms.sum()).toBeAllClose(new ReverseKL({ reduction: 'sum' }).forward({ predsS, predsT }));
  });
  expect(() => new ReverseKL({ reduction: 'man' as never })).toThrow(
    refusal('invalid-argument', 'ReverseKL', 'reduction', 'mean'),
  );
  expect(() => buildLoss({ type: 'JSDivergence', beta: 1 })).toThrow(refusal('invalid-argument', 'beta', 1));
});
