// Paraphraser: the contract, its two phases, frozen batch norms.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { BatchNorm2d } from '../../nn/index.ts';
import { tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, Paraphraser } from './index.ts';
import type { ParaphraserOptions } from './index.ts';

const options: ParaphraserOptions = { inChannels: 3, outChannels: 2, useBn: true };
describeConnector('Paraphraser', {
  options: { ...options },
  make: () => new Paraphraser(options),
  input: [2, 3, 4, 3],
  outputs: [[2, 3, 4, 3]],
  wrong: [
    [2, 2, 4, 4],
    [3, 4, 4],
  ],
});

const x = () => wave({ shape: [2, 3, 4, 4], a: 0.37, b: 0.2 }, 'float32');
const sums = (connector: Paraphraser) =>
  connector
    .modules()
    .filter((module) => module instanceof BatchNorm2d)
    .map((norm) => norm.running_mean!.abs().sum().item());

it('gives frozen factors after pretraining: no gradient, and batch norms that do not move, but under compat', () => {
  tidy(() => {
    for (const compat of [undefined, 'mmrazor'] as const) {
      const connector = new Paraphraser({ ...options, ...(compat === undefined ? {} : { compat }) });
      connector.forward(x());
      const before = sums(connector);
      expect(before.every((sum) => sum > 0)).toBe(true);
      connector.phase = 'train';
      const factors = connector.forward(x());
      expect(factors.shape).toEqual([2, 2, 4, 4]);
      expect(factors.requiresGrad).toBe(false);
      const encoderNorms = sums(connector).slice(0, 3);
      if (compat === undefined) {
        expect(encoderNorms).toEqual(before.slice(0, 3));
        expect(connector.eval().forward(x())).toBeAllClose(factors, { rtol: 0, atol: 0 });
      } else {
        expect(encoderNorms.some((sum, i) => sum !== before[i])).toBe(true);
      }
      connector.train();
      expect(connector.modules().every((module) => module.training)).toBe(true);
    }
  });
});

it('refuses an unknown phase', () => {
  expect(() => buildConnector({ type: 'Paraphraser', inChannels: 1, outChannels: 1, phase: 'test' })).toThrow(
    refusal('invalid-argument', 'phase', 'test'),
  );
  expect(() => new Paraphraser({ inChannels: 1, outChannels: 1, phase: 'test' as 'train' })).toThrow(
    refusal('invalid-argument', 'pretrain', 'train', 'test', 'Paraphraser', 'phase'),
  );
});
