// Every transform that configs can name keeps the contract.
import { describe, expect, it } from 'vitest';

import { transforms } from './index.ts';
import { describeTransform } from './transform.contract.ts';
import type { TransformContract } from './transform.contract.ts';

const contracts: Record<keyof typeof transforms.entries, TransformContract> = {
  AutoAugment: {
    options: { policies: 'cifar10' },
    random: true,
    floats: false,
    wrong: [
      [{ policies: 'cifar' }, /policies/],
      [{ policies: [] }, /policies: .*got \[\]/],
      [{ policies: [[{ type: 'Rotate' }]] }, /policies.0.0: Rotate needs magnitude/],
      [{ policies: [[{ type: 'Rotat', magnitude: 1 }]] }, /policies/],
    ],
  },
  CenterCrop: { options: { size: [5, 7] }, size: [5, 7], wrong: [[{ size: 0 }, /size/]] },
  ColorJitter: {
    options: { brightness: 0.4, contrast: [0.5, 1.5], saturation: 0.4 },
    random: true,
    floats: false,
    wrong: [
      [{ brightness: -1 }, /brightness/],
      [{ contrast: [2, 1] }, /contrast: .*\[min, max\] with min <= max, got \[2,1\]/],
    ],
  },
  CutMix: { options: { alpha: 1 }, random: true, single: false, wrong: [[{ alpha: 0 }, /alpha/]] },
  Cutout: {
    options: { size: 4, fill: [1, 2, 3], p: 0.7 },
    random: true,
    wrong: [
      [{ size: -1 }, /size/],
      [{ p: 1.5 }, /p: /],
    ],
  },
  Mixup: { options: { alpha: 0.8 }, random: true, single: false, dtype: 'float32', wrong: [[{ alpha: -1 }, /alpha/]] },
  Normalize: {
    options: { mean: [0.1, 0.2, 0.3], std: [1, 1, 1], reverseChannels: true },
    dtype: 'float32',
    wrong: [[{ std: [1, 0, 1] }, /std.1: expected a number > 0, got 0/]],
  },
  RandAugment: {
    options: { magnitudeStd: 0.5 },
    random: true,
    floats: false,
    wrong: [
      [{ magnitudeLevel: 11 }, /magnitudeLevel: expected a number from 0 to totalLevel \(10\), got 11/],
      [{ policies: [{ type: 'Rotate', magnitude: 3 }] }, /policies.0: Rotate needs magnitudeRange/],
      [{ numPolicies: 0 }, /numPolicies/],
    ],
  },
  RandomBatchAugment: {
    options: { augments: [{ type: 'Mixup', alpha: 0.8 }, { type: 'CutMix' }], probs: [0.5, 0.5] },
    random: true,
    single: false,
    dtype: 'float32',
    wrong: [
      [{ augments: [] }, /augments: .*got \[\]/],
      [{ probs: [1] }, /expected 2 probabilities that add up to at most 1, got \[1\]/],
      [{ probs: [0.8, 0.8] }, /add up to at most 1/],
    ],
  },
  RandomCrop: {
    options: { cropSize: [8, 10], padding: 1 },
    size: [8, 10],
    random: true,
    wrong: [
      [{ padding: -1 }, /padding: expected a number >= 0, got -1/],
      [{ cropSize: 0.5 }, /cropSize/],
    ],
  },
  RandomErasing: {
    options: { mode: 'random', fill: [90, 100, 110], fillStd: 30 },
    random: true,
    wrong: [
      [{ areaRange: [0.5, 0.2] }, /areaRange: expected \[min, max\] with min <= max, got \[0.5,0.2\]/],
      [{ aspectRange: [0, 1] }, /aspectRange.0: expected a number > 0, got 0/],
      [{ mode: 'pixel' }, /mode/],
    ],
  },
  RandomHorizontalFlip: {
    options: { direction: 'vertical' },
    random: true,
    wrong: [
      [{ p: 2 }, /p: /],
      [{ direction: 'up' }, /direction/],
    ],
  },
  RandomResizedCrop: {
    options: { size: 6, interpolation: 'bicubic' },
    size: [6, 6],
    random: true,
    wrong: [
      [{ size: [1, 2, 3] }, /size/],
      [{ areaRange: [0, 2] }, /areaRange/],
      [{ interpolation: 'lanczos' }, /interpolation/],
    ],
  },
  Resize: { options: { size: [5, 20] }, size: [5, 20], wrong: [[{ size: 1.5 }, /size/]] },
  ResizeEdge: { options: { size: 6 }, size: [6, 8], wrong: [[{ edge: 'shorter' }, /edge/]] },
};

it('every kind has a contract', () => {
  expect(Object.keys(contracts).toSorted()).toEqual(transforms.names().toSorted());
});

describe.each(Object.entries(contracts))('%s', (name, contract) => {
  describeTransform(name, contract);
});
