// What layers refuse, at construction and in forward.
import { describe, expect, it } from 'vitest';

import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { tidy, zeros } from '../../torch/index.ts';
import * as nn from '../index.ts';

describe('errors name the class, the argument, what was expected and what came', () => {
  it.each<[string, () => unknown]>([
    [
      'Conv2d: inChannels: a multiple of the 2 groups was expected, got 3',
      () => new nn.Conv2d(3, 4, { kernelSize: 3, groups: 2 }),
    ],
    [
      'Conv2d: kernelSize: a whole number of at least 1 was expected, got 2.5',
      () => new nn.Conv2d(3, 4, { kernelSize: 2.5 }),
    ],
    [
      'Conv2d: kernelSize: a number or [height, width] was expected, got nothing',
      () => new nn.Conv2d(3, 4, {} as nn.Conv2dOptions),
    ],
    [
      'Conv2d: padding: "smae" is unknown; did you mean "same"?',
      () => new nn.Conv2d(3, 4, { kernelSize: 3, padding: 'smae' as 'same' }),
    ],
    ["Conv2d: padding 'same' needs stride 1", () => new nn.Conv2d(3, 4, { kernelSize: 3, padding: 'same', stride: 2 })],
    [
      'Conv2d: paddingMode: "reflct" is unknown; did you mean "reflect"?',
      () => new nn.Conv2d(3, 4, { kernelSize: 3, paddingMode: 'reflct' as 'reflect' }),
    ],
    ['GroupNorm: numChannels: a multiple of the 3 groups was expected, got 4', () => new nn.GroupNorm(3, 4)],
    ['Linear: outFeatures: a whole number of at least 1 was expected, got 0', () => new nn.Linear(3, 0)],
    [
      'BatchNorm2d: numFeatures: a whole number of at least 1 was expected, got NaN',
      () => new nn.BatchNorm2d(Number.NaN),
    ],
    ['Dropout2d: p: a number within [0, 1] was expected, got 1.5', () => new nn.Dropout2d({ p: 1.5 })],
    [
      'MaxPool2d: padding: at most half the kernel size was expected, got [2, 2]',
      () => new nn.MaxPool2d(3, { padding: 2 }),
    ],
    ['AdaptiveAvgPool2d: outputSize: a whole number of at least 1', () => new nn.AdaptiveAvgPool2d(-1)],
    ['Softmax: dim: a whole number was expected, got undefined', () => new nn.Softmax({} as nn.SoftmaxOptions)],
    ['GELU: approximate: "tan" is unknown; did you mean "tanh"?', () => new nn.GELU({ approximate: 'tan' as 'tanh' })],
    ['Embedding: paddingIdx: a row from -4 to 3 was expected, got 4', () => new nn.Embedding(4, 2, { paddingIdx: 4 })],
    ['Upsample: one of size and scaleFactor was expected, got neither', () => new nn.Upsample({})],
    ['Upsample: alignCorners is for linear', () => new nn.Upsample({ size: 2, alignCorners: true })],
  ])('%s', (message, make) => {
    expect(make).toThrow(message);
    expect(make).toThrow(RetortError);
  });

  it('wrong inputs show the shapes and where', () => {
    tidy(() => {
      const net = new nn.Sequential({ conv: new nn.Conv2d(5, 4, { kernelSize: 3 }), fc: new nn.Linear(3, 2) });
      expect(() => net.forward(zeros([1, 3, 8, 8]))).toThrow(
        /\[1, 3, 8, 8\].*\[4, 5, 3, 3\].*5 channels.*\n.*in: conv \(Conv2d\)/,
      );
      expect(() => net.get('fc').forward(zeros([1, 4]))).toThrow(/\[1, 4\].*\[2, 3\]/);
      expect(() => net.forward(undefined as unknown as Tensor)).toThrow(RetortError);
    });
  });
});
