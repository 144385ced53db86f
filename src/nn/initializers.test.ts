// Initial weights from a config: each filler, biases, overrides, checkpoints, mistakes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { manualSeed, tidy } from '../torch/index.ts';
import * as nn from './index.ts';

const net = () =>
  new nn.Sequential({
    conv: new nn.Conv2d(16, 32, { kernelSize: 3 }),
    bn: new nn.BatchNorm2d(32),
    fc: new nn.Linear(64, 32),
  });
type Net = ReturnType<typeof net>;
type Weighted = nn.Layer & { weight: nn.Parameter; bias: nn.Parameter };
const layerOf = (from: Net, name: string) => from.get(name) as Weighted;
const initialized = (config: object | object[]) => nn.initializeModule(net(), config as nn.InitOption);

it.each([
  ['Constant', { val: 0.3, bias: 1 }, 0.3, 0],
  ['Normal', { mean: 2, std: 0.5 }, 2, 0.5],
  ['TruncNormal', { std: 0.1 }, 0, 0.1],
  ['Uniform', { a: 1, b: 3 }, 2, 2 / Math.sqrt(12)],
  ['Xavier', {}, 0, Math.sqrt(2 / (48 * 9))],
  ['Xavier', { distribution: 'uniform', gain: 2 }, 0, 2 * Math.sqrt(2 / (48 * 9))],
  ['Kaiming', {}, 0, Math.sqrt(2 / (32 * 9))],
  [
    'Kaiming',
    { mode: 'fan_in', nonlinearity: 'leaky_relu', a: 1, distribution: 'uniform' },
    0,
    Math.sqrt(1 / (16 * 9)),
  ],
  ['Caffe2Xavier', {}, 0, Math.sqrt(1 / (16 * 9))],
])('%s %o', (type, options, mean, std) => {
  tidy(() => {
    manualSeed(1);
    const made = initialized({ type, layer: 'Conv2d', ...options });
    const [conv, fc] = [layerOf(made, 'conv'), layerOf(made, 'fc')];
    expect(conv.weight.mean().item()).toBeCloseTo(mean, 1);
    expect(conv.weight.std(false).item() / (std || 1)).toBeCloseTo(std === 0 ? 0 : 1, 1);
    const bias = 'bias' in options ? options.bias : 0;
    expect(conv.bias.sub(bias).abs().sum().item()).toBe(0);
    expect(fc.bias.abs().sum().item()).toBeGreaterThan(0);
  });
});

it('several layers and configs, base classes, overrides, biasProb', () => {
  tidy(() => {
    const made = initialized([
      { type: 'Constant', val: 1, layer: ['Conv2d', 'Linear'], override: { name: 'fc', type: 'Constant', val: 3 } },
      { type: 'Constant', val: 0.5, biasProb: 0.01, layer: '_BatchNorm' },
    ]);
    const means = ['conv', 'bn', 'fc'].map((name) => layerOf(made, name).weight.mean().item());
    expect(means).toEqual([1, 0.5, 3]);
    expect(layerOf(made, 'bn').bias.mean().item()).toBeCloseTo(-Math.log(99), 5);
  });
});

it('loads a checkpoint, by prefix', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-init-'));
  try {
    tidy(() => {
      const source = net();
      const checkpoint = join(folder, 'whole.safetensors');
      const state = Object.entries(source.stateDict()).map(([name, value]) => [`connectors.a.${name}`, value] as const);
      nn.saveTensors(checkpoint, Object.fromEntries(state));
      const made = initialized({ type: 'Pretrained', checkpoint, prefix: 'connectors.a.' });
      expect(layerOf(made, 'fc').weight).toBeAllClose(layerOf(source, 'fc').weight, { rtol: 0, atol: 0 });
      expect(() => initialized({ type: 'Pretrained', checkpoint })).toThrow(refusal('mismatch', 'connectors.a'));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it.each<[object, Error]>([
  [{ type: 'Constnat', layer: 'Conv2d' }, refusal('unknown-name', 'initCfg', '"Constnat"', '"Constant"')],
  [{ type: 'Constant', layer: 'Conv2d' }, refusal('invalid-argument', 'initCfg Constant', 'val', 'nothing')],
  [{ type: 'Normal', layer: 'Conv2d', sdt: 1 }, refusal('unknown-option', 'Normal', '"sdt"', '"std"')],
  [{ type: 'Normal' }, refusal('invalid-argument', 'initCfg', 'layer')],
  [{ type: 'Normal', layer: 'Conv2D' }, refusal('unknown-name', 'layer', '"Conv2D"', '"Conv2d"')],
  [{ type: 'Normal', override: { name: 'cnov' } }, refusal('unknown-name', 'override', '"cnov"', '"conv"')],
  [{ type: 'Pretrained' }, refusal('invalid-argument', 'Pretrained', 'checkpoint')],
])('%o is refused', (config, error) => {
  expect(() => initialized(config)).toThrow(error);
});
