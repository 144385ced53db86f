// SepConv: names, sizes, unsupported kernels.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { randn, tidy } from '../../torch/index.ts';
import * as nn from '../index.ts';

it('is two halves, the first with the stride', () => {
  tidy(() => {
    const block = new nn.SepConv(2, 4, { kernelSize: 5, stride: 2 });
    expect(block.forward(randn([2, 2, 7, 8])).shape).toEqual([2, 4, 4, 4]);
    expect([...block.namedParameters()].map(([name, { shape }]) => `${name} ${shape.join('x')}`)).toEqual([
      'conv1.1.weight 2x1x5x5',
      'conv1.2.weight 2x2x1x1',
      'conv1.3.weight 2',
      'conv1.3.bias 2',
      'conv2.1.weight 4x1x5x5',
      'conv2.2.weight 4x4x1x1',
      'conv2.3.weight 4',
      'conv2.3.bias 4',
    ]);
  });
});

it('refuses other kernels, strides and channels', () => {
  expect(() => new nn.SepConv(2, 4, { kernelSize: 4 })).toThrow(refusal('unknown-name', 'SepConv', 'kernelSize', '4'));
  expect(() => new nn.SepConv(2, 4, { kernelSize: 3, stride: 3 })).toThrow(
    refusal('unknown-name', '3', 'SepConv', 'stride'),
  );
  expect(() => new nn.SepConv(2, 3, { kernelSize: 3 })).toThrow(
    refusal('invalid-argument', 'SepConv', 'outChannels', '2'),
  );
});
