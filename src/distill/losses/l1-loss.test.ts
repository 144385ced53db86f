// L1Loss: the contract, the original's numbers, batchmean, and the generator of adversarial distillation.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { buildLoss, L1Loss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('L1Loss');

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 5], a: 0.71, b: 0.2 }, dtype),
  tFeature: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('L1Loss', { args, trains: ['sFeature', 'tFeature'], sameShape: [['sFeature', 'tFeature']] });

it('reduces as it says, batchmean too', () => {
  tidy(() => {
    const given = {
      sFeature: tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      tFeature: tensor([
        [2, 2, 2],
        [2, 2, 2],
      ]),
    };
    const value = (options: object): unknown => new L1Loss(options).forward(given).toArray();
    const each = [
      [1, 0, 1],
      [2, 3, 4],
    ];
    expect(value({ reduction: 'sum' })).toBe(11);
    expect(value({ reduction: 'batchmean' })).toBe(5.5);
    expect(value({ reduction: 'none' })).toEqual(each);
    expect(value({})).toBeCloseTo(11 / 6, 6);
  });
});

it("takes PyTorch's older options of a reduction as PyTorch does: together, and before `reduction`", () => {
  const reduction = (options: object): string => new L1Loss(options).options.reduction;
  expect(reduction({ reduce: false, sizeAverage: true })).toBe('none');
  expect(reduction({ sizeAverage: true, reduce: false })).toBe('none');
  expect(reduction({ sizeAverage: false, reduce: true })).toBe('sum');
  expect(reduction({ sizeAverage: false })).toBe('sum');
  expect(reduction({ reduce: true })).toBe('mean');
  expect(reduction({ reduction: 'none', sizeAverage: false })).toBe('sum');
  expect(reduction({ sizeAverage: null, reduce: false, reduction: 'sum' })).toBe('none');
  expect(reduction({ sizeAverage: null, reduce: null, reduction: 'sum' })).toBe('sum');
  expect(reduction({ sizeAverage: null })).toBe('mean');
  expect(() => new L1Loss({ sizeAverage: 'sum' } as object)).toThrow(
    refusal('invalid-argument', 'L1Loss', 'sizeAverage', 'true', 'false', 'null', '"sum"'),
  );
});

it('with a negative weight reaches a generator through student and teacher', () => {
  tidy(() => {
    const image = tensor([[0.5, -1]], { requiresGrad: true });
    const [sFeature, tFeature] = [image.mul(2), image.mul(5)];
    const [gradient] = grad([new L1Loss({ lossWeight: -1 }).forward({ sFeature, tFeature })], [image]);
    expect(gradient).toBeAllClose([[-1.5, 1.5]]); // -mean |3 x|
    const constant = new L1Loss({ teacherDetach: true }).forward({ sFeature, tFeature });
    expect(grad([constant], [image])[0]).toBeAllClose([[-1, 1]]);
  });
});

it('broadcasts under compat only, and refuses unknown reductions', () => {
  tidy(() => {
    const given = { sFeature: tensor([[1, 2]]), tFeature: tensor([[1], [3]]) };
    expect(() => new L1Loss().forward(given)).toThrow(refusal('invalid-argument', 'L1Loss', 'sFeature', 'tFeature'));
    expect(new L1Loss({ compat: 'mmrazor' }).forward(given).item()).toBe(1);
  });
  expect(() => new L1Loss({ reduction: 'avg' as never })).toThrow(
    refusal('invalid-argument', 'L1Loss', 'reduction', 'avg'),
  );
  expect(() => buildLoss({ type: 'L1Loss', reduction: 'avg' })).toThrow(
    refusal('invalid-argument', 'reduction', 'avg'),
  );
});
