// PKDLoss: the contract, the original's numbers, levels, sizes that differ, and that it is one minus a correlation.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { PKDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('PKDLoss');

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  predsT: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('PKDLoss', { args, trains: ['predsS', 'predsT'], sameShape: [['predsS', 'predsT']] });

it('does not change with scale and shift of a channel, is 0 for equal maps, and at most 2', () => {
  const maps = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(maps, maps, (ours, theirs) =>
      tidy(() => {
        const make = (values: number[]): Tensor =>
          tensor(
            values.map((x, i) => x + 3 * (i % 2)),
            { shape: [1, 2, 2, 2], dtype: 'float64' },
          );
        const [predsS, predsT] = [make(ours), make(theirs)];
        const value = new PKDLoss().forward({ predsS, predsT }).item();
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(2);
        const scale = tensor([3, 0.5], { shape: [1, 2, 1, 1], dtype: 'float64' });
        expect(new PKDLoss().forward({ predsS: predsS.mul(scale).add(7), predsT }).item()).toBeCloseTo(value, 3);
        expect(new PKDLoss().forward({ predsS: predsT, predsT }).item()).toBe(0);
      }),
    ),
  );
});

it('adds levels up, given as lists or generators', () => {
  tidy(() => {
    const { predsS, predsT } = args();
    const value = new PKDLoss().forward({ predsS, predsT }).item();
    expect(new PKDLoss().forward({ predsS: [predsS, predsT], predsT: [predsT, predsT] })).toBeAllClose(value);
    const twice = function* (one: Tensor): Generator<Tensor> {
      yield one;
      yield one;
    };
    expect(new PKDLoss().forward({ predsS: twice(predsS), predsT: twice(predsT) })).toBeAllClose(2 * value);
    expect(() => new PKDLoss().forward({ predsS: [predsS], predsT: [predsT, predsT] })).toThrow(
      refusal('invalid-argument', 'predsS', 'predsT', '1 and 2'),
    );
    expect(() => new PKDLoss().forward({ predsS: [], predsT: [] })).toThrow(
      refusal('invalid-argument', 'PKDLoss', 'predsS', 'predsT', 0),
    );
  });
});

it('resizes where only the widths differ, and refuses other channels', () => {
  tidy(() => {
    const { predsS } = args();
    const predsT = wave({ shape: [2, 3, 2, 4], a: 0.3, b: 0.9 });
    for (const resizeStu of [true, false]) {
      const loss = new PKDLoss({ resizeStu }).forward({ predsS, predsT });
      for (const one of grad([loss], [predsS, predsT])) expect(one!.isfinite().all().item()).toBe(1);
    }
    const channels = wave({ shape: [2, 4, 2, 2], a: 0.3, b: 0.9 });
    expect(() => new PKDLoss().forward({ predsS, predsT: channels })).toThrow(
      refusal('invalid-argument', 'PKDLoss', '[2, 3, 2, 2]', '[2, 4, 2, 2]'),
    );
  });
});

it('is 0, not NaN, for channels of one number', () => {
  tidy(() => {
    const predsS = tensor([1, 2], { shape: [1, 2, 1, 1], requiresGrad: true });
    const loss = new PKDLoss().forward({ predsS, predsT: predsS.detach().add(1) });
    expect([loss.item(), ...grad([loss], [predsS])[0]!.data()]).toEqual([0, 0, 0]);
  });
});
