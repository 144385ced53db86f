// KLDivergence: the contract, the original's numbers, random extreme logits, options that are none.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import { buildLoss, KLDivergence } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('KLDivergence');

describeLoss('KLDivergence', {
  options: { tau: 2 },
  args: (dtype) => ({
    predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
    predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  }),
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it('is finite in value and gradient for any logits up to 1e4, the teacher kept', () => {
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

it('refuses unknown options, and suggests a connector for shapes that differ', () => {
  const loss = new KLDivergence();
  const [predsS, predsT] = [tensor([[1, 2]]), tensor([[1, 2, 3]])];
  expect(() => loss.forward({ predsS, predsT })).toThrow(
    refusal('invalid-argument', '[1, 2]', '[1, 3]', 'KLDivergence', 'predsS', 'predsT', 'Linear', 'moduleName'),
  );
  expect(() => buildLoss({ type: 'KLDivergence', reduction: 'avg' })).toThrow(
    refusal('invalid-argument', 'reduction', 'avg'),
  );
  expect(() => buildLoss({ type: 'KLDivergense' })).toThrow(refusal('unknown-name', 'KLDivergence'));
});
