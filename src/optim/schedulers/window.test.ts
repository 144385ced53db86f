// A scheduler for a part of training: rates before, within and after, a warm-up followed by a cosine, and resuming.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { CosineAnnealingLR, LinearLR, MultiStepLR, SGD, WindowedScheduler } from '../index.ts';
import type { Scheduler } from '../index.ts';

function optimizerOf(weight: Tensor): SGD {
  return new SGD([weight], { lr: 1 });
}

const rates = (optimizer: SGD, schedulers: readonly Scheduler[], steps: number): number[] =>
  Array.from({ length: steps }, () => {
    const { lr } = optimizer.paramGroups[0]!;
    for (const scheduler of schedulers) scheduler.step();
    return lr;
  });

const warmUpAndCosine = (optimizer: SGD): WindowedScheduler[] => [
  new WindowedScheduler(optimizer, () => new LinearLR(optimizer, { startFactor: 0.25, totalIters: 3 }), { end: 4 }),
  new WindowedScheduler(optimizer, () => new CosineAnnealingLR(optimizer, { tMax: 4 }), { begin: 4, end: 8 }),
];

it('leaves rates alone before it begins and after it has ended', () => {
  using weight = tensor([1], { requiresGrad: true });
  const optimizer = optimizerOf(weight);
  const scheduler = new WindowedScheduler(optimizer, () => new MultiStepLR(optimizer, { milestones: [1, 2, 3] }), {
    begin: 2,
    end: 5,
  });
  expect(rates(optimizer, [scheduler], 8)).toBeAllClose([1, 1, 1, 0.1, 0.01, 0.01, 0.01, 0.01]);
});

it('warms up and goes on with a cosine from the full rate', () => {
  using weight = tensor([1], { requiresGrad: true });
  const optimizer = optimizerOf(weight);
  const half = (t: number): number => (1 + Math.cos((Math.PI * t) / 4)) / 2;
  expect(rates(optimizer, warmUpAndCosine(optimizer), 9)).toBeAllClose(
    [0.25, 0.5, 0.75, 1, 1, half(1), half(2), half(3), half(3)],
    { rtol: 1e-6 },
  );
});

it.each([2, 5])('goes on after %i steps as if it had not stopped', (stopped) => {
  using weight = tensor([1], { requiresGrad: true });
  const one = optimizerOf(weight);
  const first = warmUpAndCosine(one);
  rates(one, first, stopped);
  const other = optimizerOf(weight);
  const second = warmUpAndCosine(other);
  other.loadStateDict(one.stateDict());
  second.forEach((scheduler, i) => scheduler.loadStateDict(first[i]!.stateDict()));
  expect(rates(other, second, 4)).toEqual(rates(one, first, 4));
});

it('refuses a window that ends before it begins', () => {
  using weight = tensor([1], { requiresGrad: true });
  const optimizer = optimizerOf(weight);
  const make = (): LinearLR => new LinearLR(optimizer);
  expect(() => new WindowedScheduler(optimizer, make, { begin: 3, end: 3 })).toThrow(
    refusal('invalid-argument', 'begin 3', 'end 3'),
  );
});
