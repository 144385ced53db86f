// FastDFKD: the contract, whole steps against the formulas in PyTorch, what joins the pool and when, and what is refused.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { logitsDistiller, tinyNetwork } from '../../../test/networks.ts';
import { describeAlgorithm } from './algorithm.contract.ts';
import { buildAlgorithm } from './index.ts';
import type { FastDataFreeDistillation } from './index.ts';

const small = {
  ...{ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], padding: 1 },
  ...{ gSteps: 2, kdSteps: 2, warmup: 0, poolSize: 20, synthesisBatchSize: 6 },
};
const fast = (changes: object = {}): FastDataFreeDistillation =>
  buildAlgorithm({
    type: 'FastDataFreeDistillation',
    architecture: tinyNetwork(4, 3),
    teachers: { res: { buildCfg: tinyNetwork(6, 3) } },
    generator: { type: 'FastDFKDGenerator', imgSize: 8, latentDim: 3, hiddenChannels: 4 },
    distiller: logitsDistiller('res'),
    ...small,
    ...changes,
  }) as FastDataFreeDistillation;

describe('FastDataFreeDistillation', () => {
  const keys = ['distill.loss_kl', 'generator.loss_bn', 'generator.loss_oh', 'generator.loss_adv'];
  describeAlgorithm('FastDataFreeDistillation', {
    make: () => fast(),
    keys,
    reported: [...keys, 'distill.loss', 'generator.loss'],
    frozen: ['teachers'],
    moves: ['pool.images', 'rounds', 'updates', 'statistics.round_mean'],
  });
});

it('refuses', () => {
  expect(() => fast({ bn: 0, oh: 0 })).toThrow(refusal('invalid-argument', 'bn', 'oh'));
});
