// What single options of ConvNeXt, Swin transformers and TinyViT do, checkpoints of other sizes, and what is refused.
import { beforeEach, describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import type { Module } from '../../nn/index.ts';
import { manualSeed, noGrad, ops, randn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ConvNeXt, SwinTransformer, TinyViT } from '../index.ts';

beforeEach(() => manualSeed(0));

const rates = (net: Module): number[] =>
  net.modules().flatMap((module) => ('dropProb' in module ? [module.dropProb as number] : []));
const trained = (net: Module): string[] =>
  [...net.namedParameters()].flatMap(([name, { requiresGrad }]) => (requiresGrad ? [name] : []));

describe('ConvNeXt', () => {
  const arch = { depths: [1, 2], channels: [4, 8] };

  it('gives maps or vectors, with linear layers or convolutions, with the same numbers', () => {
    const linear = new ConvNeXt({ arch, gapBeforeFinalNorm: false, layerScaleInitValue: 1 }).eval();
    const convolutions = new ConvNeXt({ arch, gapBeforeFinalNorm: false, linearPwConv: false }).eval();
    noGrad(() =>
      tidy(() => {
        const own = convolutions.stateDict();
        const state = linear.stateDict();
        convolutions.loadStateDict(
          Object.fromEntries(Object.entries(state).map(([name, value]) => [name, value.reshape(own[name]!.shape)])),
        );
        const input = randn([2, 3, 16, 24]);
        const [map] = linear.forward(input);
        expect(map!.shape).toEqual([2, 8, 2, 3]);
        expect(convolutions.forward(input)[0]!).toBeAllClose(map!, { rtol: 1e-4, atol: 1e-5 });
        const batch = new ConvNeXt({ arch, normCfg: { type: 'BN' }, layerScaleInitValue: 0 });
        expect(batch.forward(input)[0]!.shape).toEqual([2, 8]);
        expect(Object.keys(batch.stateDict())).not.toContain('stages.0.0.gamma');
      }),
    );
  });

  it('drops blocks, freezes stages, and refuses what is not there', () => {
    expect(rates(new ConvNeXt({ arch, dropPathRate: 0.4 }))).toEqual([0.2, 0.4]);
    const frozen = trained(new ConvNeXt({ arch, frozenStages: 1 }));
    expect(frozen.some((name) => name.startsWith('stages.0') || name.startsWith('downsample_layers.0'))).toBe(false);
    expect(frozen).toContain('stages.1.0.norm.weight');
    expect(() => new ConvNeXt({ arch: 'tinny' })).toThrow(refusal('unknown-name', 'ConvNeXt', 'tinny', 'tiny'));
    expect(() => new ConvNeXt({ arch: { depths: [1], channels: [4, 8] } })).toThrow(
      refusal('invalid-argument', 'arch', 'depths', '[4, 8]'),
    );
    expect(() => new ConvNeXt({ arch, outIndices: 2 })).toThrow(refusal('invalid-argument', 'outIndices', 2));
    expect(() => new ConvNeXt({ arch, frozenStages: 3 })).toThrow(refusal('invalid-argument', 'frozenStages', 3));
  });
});

describe('SwinTransformer', () => {
  const arch = { embedDims: 4, depths: [2, 1], numHeads: [1, 2] };
  const net = (windowSize: number, more: object = {}) =>
    new SwinTransformer({ arch, imgSize: 32, outIndices: [1], windowSize, ...more });

  it('looks beyond a window by shifting every other block', () => {
    // A change in the first window of the first stage is seen beside it only because windows are shifted.
    const changed = (depth: number): number => {
      const alone = new SwinTransformer({
        arch: { embedDims: 4, depths: [depth], numHeads: [1] },
        ...{ windowSize: 4, outIndices: [0] },
      }).eval();
      return noGrad(() =>
        tidy(() => {
          const input = ops.zeros([1, 3, 32, 32]);
          const other = input.clone();
          other.narrow(2, 0, 4).narrow(3, 0, 4).add_(1);
          const [a, b] = [alone.forward(input)[0]!, alone.forward(other)[0]!];
          return Number(a.sub(b).narrow(3, 4, 4).abs().sum().item());
        }),
      );
    };
    expect(changed(1)).toBe(0);
    expect(changed(2)).toBeGreaterThan(0);
  });

  it('refuses maps smaller than a window, unless they are padded', () => {
    const input = (): Tensor => randn([1, 3, 32, 32]);
    noGrad(() =>
      tidy(() => {
        expect(() => net(7).forward(input())).toThrow(refusal('invalid-argument', 'padSmallMap', '7 x 7', '4 x 4'));
        expect(net(7, { padSmallMap: true }).forward(input())[0]!.shape).toEqual([1, 8, 4, 4]);
        expect(net(4, { outAfterDownsample: true, outIndices: [0] }).forward(input())[0]!.shape).toEqual([1, 8, 4, 4]);
      }),
    );
  });

  it('takes checkpoints of other windows and resolutions', () => {
    tidy(() => {
      const [from, to] = [net(4, { useAbsPosEmbed: true }), net(2, { useAbsPosEmbed: true, imgSize: 16 })];
      const { missing, unexpected } = to.loadStateDict(from.stateDict());
      expect([missing, unexpected]).toEqual([[], []]);
      const name = 'stages.0.blocks.0.attn.w_msa.relative_position_bias_table';
      expect(to.stateDict()[name]!.shape).toEqual([9, 1]);
      expect(to.stateDict()[name]!.abs().sum().item()).toBeGreaterThan(0);
      const same = from.adaptState(from.stateDict());
      expect(same[name]!.shape).toEqual([49, 1]);
      expect(Object.keys(same)).toContain('stages.0.blocks.0.attn.w_msa.relative_position_index');
    });
  });

  it('freezes stages up to one, and refuses what is not there', () => {
    const left = trained(net(4, { frozenStages: 0, outIndices: [0, 1] }));
    expect(left.every((name) => name.startsWith('stages.1') || name.startsWith('norm1'))).toBe(true);
    expect(rates(net(4, { dropPathRate: 0.2 }))).toEqual([0.1, 0.1, 0.2, 0.2]);
    expect(() => net(4, { arch: 'tinny' })).toThrow(refusal('unknown-name', 'SwinTransformer', 'tinny', 'tiny'));
    expect(() => net(4, { arch: { ...arch, numHeads: [1] } })).toThrow(refusal('invalid-argument', 'numHeads', '[1]'));
    expect(() => net(4, { arch: { ...arch, numHeads: [3, 3] } })).toThrow(
      refusal('invalid-argument', 'numHeads', 4, 3),
    );
    expect(() => net(4, { frozenStages: 2 })).toThrow(refusal('invalid-argument', 'frozenStages', 2));
  });
});

describe('TinyViT', () => {
  const arch = { channels: [4, 8], numHeads: [1, 2], depths: [1, 1] };
  const net = (size: number, more: object = {}) => new TinyViT({ arch, windowSize: [size, size], ...more });

  it('starts convolutional blocks as the identity, and takes images of every size', () => {
    noGrad(() =>
      tidy(() => {
        const made = net(3);
        expect(made.stateDict()['stages.0.blocks.0.conv3.bn2d.weight']!.toArray()).toEqual([0, 0, 0, 0]);
        for (const side of [17, 32]) expect(made.forward(randn([2, 3, side, 20]))[0]!.shape).toEqual([2, 8]);
      }),
    );
  });

  it('takes checkpoints of other windows, freezes stages, and refuses what is not there', () => {
    tidy(() => {
      const to = net(2);
      expect(to.loadStateDict(net(3).stateDict()).missing).toEqual([]);
      expect(to.stateDict()['stages.1.blocks.0.attn.attention_biases']!.shape).toEqual([2, 4]);
    });
    expect(trained(net(3, { frozenStages: 1 })).some((name) => name.startsWith('stages.0'))).toBe(false);
    expect(rates(net(3, { dropPathRate: 0.2 }))).toEqual([0.2]);
    expect(() => net(3, { arch: '6m' })).toThrow(refusal('unknown-name', 'TinyViT', '6m', '5m'));
    expect(() => new TinyViT({ arch, windowSize: [3] })).toThrow(refusal('invalid-argument', 'windowSize', '[3]'));
    expect(() => net(3, { arch: { ...arch, depths: [1] } })).toThrow(refusal('invalid-argument', 'depths'));
    expect(() => net(3, { arch: { ...arch, numHeads: [1, 3] } })).toThrow(
      refusal('invalid-argument', 'numHeads', 8, 3),
    );
    expect(() => net(3, { frozenStages: 3 })).toThrow(refusal('invalid-argument', 'frozenStages', 3));
  });
});
