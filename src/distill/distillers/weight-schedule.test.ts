// Schedules of loss weights: their values over time, and schedules that make no sense.
import { expect, it } from 'vitest';

import { mistakesOf } from '../../registry/index.ts';
import { weightFactor, weightSchedule } from './weight-schedule.ts';
import type { WeightSchedule } from './weight-schedule.ts';

const over = (schedule: WeightSchedule, times: readonly number[]): number[] =>
  times.map((epoch) => weightFactor(schedule, { epoch, step: 10 * epoch }));

it.each<[WeightSchedule, number[]]>([
  [{ type: 'constant', factor: 0.5 }, [0.5, 0.5, 0.5, 0.5, 0.5]],
  [{ type: 'linear', from: 1, to: 3, begin: 1, end: 3 }, [1, 1, 2, 3, 3]],
  [{ type: 'linear', from: 0, to: 1, end: 40, by: 'step' }, [0, 0.25, 0.5, 0.75, 1]],
  [{ type: 'cosine', from: 1, to: 0, end: 4 }, [1, (1 + Math.SQRT1_2) / 2, 0.5, (1 - Math.SQRT1_2) / 2, 0]],
  [{ type: 'step', milestones: [1, 3], gamma: 0.5 }, [1, 0.5, 0.5, 0.25, 0.25]],
  [{ type: 'warmup', length: 2 }, [0, 0.5, 1, 1, 1]],
  [{ type: 'warmup', length: 2, from: 0.5 }, [0.5, 0.75, 1, 1, 1]],
])('%o', (schedule, expected) => {
  expect(over(schedule, [0, 1, 2, 3, 4])).toBeAllClose(expected, { rtol: 1e-12, atol: 1e-12 });
});

it.each([
  [{ type: 'linear', from: 0, to: 1, begin: 3, end: 2 }, /expected an end after begin, got .*3/],
  [{ type: 'cosine', from: NaN, to: 1, end: 2 }, /from: .*number/],
  [{ type: 'step', milestones: [1], gama: 0.5 }, /"gama"/],
])('refuses %j', (schedule, mistake) => {
  expect(mistakesOf(weightSchedule, schedule).join('\n')).toMatch(mistake);
});
