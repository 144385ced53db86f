// Parameter groups: which factors a parameter gets.
import { expect, it } from 'vitest';

import { BatchNorm2d, Conv2d, Linear, Module } from '../nn/index.ts';
import { parameterGroups } from './index.ts';

class Net extends Module {
  conv = new Conv2d(1, 2, { kernelSize: 1 });
  bn = new BatchNorm2d(2);
  head = new Linear(2, 2);
  override forward(): void {}
}

/** Path -> learning rate and weight decay. */
function rates(net: Net, options: Parameters<typeof parameterGroups>[2]): Record<string, [number, number]> {
  const base = { lr: 1, weightDecay: 0.1 };
  const groups = parameterGroups(net, base, options);
  return Object.fromEntries(
    [...net.namedParameters()].map(([name, parameter]) => {
      const { lr = base.lr, weightDecay = base.weightDecay } = groups.find(({ params }) =>
        [...params].includes(parameter),
      )!;
      return [name, [lr, weightDecay]];
    }),
  );
}

it('gives norms, biases and named parts factors of their own', () => {
  const net = new Net();
  expect(rates(net, { normDecayMult: 0, biasLrMult: 2, biasDecayMult: 0 })).toEqual({
    'conv.weight': [1, 0.1],
    'conv.bias': [2, 0],
    'bn.weight': [1, 0],
    'bn.bias': [1, 0],
    'head.weight': [1, 0.1],
    'head.bias': [2, 0],
  });
});

it('lets the longest custom key decide alone, and leaves frozen parameters out', () => {
  const net = new Net();
  const customKeys = { head: { lrMult: 10 }, 'head.bias': { decayMult: 0 } };
  const all = rates(net, { customKeys, biasLrMult: 2 });
  expect(all['head.weight']).toEqual([10, 0.1]);
  expect(all['head.bias']).toEqual([1, 0]);
  expect(all['conv.bias']).toEqual([2, 0.1]);
  net.conv.requiresGrad_(false);
  const left = parameterGroups(net, { lr: 1, weightDecay: 0 }).flatMap(({ params }) => [...params]);
  expect(left).toHaveLength(4);
});

it('makes as few groups as there are pairs of factors', () => {
  expect(parameterGroups(new Net(), { lr: 1, weightDecay: 0.1 })).toHaveLength(1);
  expect(parameterGroups(new Net(), { lr: 1, weightDecay: 0.1 }, { normDecayMult: 0 })).toHaveLength(2);
});
