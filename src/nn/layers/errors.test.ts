// What layers refuse, at construction and in forward.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { tidy, zeros } from '../../torch/index.ts';
import * as nn from '../index.ts';

describe('errors name the class, the argument, what was expected and what was given', () => {
  it.each<[string, () => unknown]>([
    [
      'Conv2d: inChannels: expected a multiple of the 2 groups, got 3',
      () => new nn.Conv2d(3, 4, { kernelSize: 3, groups: 2 }),
    ],
    [
      'Conv2d: kernelSize: expected a positive integer or [height, width] of them, got 2.5',
      () => new nn.Conv2d(3, 4, { kernelSize: 2.5 }),
    ],
    [
      'Conv2d: kernelSize: expected a positive integer or [height, width] of them, got nothing',
      () => new nn.Conv2d(3, 4, {} as nn.Conv2dOptions),
    ],
    [
      'of them, or one of "same", "valid", got "smae"',
      () => new nn.Conv2d(3, 4, { kernelSize: 3, padding: 'smae' as 'same' }),
    ],
    [
      "Conv2d: padding: expected a number or [height, width], since 'same' needs stride 1",
      () => new nn.Conv2d(3, 4, { kernelSize: 3, padding: 'same', stride: 2 }),
    ],
    [
      '"circular", got "reflct"; did you mean "reflect"?',
      () => new nn.Conv2d(3, 4, { kernelSize: 3, paddingMode: 'reflct' as 'reflect' }),
    ],
    ['GroupNorm: numChannels: expected a multiple of the 3 groups, got 4', () => new nn.GroupNorm(3, 4)],
    ['Linear: outFeatures: expected a number > 0, got 0', () => new nn.Linear(3, 0)],
    ['BatchNorm2d: numFeatures: expected a number, got NaN', () => new nn.BatchNorm2d(Number.NaN)],
    ['Dropout2d: p: expected a number <= 1, got 1.5', () => new nn.Dropout2d({ p: 1.5 })],
    ['MaxPool2d: padding: expected at most half the kernel size, got 2', () => new nn.MaxPool2d(3, { padding: 2 })],
    ['AdaptiveAvgPool2d: outputSize: expected a number > 0, got -1', () => new nn.AdaptiveAvgPool2d(-1)],
    ['Softmax: dim: expected a number, got nothing', () => new nn.Softmax({} as nn.SoftmaxOptions)],
    [
      'GELU: approximate: expected one of "none", "tanh", got "tan"; did you mean "tanh"?',
      () => new nn.GELU({ approximate: 'tan' as 'tanh' }),
    ],
    ['Embedding: paddingIdx: expected a row from -4 to 3, got 4', () => new nn.Embedding(4, 2, { paddingIdx: 4 })],
    ['Upsample: size: expected one of size and scaleFactor, got nothing', () => new nn.Upsample({})],
    [
      'Upsample: alignCorners: expected one of the modes linear',
      () => new nn.Upsample({ size: 2, alignCorners: true }),
    ],
  ])('%s', (message, make) => {
    expect(make).toThrow(message);
    expect(make).toThrow(RetortError);
  });

  it('wrong inputs show the shapes and where', () => {
    tidy(() => {
      const net = new nn.Sequential({ conv: new nn.Conv2d(5, 4, { kernelSize: 3 }), fc: new nn.Linear(3, 2) });
      expect(() => net.forward(zeros([1, 3, 8, 8]))).toThrow(
        refusal('engine', '[1, 3, 8, 8]', '[4, 5, 3, 3]', '5 channels', 'in: conv (Conv2d)'),
      );
      expect(() => net.get('fc').forward(zeros([1, 4]))).toThrow(refusal('engine', '[1, 4]', '[2, 3]'));
      expect(() => net.forward(undefined as unknown as Tensor)).toThrow(RetortError);
    });
  });
});
