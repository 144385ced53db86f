// MGDLoss: the contract, the original's numbers, and both of its weights.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { MGDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('MGDLoss');

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  predsT: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('MGDLoss', {
  options: { alphaMgd: 0.5 },
  args,
  trains: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it('is the sum of squares over samples, times both weights', () => {
  tidy(() => {
    const predsS = tensor([1, 2, 3, 4], { shape: [2, 1, 1, 2] });
    const given = { predsS, predsT: predsS.sub(2) };
    expect(new MGDLoss({ alphaMgd: 0.1, lossWeight: 3 }).forward(given)).toBeAllClose(0.1 * 3 * 8);
    expect(new MGDLoss().forward(given)).toBeAllClose(2e-5 * 8);
    const flat = predsS.flatten(1);
    expect(() => new MGDLoss().forward({ predsS: flat, predsT: flat })).toThrow(
      refusal('invalid-argument', 'MGDLoss', 'predsS'),
    );
  });
});
