// Layers against PyTorch's numbers; built by name; printed.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import type { Formula, Stored } from '../../../test/fixtures.ts';
import { expectStored, formulaTensor, isFormula, lossWeights, readFixture } from '../../../test/fixtures.ts';
import { tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import * as nn from '../index.ts';

interface LayerCase {
  name: string;
  type: string;
  options: object;
  mode: 'train' | 'eval';
  params: (Formula & { name: string })[];
  before?: Formula[];
  input: Formula | Stored;
  output: Stored;
  gradInput: Stored | null;
  gradParams: Record<string, Stored>;
  stateAfter: Record<string, Stored>;
}

const { cases } = readFixture<{ cases: LayerCase[] }>('nn');

/** Where the slope breaks, newer libtorch gives Hardswish the slope outside, 0 or 1, and older one the slope inside. */
function outsideBreaks(stored: Stored, input: Tensor): Stored {
  const [weights, found] = [lossWeights(input.shape).data(), input.grad!.data()];
  const slopes = Array.from(input.data(), Number).map((x, i) => {
    const outside = Number(weights[i]) * (x < 0 ? 0 : 1);
    const isOutside = Math.abs(x) === 3 && Math.abs(Number(found[i]) - outside) < 1e-6;
    return isOutside ? outside : stored.values![i]!;
  });
  return stored.values === undefined ? stored : { ...stored, values: slopes };
}

describe("PyTorch's numbers", () => {
  it.each(cases)('$name', ({ type, options, mode, params, before = [], ...expected }) => {
    tidy(() => {
      const layer = nn.buildLayer({ type, ...options }).train(mode === 'train');
      const state = Object.fromEntries(params.map((param) => [param.name, formulaTensor(param)]));
      expect(Object.keys(layer.stateDict()).filter((name) => name !== 'num_batches_tracked')).toEqual(
        Object.keys(state),
      );
      layer.loadStateDict(state, { strict: false });
      for (const earlier of before) layer.forward(formulaTensor(earlier));

      const differentiable = isFormula(expected.input) || expected.input.dtype === 'float32';
      const input = formulaTensor(expected.input, { requiresGrad: differentiable });
      const output = layer.forward(input.clone()); // a clone: some layers overwrite it
      expectStored(output, expected.output);
      if (output.requiresGrad) output.backward(lossWeights(output.shape));
      const { gradInput } = expected;
      if (gradInput !== null)
        expectStored(input.grad!, type === 'Hardswish' ? outsideBreaks(gradInput, input) : gradInput);

      const named = Object.fromEntries(layer.namedParameters());
      expect(Object.keys(expected.gradParams)).toEqual(Object.keys(named));
      for (const [name, stored] of Object.entries(expected.gradParams)) expectStored(named[name]!.grad!, stored);
      const buffers = Object.fromEntries(layer.namedBuffers());
      expect(Object.keys(buffers).toSorted()).toEqual(Object.keys(expected.stateAfter).toSorted());
      for (const [name, stored] of Object.entries(expected.stateAfter)) expectStored(buffers[name]!, stored);
    });
  });

  it('cover every layer', () => {
    const known = nn.layerNames();
    expect(known.filter((name) => !(name in nn))).toEqual([]);
    // These two have tests of their own.
    const others = known.filter((name) => !cases.some(({ type }) => type === name));
    expect(others).toEqual(['DropPath', 'InstanceNorm2d']);
  });
});

describe('by name', () => {
  it('the same as by constructor', () => {
    const conv = nn.buildLayer({ type: 'Conv2d', inChannels: 3, outChannels: 8, kernelSize: 3, bias: false });
    expect(conv).toBeInstanceOf(nn.Conv2d);
    expect(String(conv)).toBe('Conv2d(3, 8, kernelSize=3, bias=false)');
  });

  it('misspelled names are errors', () => {
    expect(() => nn.buildLayer({ type: 'Conv2D ' })).toThrow(refusal('unknown-name', 'Conv2D ', 'Conv2d'));
    expect(() => nn.buildLayer({ type: 'ReLU', inplcae: true })).toThrow(
      refusal('unknown-option', 'inplcae', 'inplace', 'ReLU'),
    );
    expect(() => nn.buildLayer({ type: 'Linear', inFeatures: 3 })).toThrow(
      refusal('invalid-argument', 'Linear', 'outFeatures'),
    );
  });
});

it.each([
  [
    new nn.Conv2d(3, 4, { kernelSize: [3, 1], stride: 2, padding: [1, 0] }),
    'Conv2d(3, 4, kernelSize=[3, 1], stride=2, padding=[1, 0])',
  ],
  [new nn.ConvTranspose2d(4, 4, { kernelSize: 2, groups: 2 }), 'ConvTranspose2d(4, 4, kernelSize=2, groups=2)'],
  [new nn.BatchNorm2d(4, { momentum: null }), 'BatchNorm2d(4, momentum=null)'],
  [new nn.Linear(2, 3), 'Linear(2, 3)'],
  [new nn.MaxPool2d(3, { stride: 2 }), 'MaxPool2d(kernelSize=3, stride=2)'],
  [new nn.AdaptiveAvgPool2d([null, 2]), 'AdaptiveAvgPool2d(outputSize=[null, 2])'],
  [new nn.LayerNorm([2, 3]), 'LayerNorm([2, 3])'],
  [new nn.ReLU({ inplace: true }), 'ReLU(inplace=true)'],
  [new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }), 'Upsample(scaleFactor=2, mode=bilinear)'],
])('prints as %s', (layer, text) => {
  expect(String(layer)).toBe(text);
});
