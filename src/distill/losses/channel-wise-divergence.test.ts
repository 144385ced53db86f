// ChannelWiseDivergence: the contract, the original's numbers, and what it does not change with.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { ChannelWiseDivergence } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('ChannelWiseDivergence');

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  predsT: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('ChannelWiseDivergence', {
  options: { tau: 2 },
  args,
  trains: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it('is at least 0, 0 for equal maps, and the same when a channel is shifted', () => {
  const maps = fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(maps, maps, (ours, theirs) =>
      tidy(() => {
        const make = (values: number[]): Tensor => tensor(values, { shape: [1, 2, 2, 2], dtype: 'float64' });
        const loss = new ChannelWiseDivergence();
        const [predsS, predsT] = [make(ours), make(theirs)];
        const value = loss.forward({ predsS, predsT }).item();
        expect(value).toBeGreaterThanOrEqual(-1e-12);
        const shift = tensor([3, -4], { shape: [1, 2, 1, 1], dtype: 'float64' });
        expect(loss.forward({ predsS: predsS.add(shift), predsT }).item()).toBeCloseTo(value, 8);
        expect(loss.forward({ predsS: predsT, predsT }).item()).toBeCloseTo(0, 12);
      }),
    ),
  );
});

it('takes maps in any memory format, and keeps the teacher constant when told', () => {
  tidy(() => {
    const { predsS, predsT } = args();
    const loss = new ChannelWiseDivergence({ teacherDetach: true });
    const last = predsS.contiguous({ memoryFormat: 'channels_last' });
    expect(loss.forward({ predsS: last, predsT })).toBeAllClose(loss.forward({ predsS, predsT }));
    expect(grad([loss.forward({ predsS, predsT })], [predsT], { allowUnused: true })).toEqual([null]);
  });
});

it('refuses logits without positions', () => {
  tidy(() => {
    const logits = tensor([[1, 2]]);
    const call = (): unknown => new ChannelWiseDivergence().forward({ predsS: logits, predsT: logits });
    expect(call).toThrow(refusal('invalid-argument', '[1, 2]', 'ChannelWiseDivergence', 'predsS'));
  });
});
