// ConvModule: names, order, first weights; norms and activations under OpenMMLab's names.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { manualSeed, randn, tidy } from '../../torch/index.ts';
import * as nn from '../index.ts';

const names = (module: nn.Module) => [...module.namedParameters()].map(([name]) => name);

describe('ConvModule', () => {
  it('has the names and the order of OpenMMLab', () => {
    tidy(() => {
      expect(names(new nn.ConvModule(2, 4, { kernelSize: 1 }))).toEqual(['conv.weight', 'conv.bias']);
      const all = new nn.ConvModule(2, 4, {
        kernelSize: 1,
        normCfg: { type: 'GN', numGroups: 2 },
        actCfg: { type: 'PReLU' },
        bias: true,
      });
      expect(names(all)).toEqual(['conv.weight', 'conv.bias', 'gn.weight', 'gn.bias', 'activate.weight']);
      expect(all.norm).toBeInstanceOf(nn.GroupNorm);
      expect(new nn.ConvModule(2, 4, { kernelSize: 1 }).norm).toBe(null);
    });
  });

  it('begins as N(0, 2 / fanOut), the slope of a leaky ReLU counted, biases 0', () => {
    tidy(() => {
      manualSeed(1);
      const std = (actCfg: nn.ActivationConfig | null) => {
        const { conv } = new nn.ConvModule(32, 64, { kernelSize: 3, actCfg });
        expect(conv.bias!.abs().sum().item()).toBe(0);
        return conv.weight.std(false).item() * Math.sqrt(64 * 9);
      };
      expect(std(null)).toBeCloseTo(Math.SQRT2, 1);
      expect(std({ type: 'LeakyReLU', negativeSlope: 1 })).toBeCloseTo(1, 1);
    });
  });

  it.each(['conv', 'activate', 'norm', 'order', 'forward', 'a.b', ''])('refuses a norm of the name "%s"', (name) => {
    tidy(() => {
      const normCfg: nn.NormFactory = (channels) => ({ name, layer: new nn.BatchNorm2d(channels) });
      expect(() => new nn.ConvModule(2, 4, { kernelSize: 1, normCfg })).toThrow(
        refusal('invalid-argument', 'ConvModule: normCfg', `"${name}"`),
      );
    });
  });

  it('computes its parts in order', () => {
    tidy(() => {
      const x = randn([2, 3, 4, 4]);
      const block = new nn.ConvModule(3, 4, {
        kernelSize: 3,
        padding: 1,
        normCfg: { type: 'BN' },
        actCfg: { type: 'SiLU' },
        order: ['act', 'conv', 'norm'],
        inplace: false,
      }).eval();
      const expected = block.norm!.forward(block.conv.forward(block.activate!.forward(x)));
      expect(block.forward(x)).toBeAllClose(expected, { rtol: 0, atol: 0 });
      expect(block.conv.bias).toBe(null);
    });
  });

  it.each([
    ['order', { order: ['conv', 'act'] }, refusal('invalid-argument', 'ConvModule', 'order', 'conv', 'norm', 'act')],
    ['convCfg', { convCfg: { type: 'Conv2' } }, refusal('invalid-argument', 'convCfg.type', '"Conv2"', '"Conv2d"')],
    [
      'convCfg',
      { convCfg: { type: 'Conv2d', stride: 2 } },
      refusal('unknown-option', 'convCfg', '"stride"', '"type", "paddingMode"'),
    ],
    ['normCfg', { normCfg: 'BN' }, refusal('invalid-argument', 'normCfg', '"BN"')],
    ['actCfg', { actCfg: { type: 'Hswish' } }, refusal('unknown-name', 'actCfg', '"Hswish"', '"HSwish"')],
  ])('refuses a wrong %s', (_, options, error) => {
    expect(() => new nn.ConvModule(1, 1, { kernelSize: 1, ...options } as nn.ConvModuleOptions)).toThrow(error);
  });
});

it.each([
  ['BN', 'bn', nn.BatchNorm2d],
  ['SyncBN', 'bn', nn.BatchNorm2d],
  ['BN1d', 'bn', nn.BatchNorm1d],
  ['GN', 'gn', nn.GroupNorm],
  ['IN', 'in', nn.InstanceNorm2d],
  ['LN', 'ln', nn.LayerNorm],
])('norm %s is called %s', (type, name, made) => {
  tidy(() => {
    const config = { type, ...(type === 'GN' ? { numGroups: 1 } : {}), eps: 1e-3 } as nn.NormConfig;
    const norm = nn.buildNorm(config, 4);
    expect(norm.name).toBe(name);
    expect(norm.layer).toBeInstanceOf(made);
    expect((norm.layer as nn.GroupNorm).eps).toBe(1e-3);
  });
});

it('unknown options of norms are named', () => {
  expect(() => nn.buildNorm({ type: 'IN', afine: true } as nn.NormConfig, 2)).toThrow(
    refusal('unknown-option', 'afine', 'affine'),
  );
  expect(() => nn.buildNorm({ type: 'BM' } as unknown as nn.NormConfig, 2)).toThrow(
    refusal('unknown-name', 'BM', 'BN', 'normCfg'),
  );
});

it('activations overwrite their input where they can and are told', () => {
  const inplace = (config: nn.ActivationConfig): unknown =>
    (nn.buildActivation(config, { inplace: true }) as { inplace?: boolean }).inplace;
  expect(inplace({ type: 'ReLU' })).toBe(true);
  expect(inplace({ type: 'ReLU', inplace: false })).toBe(false);
  expect(inplace({ type: 'HSwish' })).toBe(true);
  expect(inplace({ type: 'Swish' })).toBe(false);
  expect(inplace({ type: 'Tanh' })).toBe(undefined);
});
