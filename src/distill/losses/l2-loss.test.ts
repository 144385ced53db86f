// L2Loss: the contract, the original's numbers, samples that are all zero, equal features, shapes that would broadcast.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { L2Loss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

// the case without a weight of its own is BYOT's, whose shapes broadcast
const isBroadcast = (options: Record<string, unknown>): boolean =>
  options['dist'] === true && options['normalize'] === false && options['loss_weight'] === undefined;
itMatchesGoldens('L2Loss', isBroadcast);

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  tFeature: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('L2Loss', { args, trains: ['sFeature', 'tFeature'], sameShape: [['sFeature', 'tFeature']] });

it('gives a sample that is all zero no gradient, and the others theirs', () => {
  tidy(() => {
    const sFeature = tensor(
      [
        [0, 0],
        [3, 4],
      ],
      { dtype: 'float64', requiresGrad: true },
    );
    const tFeature = tensor(
      [
        [0, 2],
        [1, 0],
      ],
      { dtype: 'float64' },
    );
    const loss = new L2Loss({ mult: 2 }).forward({ sFeature, tFeature });
    expect(loss).toBeAllClose((4 * (1 + 0.4 ** 2 + 0.8 ** 2)) / 2);
    const [gradient] = grad([loss], [sFeature]);
    expect(gradient!.data().slice(0, 2)).toBeAllClose([0, 0]);
    expect(gradient!.abs().sum().item()).toBeGreaterThan(0.1);
    const original = new L2Loss({ mult: 2, compat: 'mmrazor' }).forward({ sFeature, tFeature });
    expect(original.item()).toBeNaN();
  });
});

it('has gradient 0 at distance 0', () => {
  tidy(() => {
    const sFeature = tensor([[1, 2]], { requiresGrad: true });
    for (const normalize of [true, false]) {
      const loss = new L2Loss({ dist: true, normalize }).forward({ sFeature, tFeature: tensor([[1, 2]]) });
      expect([loss.item(), ...grad([loss], [sFeature])[0]!.data()]).toEqual([0, 0, 0]);
    }
  });
});

it("refuses BYOT's shapes, which broadcast under compat", () => {
  tidy(() => {
    const given = { sFeature: tensor([[1, 2]]), tFeature: tensor([1, 3], { shape: [1, 2, 1, 1] }) };
    const options = { dist: true, normalize: false };
    expect(() => new L2Loss(options).forward(given)).toThrow(
      refusal('invalid-argument', 'L2Loss', '[1, 2]', '[1, 2, 1, 1]'),
    );
    const original = new L2Loss({ ...options, compat: 'mmrazor' }).forward(given);
    expect(original).toBeAllClose(Math.sqrt(0 + 1 + 4 + 1));
  });
});
