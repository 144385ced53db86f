// KLDivergence: the original's numbers, gradients, extreme logits, wrong shapes.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { readFixture } from '../../../test/fixtures.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildLoss, KLDivergence } from './index.ts';
import type { KLReduction } from './index.ts';

interface Golden {
  options: { tau?: number; reduction?: KLReduction; loss_weight?: number; teacher_detach?: boolean };
  inputs: { shape: number[]; a: number; b: number; scale?: number }[];
  sum: number;
  grad: ({ sum: number; abs_sum: number; first?: number[] } | null)[];
}

const { cases } = readFixture<{ cases: Golden[] }>('kl-divergence');

function wave({ shape, a, b, scale = 1 }: Golden['inputs'][number]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float64Array.from({ length: count }, (_, i) => scale * Math.sin(a * i + b));
  return tensor(values, { shape, requiresGrad: true });
}

it.each(cases.map((one, i) => [i, one] as const))('golden %i', (_i, one) => {
  const { tau, reduction, loss_weight: lossWeight, teacher_detach: teacherDetach } = one.options;
  const given = Object.entries({ tau, reduction, lossWeight, teacherDetach }).filter(
    ([, value]) => value !== undefined,
  );
  const loss = buildLoss({ type: 'KLDivergence', ...Object.fromEntries(given) }) as KLDivergence;
  const [predsS, predsT] = one.inputs.map(wave) as [Tensor, Tensor];
  const total = loss.forward({ predsS, predsT }).sum();
  expect(total).toBeAllClose(one.sum, { rtol: 1e-9 });
  const gradients = grad([total], [predsS, predsT], { allowUnused: true });
  gradients.forEach((gradient, i) => {
    const expected = one.grad[i];
    if (gradient === null || expected === null || expected === undefined) {
      expect(gradient).toBeNull();
      return;
    }
    expect(gradient.abs().sum()).toBeAllClose(expected.abs_sum, { rtol: 1e-9, atol: 1e-12 });
    if (expected.first !== undefined) {
      const first = Array.from({ length: expected.first.length }, (_, k) => Number(gradient.data()[k]));
      expect(first).toBeAllClose(expected.first, { rtol: 1e-8, atol: 1e-12 });
    }
  });
});

it('is finite in value and gradient for logits up to 1e4, in float32 and bfloat16', () => {
  const logit = fc.double({ min: -1e4, max: 1e4, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(logit, { minLength: 6, maxLength: 6 }),
      fc.constantFrom('float32', 'bfloat16'),
      (values, dtype) =>
        tidy(() => {
          const predsS = tensor(values.slice(0, 3), { shape: [1, 3], dtype, requiresGrad: true });
          const predsT = tensor(values.slice(3), { shape: [1, 3], dtype, requiresGrad: true });
          const loss = new KLDivergence({ tau: 2, teacherDetach: false }).forward({ predsS, predsT });
          const numbers = [loss, ...grad([loss], [predsS, predsT])].flatMap((t) => Array.from(t!.data(), Number));
          expect(numbers.every(Number.isFinite)).toBe(true);
        }),
    ),
  );
});

it('refuses shapes that would broadcast, and options that are none', () => {
  const loss = new KLDivergence();
  const [predsS, predsT] = [
    tensor([[1, 2]]),
    tensor([
      [1, 2],
      [3, 4],
    ]),
  ];
  expect(() => loss.forward({ predsS, predsT })).toThrow(
    /KLDivergence: predsS and predsT must have one shape, got \[1, 2\] and \[2, 2\]/,
  );
  expect(() => buildLoss({ type: 'KLDivergence', reduction: 'avg' })).toThrow(/reduction: .*got "avg"/);
  expect(() => buildLoss({ type: 'KLDivergense' })).toThrow(/did you mean "KLDivergence"/);
});
