// The imitated device finds what it is there to find.
import { describe, expect, it } from 'vitest';

import { Linear, Module } from '../src/nn/index.ts';
import { ones, ops, tensor, tidy, zeros } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';
import { onOtherDevice } from './other-device.ts';

const here = ones([2, 3]);

/** Each has a constant in the wrong place. */
const wrong: Record<string, (x: Tensor) => unknown> = {
  'a constant made on the CPU': (x) => x.add(ones([2, 3])),
  'values from JavaScript': (x) => x.mul(tensor([1, 2, 3])),
  'a constant of before': (x) => x.sub(here),
  'a constant in a list': (x) => ops.cat([x, zeros([1, 3])]),
  'a factor of a product': (x) => x.matmul(ones([3, 2])),
  'a scalar in what is not pointwise': (x) => ops.stack([x.sum(), tensor(1)]),
  'a mask': (x) => x.maskedFill(tensor([true, false, true]), 0),
  'a result of constants alone': (x) => [x, ones([2]).mul(3)],
  'a module that was not moved': (x) => new Linear(3, 2).forward(x),
};

describe('an imitated device', () => {
  it.each(Object.keys(wrong))('refuses %s', (name) => {
    expect(() => tidy(() => onOtherDevice(({ move }) => wrong[name]!(move(ones([2, 3])))))).toThrow(/cpu|CPU/);
  });

  it('takes what is made where the rest is, and computes as the CPU does', () => {
    tidy(() =>
      onOtherDevice(({ move, has }) => {
        const x = move(tensor([[1, 2, 3]])).requiresGrad_();
        expect([x.device, has(x), x.isLeaf]).toEqual(['meta', true, true]);
        const y = x
          .add(ones([1, 3], { device: x.device }))
          .mul(tensor(2))
          .add(x.newOnes([3]))
          .add(ops.zerosLike(x));
        y.square().sum().backward();
        expect(x.grad!.device).toBe('meta');
        expect(x.grad!.toArray()).toEqual([[20, 28, 36]]);
        expect(y.to({ device: 'cpu' }).device).toBe('cpu');
        expect(zeros([2], { device: x.device, requiresGrad: true }).requiresGrad).toBe(true);
        return [y, x.grad!];
      }),
    );
  });

  it('leaves everything as it was', () => {
    expect(ones([1]).device).toBe('cpu');
    class Net extends Module {
      override forward(x: Tensor): Tensor {
        return x.add(1);
      }
    }
    const net = new Net();
    tidy(() => onOtherDevice(({ move }) => net.forward(move(ones([1])))));
    expect(tidy(() => net.forward(ones([1])).device)).toBe('cpu');
  });
});
