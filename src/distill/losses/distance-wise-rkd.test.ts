// DistanceWiseRKD: the contract, the original's numbers, and what it does not change with.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { DistanceWiseRKD } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('DistanceWiseRKD');

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('DistanceWiseRKD', { args, trains: ['predsS', 'predsT'], sameShape: [['predsS', 'predsT']] });

it('does not change when all samples move, grow and turn together', () => {
  const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 6, noNaN: true }), (samples, turn) =>
      tidy(() => {
        const apart = [0, 3, 3, 0, -3, -3];
        const predsT = tensor(
          samples.map((x, i) => x + apart[i]!),
          { shape: [3, 2], dtype: 'float64' },
        );
        const [c, s] = [Math.cos(turn), Math.sin(turn)];
        const rotation = tensor([c, -s, s, c], { shape: [2, 2], dtype: 'float64' });
        const predsS = predsT.matmul(rotation).mul(3).add(7);
        const loss = new DistanceWiseRKD({ withL2Norm: false }).forward({ predsS, predsT });
        expect(loss.item()).toBeCloseTo(0, 8);
      }),
    ),
  );
});

it('is at least 0, takes feature maps, and has its own default weight', () => {
  tidy(() => {
    const { predsS, predsT } = args();
    const value = new DistanceWiseRKD().forward({ predsS, predsT });
    expect(value.item()).toBeGreaterThan(0);
    const maps = { predsS: predsS.view([4, 3, 1, 1]), predsT };
    expect(new DistanceWiseRKD().forward(maps)).toBeAllClose(value);
    expect(new DistanceWiseRKD({ lossWeight: 1 }).forward({ predsS, predsT })).toBeAllClose(value.div(25));
  });
});

it('is finite for samples that are equal, and 0 for one alone', () => {
  tidy(() => {
    const { predsT } = args('float32');
    const equal = tensor([1, 2, 1, 2, 5, 5, 1, 2], { shape: [4, 2], requiresGrad: true });
    const loss = new DistanceWiseRKD({ withL2Norm: false }).forward({ predsS: equal, predsT });
    const [gradient] = grad([loss], [equal]);
    expect(gradient!.abs().max().item()).toBeLessThan(1e3);
    const one = (tensor: Tensor): Tensor => tensor.narrow(0, 0, 1);
    expect(new DistanceWiseRKD().forward({ predsS: one(equal), predsT: one(predsT) }).item()).toBe(0);
  });
});
