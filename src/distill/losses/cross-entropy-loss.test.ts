// CrossEntropyLoss: the contract, the original's numbers, and that only the teacher's choice counts.
import { expect, it } from 'vitest';

import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { CrossEntropyLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('CrossEntropyLoss');

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('CrossEntropyLoss', {
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it("does not change with the teacher's temperature, and takes score maps", () => {
  tidy(() => {
    const { predsS, predsT } = args();
    const value = new CrossEntropyLoss().forward({ predsS, predsT });
    expect(new CrossEntropyLoss().forward({ predsS, predsT: predsT.mul(0.01).add(3) })).toBeAllClose(value);
    const maps = [predsS, predsT].map((one) => one.t().view([1, 5, 2, 2]));
    expect(new CrossEntropyLoss().forward({ predsS: maps[0]!, predsT: maps[1]! })).toBeAllClose(value);
  });
});
