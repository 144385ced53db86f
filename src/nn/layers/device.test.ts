// Every layer, activation and norm computes on the device that it is on: a constant made on the CPU is an error there.
import { expect, it } from 'vitest';

import { onOtherDevice } from '../../../test/other-device.ts';
import { backward, ones, randn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { activations, buildActivation, buildLayer, buildNorm, functional, layerNames, norms } from '../index.ts';

interface Case {
  options?: object;
  input?: () => Tensor;
}
const image = (): Tensor => randn([2, 4, 6, 6]);

/** What a layer needs besides its name; the input is an image of four channels otherwise. */
const cases: Readonly<Record<string, Case>> = {
  AdaptiveAvgPool2d: { options: { outputSize: 2 } },
  AdaptiveMaxPool2d: { options: { outputSize: 2 } },
  AvgPool2d: { options: { kernelSize: 2 } },
  BatchNorm1d: { options: { numFeatures: 4 }, input: () => randn([3, 4]) },
  BatchNorm2d: { options: { numFeatures: 4 } },
  Conv2d: { options: { inChannels: 4, outChannels: 3, kernelSize: 3, padding: 1, stride: 2 } },
  ConvTranspose2d: { options: { inChannels: 4, outChannels: 3, kernelSize: 2, stride: 2 } },
  DropPath: { options: { dropProb: 0.5 } },
  Embedding: { options: { numEmbeddings: 5, embeddingDim: 3 }, input: () => ones([2, 3], { dtype: 'int64' }) },
  GroupNorm: { options: { numGroups: 2, numChannels: 4 } },
  InstanceNorm2d: { options: { numFeatures: 4, affine: true, trackRunningStats: true } },
  LayerNorm: { options: { normalizedShape: [6] } },
  Linear: { options: { inFeatures: 6, outFeatures: 3 } },
  LogSoftmax: { options: { dim: 1 } },
  MaxPool2d: { options: { kernelSize: 2 } },
  Softmax: { options: { dim: 1 } },
  Upsample: { options: { scaleFactor: 2 } },
};

/** Trains and evaluates. */
function computes(build: () => { forward(x: Tensor): Tensor } & object, input = image): number {
  return tidy(() =>
    onOtherDevice(({ move }) => {
      const layer = move(build()) as ReturnType<typeof build> & { train(): void; eval(): void; buffers(): Tensor[] };
      const given = move(input());
      const x = given.dtype === 'int64' ? given : given.requiresGrad_();
      const output = layer.forward(x.dtype === 'int64' ? x : x.clone());
      if (output.requiresGrad) backward([output.square().sum()]);
      layer.eval();
      return [output, layer.forward(x.detach().clone()), ...layer.buffers()];
    }),
  );
}

it.each(layerNames())('layer %s', (type) => {
  const { options = {}, input } = cases[type] ?? {};
  expect(computes(() => buildLayer({ type, ...options }), input)).toBeGreaterThan(1);
});

it.each(activations.names())('activation %s', (type) => {
  expect(computes(() => buildActivation({ type } as never))).toBe(2);
});

it.each(norms.names())('norm %s', (type) => {
  const options = type === 'GN' ? { numGroups: 2 } : {};
  const flat = /1d|^LN$/.test(type) ? () => randn([3, 4]) : image;
  expect(computes(() => buildNorm({ type, ...options } as never, 4).layer, flat)).toBeGreaterThan(1);
});

it('interpolation, padding and the losses of functional', () => {
  tidy(() =>
    onOtherDevice(({ move }) => {
      const x = move(image());
      const labels = move(ones([2], { dtype: 'int64' }));
      const scores = move(randn([2, 3]));
      expect(x.device).toBe('meta');
      return [
        functional.interpolate(x, { scaleFactor: 2, mode: 'bilinear' }),
        functional.interpolate(x, { size: [3, 4] }),
        functional.pad(x, { pad: [1, 1, 0, 2], value: 3 }),
        functional.crossEntropy(scores, labels),
        functional.mseLoss(scores, scores.mul(2)),
      ];
    }),
  );
});
