// What is made alike after a step: all that moves with the samples that a process sees.
import { expect, it } from 'vitest';

import { BatchNorm2d, Conv2d, InstanceNorm2d, QuantizationAware, Sequential } from '../nn/index.ts';
import { ones, tidy } from '../torch/index.ts';
import type { ProcessGroup, Tensor } from '../torch/index.ts';
import { Replicas } from './replicas.ts';
import type { Trainable } from './trainable.ts';

it('running statistics of norms and ranges of quantization become their mean, where they move', () => {
  tidy(() => {
    const [moving, still] = [new BatchNorm2d(2), new BatchNorm2d(2).eval()];
    const [conv, instance] = [new Conv2d(2, 2, { kernelSize: 1 }), new InstanceNorm2d(2, { trackRunningStats: true })];
    const network = new Sequential(conv, moving, instance, still, new InstanceNorm2d(2));
    const quantization = new QuantizationAware(network);
    network.forward(ones([1, 2, 2, 2]));
    const averaged: Tensor[] = [];
    const group = {
      allReduce_: (tensors: readonly Tensor[], how: string) => {
        expect(how).toBe('mean');
        averaged.push(...tensors);
      },
    } as unknown as ProcessGroup;
    const algorithm = { modules: () => [...network.modules(), ...quantization.modules()] } as unknown as Trainable;
    new Replicas(group).averageStatistics(algorithm);
    const { least, greatest } = quantization.quantizers.get('0');
    expect(greatest.item()).toBe(1);
    const wanted = [moving.running_mean, moving.running_var, instance.running_mean, instance.running_var];
    expect(averaged).toEqual([...wanted, least, greatest]);
    quantization.detach();
    new Replicas().averageStatistics(algorithm); // alone: nothing to do
    expect(averaged).toHaveLength(6);
  });
});
