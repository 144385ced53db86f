// Schedulers as configs write them: what they count, the part of training they work for, and the length that follows from it.
import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { z } from 'zod';

import { entry } from '../registry/index.ts';
import { tensor } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { buildOptimizer, buildTimedScheduler, ExponentialLR, optimizers, schedulers, SGD, timed } from './index.ts';
import type { Optimizer, OptimizerFactory, SchedulerFactory, TimedConfig } from './index.ts';

/** 10 steps of 4 an epoch: two epochs and a half. */
const length = { steps: 10, stepsPerEpoch: 4 };

it.each<[TimedConfig, object]>([
  [
    { type: 'CosineAnnealingLR', by: 'step' },
    { config: { tMax: 10 }, byStep: true },
  ],
  [{ type: 'CosineAnnealingLR' }, { config: { tMax: 3 }, byStep: false }],
  [
    { type: 'CosineAnnealingLR', everyStep: true, begin: 1 },
    { config: { tMax: 6 }, byStep: true, window: { begin: 4 } },
  ],
  [
    { type: 'CosineAnnealingLR', by: 'step', begin: 2, end: 6 },
    { config: { tMax: 4 }, byStep: true, window: { begin: 2, end: 6 } },
  ],
  [
    { type: 'LinearLR', by: 'step', end: 4 },
    { config: { totalIters: 3 }, window: { begin: 0, end: 4 } },
  ],
  [
    { type: 'PolynomialLR', by: 'step' },
    { config: { totalIters: 9 }, byStep: true },
  ],
  [
    { type: 'OneCycleLR', by: 'step' },
    { config: { totalSteps: 10 }, byStep: true },
  ],
  [
    { type: 'LinearLR', everyStep: true, totalIters: 0.5 },
    { config: { totalIters: 2 }, byStep: true },
  ],
  [
    { type: 'MultiStepLR', everyStep: true, milestones: [1, 2] },
    { config: { milestones: [4, 8] }, byStep: true },
  ],
  [
    { type: 'MultiStepLR', milestones: [1, 2] },
    { config: { milestones: [1, 2] }, byStep: false, window: undefined },
  ],
])('%j', (config, expected) => {
  expect(timed(config, length)).toMatchObject(expected);
});

it('entries of users are optimizers and schedulers like those that come with Retort', () => {
  class Halving extends SGD {}
  const seen: Tensor[] = [];
  const registry = optimizers.extend({
    Halving: entry(
      z.strictObject({ lr: z.number() }),
      ({ lr }): OptimizerFactory =>
        (params) => {
          seen.push(...(params as Iterable<Tensor>));
          return new Halving(params, { lr: lr / 2 });
        },
      { summary: 'Half of the rate.' },
    ),
  });
  using weight = tensor([1], { requiresGrad: true });
  const optimizer: Optimizer = buildOptimizer({ type: 'Halving', lr: 1 }, [weight], { registry });
  expect(optimizer.paramGroups[0]!.lr).toBe(0.5);
  expect(seen).toEqual([weight]);
  expect(() => buildOptimizer({ type: 'Halvin', lr: 1 }, [weight], { registry, where: 'optimizer.a' })).toThrow(
    refusal('unknown-name', 'optimizer.a', 'Halvin', 'Halving'),
  );
  expect(optimizers.names()).toEqual(['SGD', 'Adam', 'AdamW']);
  const own = schedulers.extend({
    Slower: entry(z.strictObject({}), (): SchedulerFactory => (on) => new ExponentialLR(on, { gamma: 0.5 }), {
      summary: 'Half each time.',
    }),
  });
  const { scheduler, byStep } = buildTimedScheduler({ type: 'Slower', by: 'step', begin: 1 }, optimizer, {
    length,
    registry: own,
  });
  expect(byStep).toBe(true);
  const rates = Array.from({ length: 4 }, () => {
    const { lr } = optimizer.paramGroups[0]!;
    scheduler.step();
    return lr;
  });
  expect(rates).toEqual([0.5, 0.5, 0.25, 0.125]);
});

it('constructors check as configs do, and name the group', () => {
  using weight = tensor([1], { requiresGrad: true });
  expect(() => new SGD([weight], { lr: 0.1, momentun: 0.9 } as never)).toThrow(
    refusal('unknown-option', 'SGD', 'momentun', 'momentum'),
  );
  expect(() => new SGD([{ params: [weight], lr: -1 }], { lr: 0.1 })).toThrow(
    refusal('invalid-argument', 'SGD, group 0', 'lr', '-1'),
  );
  const optimizer = new SGD([weight], { lr: 0.1 });
  expect(() => new ExponentialLR(optimizer, { gamma: '0.9' } as never)).toThrow(
    refusal('invalid-argument', 'ExponentialLR', 'gamma', '0.9'),
  );
});
