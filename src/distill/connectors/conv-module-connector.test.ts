// ConvModuleConnector: the contract, padding, order, in-place activations, configs that are none.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { functional } from '../../nn/index.ts';
import type { BatchNorm2d } from '../../nn/index.ts';
import { manualSeed, tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, ConvModuleConnector } from './index.ts';

const options = {
  inChannels: 2,
  outChannels: 3,
  kernelSize: 3,
  padding: 1,
  stride: 2,
  normCfg: { type: 'BN' },
} as const;
describeConnector('ConvModuleConnector', {
  options,
  make: () => new ConvModuleConnector(options),
  input: [2, 2, 5, 5],
  outputs: [[2, 3, 3, 3]],
  wrong: [
    [2, 2, 5],
    [2, 3, 5, 5],
  ],
});

const x = () => wave({ shape: [1, 2, 4, 4], a: 0.37, b: 0.2 }, 'float32');

it("pads as it is told; 'circular' becomes zeros under compat", () => {
  tidy(() => {
    const made = (paddingMode: 'zeros' | 'circular' | 'reflect', compat?: 'mmrazor') => {
      manualSeed(1);
      const more = compat === undefined ? {} : { compat };
      return new ConvModuleConnector({
        inChannels: 2,
        outChannels: 2,
        kernelSize: 3,
        padding: 1,
        paddingMode,
        actCfg: null,
        ...more,
      });
    };
    const zeros = made('zeros').forward(x());
    for (const mode of ['circular', 'reflect'] as const) {
      // an image padded beforehand: the middle of its convolution sees no zeros
      const padded = functional.pad(x(), { pad: [1, 1, 1, 1], mode });
      const plain = made('zeros').forward(padded).narrow(2, 1, 4).narrow(3, 1, 4);
      expect(plain.sub(zeros).abs().max().item()).toBeGreaterThan(0.01);
      expect(made(mode).forward(x())).toBeAllClose(plain, { atol: 1e-6 });
      const original = mode === 'circular' ? zeros : plain;
      expect(made(mode, 'mmrazor').forward(x())).toBeAllClose(original, { atol: 1e-6 });
    }
  });
});

it('runs its parts in the order given; the norm has the channels of its place', () => {
  tidy(() => {
    const first = new ConvModuleConnector({
      inChannels: 2,
      outChannels: 3,
      normCfg: { type: 'BN' },
      actCfg: { type: 'LeakyReLU', negativeSlope: 0.2 },
      order: ['norm', 'act', 'conv'],
    });
    expect((first.conv_module.norm as BatchNorm2d).numFeatures).toBe(2);
    const { conv, norm, activate } = first.conv_module;
    expect(first.forward(x())).toBeAllClose(conv.forward(activate!.forward(norm!.forward(x()))));
  });
});

it('never overwrites the record, but under compat', () => {
  tidy(() => {
    const build = (more: object) =>
      buildConnector({
        type: 'ConvModuleConnector',
        inChannels: 2,
        outChannels: 1,
        order: ['act', 'conv', 'norm'],
        actCfg: { type: 'ReLU', inplace: true },
        ...more,
      }) as ConvModuleConnector;
    const least = (connector: ConvModuleConnector) => {
      const record = x().detach();
      connector.forward(record);
      return record.min().item();
    };
    expect(least(build({}))).toBeLessThan(-0.9);
    expect(least(build({ compat: 'mmrazor' }))).toBe(0);
  });
});

it('divides by the largest singular value when asked', () => {
  tidy(() => {
    const connector = new ConvModuleConnector({ inChannels: 2, outChannels: 3, withSpectralNorm: true, actCfg: null });
    expect(Object.keys(connector.stateDict())).toEqual(
      ['bias', 'weight_orig', 'weight_u', 'weight_v'].map((name) => `conv_module.conv.${name}`),
    );
    for (let i = 0; i < 50; i++) connector.forward(x());
    const { conv } = connector.conv_module;
    expect(conv.weight.flatten(1).linalgMatrixNorm(2).item()).toBeCloseTo(1, 5);
    connector.forward(x()).sum().backward();
    expect([...connector.namedParameters()].every(([, parameter]) => parameter.grad !== null)).toBe(true);
  });
});

it('refuses unknown configs by name', () => {
  const build = (more: object): unknown =>
    buildConnector({ type: 'ConvModuleConnector', inChannels: 1, outChannels: 3, ...more });
  for (const [option, kind] of Object.entries({ normCfg: 'a norm', actCfg: 'an activation' })) {
    expect(() => build({ [option]: 'BN' })).toThrow(refusal('invalid-argument', option, kind, 'BN'));
  }
  expect(() => build({ convCfg: 'BN' })).toThrow(refusal('invalid-argument', 'BN', 'convCfg'));
  expect(() => build({ order: ['conv', 'norm'] })).toThrow(
    refusal('invalid-argument', 'conv', 'norm', 'act', 'ConvModuleConnector', 'order'),
  );
  expect(() => build({ normCfg: { type: 'BNN' } })).toThrow(
    refusal('unknown-name', 'BNN', 'BN', 'ConvModuleConnector'),
  );
  expect(() => build({ normCfg: { type: 'BN', epz: 1 } })).toThrow(refusal('unknown-option', 'epz', 'eps'));
  expect(() => build({ actCfg: { type: 'Relu' } })).toThrow(refusal('unknown-name', '"Relu"', '"ReLU"'));
  expect(() => build({ convCfg: { type: 'DCN' } })).toThrow(refusal('invalid-argument', 'convCfg', 'DCN'));
});
