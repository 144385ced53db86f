// FBKDLoss: the contract, its value by plain numbers, both spellings, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { relativeError, mapsOf, mean, rowsOf, squaredDistance, sum } from '../../../test/plain.ts';
import { grad, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { buildLoss, FBKDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => {
  const maps = (channels: number, b: number): Tensor => wave({ shape: [2, channels, 2, 2], a: 0.71, b }, dtype);
  const mask = (b: number): Tensor => maps(1, b).detach().softmax(3).mul(4).requiresGrad_();
  const [sChannels, tChannels] = [0.4, 0.5].map((b) => wave({ shape: [2, 3, 1, 1], a: 0.3, b }, dtype));
  const pooled = wave({ shape: [2, 3], a: 0.9, b: 0.6 }, dtype);
  return {
    sInput: [mask(0.1), sChannels!, pooled, maps(1, 0.7), maps(3, 0.8), maps(3, 0.9)],
    tInput: [mask(1.1), tChannels!, maps(1, 1.2), maps(3, 1.3), maps(3, 1.4)],
  };
};

const options = { maskL2Weight: 0.7, channelWeight: 0.4, spatialWeight: 0.3, nonlocalWeight: 0.2 };
describeLoss('FBKDLoss', {
  options,
  args,
  trains: ['sInput', 'tInput'],
  withoutGradient: ['sInput', 'tInput'], // the masks
  sameShape: [['sInput', 'tInput']],
});

it('adds four distances, the features under the mean of both masks', () => {
  expect(
    relativeError({ type: 'FBKDLoss', ...options, lossWeight: 2 }, args, ({ sInput, tInput }) => {
      const distance = (a: Tensor, b: Tensor): number => Math.sqrt(squaredDistance(rowsOf(a).flat(), rowsOf(b).flat()));
      const [sMasks, tMasks, sMaps, tMaps] = [sInput[0]!, tInput[0]!, sInput[5]!, tInput[4]!].map(mapsOf);
      const masked = sMaps!.flatMap((maps, n) =>
        maps.flatMap((map, c) =>
          map.map((x, i) => (tMaps![n]![c]![i]! - x) ** 2 * ((sMasks![n]![0]![i]! + tMasks![n]![0]![i]!) / 2)),
        ),
      );
      const pooled = tMaps!.flatMap((maps) => maps.map(mean));
      const parts = [
        0.7 * Math.sqrt(sum(masked)),
        0.4 * Math.sqrt(squaredDistance(pooled, rowsOf(sInput[2]!).flat())),
        0.3 * distance(sInput[3]!, tInput[2]!),
        0.2 * distance(sInput[4]!, tInput[3]!),
      ];
      return 2 * sum(parts);
    }),
  ).toBeLessThan(1e-9);
});

it("reaches the teacher's relation and features, not the masks", () => {
  tidy(() => {
    const { sInput, tInput } = args();
    const loss = new FBKDLoss().forward({ sInput, tInput });
    const reached = grad([loss], [...sInput, ...tInput], { allowUnused: true }).map((one) => one !== null);
    expect(reached).toEqual([false, false, true, true, true, true, false, false, true, true, true]);
    const detached = new FBKDLoss({ teacherDetach: true }).forward({ sInput, tInput });
    expect(grad([detached], tInput, { allowUnused: true }).every((one) => one === null)).toBe(true);
  });
});

it('has gradient 0 where both sides are equal', () => {
  tidy(() => {
    const { sInput, tInput } = args();
    const pooled = tInput[4]!.detach().mean([2, 3]);
    const same = [sInput[0]!, sInput[1]!, pooled, ...[tInput[2]!, tInput[3]!, tInput[4]!].map((one) => one.detach())];
    for (const one of same.slice(2)) one.requiresGrad_();
    const loss = new FBKDLoss().forward({ sInput: same, tInput });
    expect(loss.item()).toBe(0);
    for (const one of grad([loss], same.slice(2))) expect(one!.abs().sum().item()).toBe(0);
  });
});

it('takes the weight of relations in both spellings, one at a time', () => {
  const build = (more: object): FBKDLoss => buildLoss({ type: 'FBKDLoss', ...more }) as FBKDLoss;
  expect(build({ nonloaclWeight: 3 }).options.nonlocalWeight).toBe(3);
  expect(() => build({ nonloaclWeight: 3, nonlocalWeight: 3 })).toThrow(
    refusal('invalid-argument', 'nonloaclWeight', 'nonlocalWeight'),
  );
});

it('refuses other lists, and masks that would broadcast over samples', () => {
  tidy(() => {
    const { sInput, tInput } = args();
    expect(() => new FBKDLoss().forward({ sInput: tInput, tInput })).toThrow(
      refusal('invalid-argument', 'FBKDLoss', 'sInput', 6, 5, 'FBKDStudentConnector'),
    );
    expect(() => new FBKDLoss().forward({ sInput, tInput: tInput[4] as never })).toThrow(
      refusal('invalid-argument', 'tInput'),
    );
    const one = (list: readonly Tensor[]): Tensor[] => [list[0]!.narrow(0, 0, 1), ...list.slice(1)];
    expect(() => new FBKDLoss().forward({ sInput: one(sInput), tInput: one(tInput) })).toThrow(
      refusal('invalid-argument', '[2, 1, 2, 2]', '[1, 1, 2, 2]'),
    );
  });
});
