// OnehotLikeLoss: the contract, the original's numbers, and that it grows surer.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { tensor, tidy } from '../../torch/index.ts';
import { OnehotLikeLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('OnehotLikeLoss');

describeLoss('OnehotLikeLoss', {
  args: (dtype) => ({ predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype) }),
  minusInfinity: ['predsT', 'all'],
  trains: ['predsT'],
});

it('is log C where the teacher does not know, and 0 where it is sure', () => {
  tidy(() => {
    const loss = new OnehotLikeLoss();
    expect(loss.forward({ predsT: tensor([[2, 2, 2, 2]]) }).item()).toBeCloseTo(Math.log(4), 6);
    expect(loss.forward({ predsT: tensor([[0, 200, 0, 0]]) }).item()).toBe(0);
    expect(() => loss.forward({ predsT: tensor([1, 2]) })).toThrow(
      refusal('invalid-argument', 'OnehotLikeLoss', 'dim', 'predsT'),
    );
  });
});
