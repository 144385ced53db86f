// Folded norms give what unfolded ones do, see what changes, and step back where somebody looks in between.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { noGrad, ops, randn, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { BatchNorm2d, Conv2d, ConvModule, foldNorms, Identity, ReLU, Sequential } from './index.ts';
import type { Module } from './index.ts';

/** Gives norms statistics, scales and shifts of their own, and takes the network to evaluation in float64. */
function settled<M extends Module>(model: M): M {
  noGrad(() =>
    tidy(() => {
      for (const module of model.modules()) {
        if (!(module instanceof BatchNorm2d)) continue;
        module.running_mean!.normal_();
        module.running_var!.uniform_(0.2, 3);
        module.weight?.normal_();
        module.bias?.normal_();
      }
    }),
  );
  return model.eval().to({ dtype: 'float64' });
}

const input = (channels = 4): Tensor => randn([2, channels, 5, 5], { dtype: 'float64' });
const folded = (model: { forward(x: Tensor): Tensor }, x: Tensor): Tensor =>
  noGrad(() => foldNorms(() => model.forward(x)));

/** How often `body` calls the operator of batch norms. */
function normsRun(body: () => void): number {
  let count = 0;
  const before = ops.batchNorm;
  ops.batchNorm = (...args) => (count++, before(...args));
  try {
    tidy(body);
  } finally {
    ops.batchNorm = before;
  }
  return count;
}

describe.each([
  ['plain', () => new Sequential(new Conv2d(4, 6, { kernelSize: 3 }), new BatchNorm2d(6), new ReLU())],
  [
    'groups, stride, no bias',
    () =>
      new Sequential(
        new Conv2d(4, 6, { kernelSize: 3, groups: 2, stride: 2, padding: 1, bias: false }),
        new BatchNorm2d(6),
      ),
  ],
  [
    'no scale, other padding',
    () =>
      new Sequential(
        new Conv2d(4, 6, { kernelSize: 3, padding: 1, paddingMode: 'reflect' }),
        new BatchNorm2d(6, { affine: false }),
      ),
  ],
  ['ConvModule', () => new ConvModule(4, 6, { kernelSize: 3, normCfg: { type: 'BN' } })],
])('%s', (_name, make) => {
  it('equals the layers one after the other', () =>
    tidy(() => {
      const model = settled(make());
      const x = input();
      expect(folded(model, x)).toBeAllClose(
        noGrad(() => model.forward(x)),
        { rtol: 1e-12, atol: 1e-12 },
      );
      expect(normsRun(() => folded(model, x))).toBe(0);
      expect(normsRun(() => noGrad(() => model.forward(x)))).toBe(1);
    }));
});

it('folds again when a weight, a statistic or the dtype has changed', () => {
  tidy(() => {
    const conv = new Conv2d(4, 6, { kernelSize: 3 });
    const norm = new BatchNorm2d(6);
    const model = settled(new Sequential(conv, norm));
    const x = input();
    const same = (): void => {
      const expected = noGrad(() => model.forward(x));
      expect(folded(model, x)).toBeAllClose(expected, { rtol: 1e-12 });
    };
    same();
    noGrad(() => void conv.weight.mul_(2));
    same();
    noGrad(() => void norm.running_var!.add_(1));
    same();
    norm.eps = 0.5;
    same();
    model.loadStateDict(settled(new Sequential(new Conv2d(4, 6, { kernelSize: 3 }), new BatchNorm2d(6))).stateDict());
    same();
    model.to({ dtype: 'float32' });
    const narrow = x.to('float32');
    expect(folded(model, narrow)).toBeAllClose(
      noGrad(() => model.forward(narrow)),
      { rtol: 1e-4, atol: 1e-5 },
    );
  });
});

it('leaves alone what is recorded, trained, or looked at', () => {
  tidy(() => {
    const [conv, norm] = [new Conv2d(4, 6, { kernelSize: 3 }), new BatchNorm2d(6)];
    const model = settled(new Sequential(conv, norm, new Identity()));
    const x = input();
    expect(normsRun(() => foldNorms(() => void model.forward(x)))).toBe(1); // gradients are recorded
    for (const module of [conv, norm]) {
      using hook = module.registerForwardHook((_module, _args, output) => output);
      void hook;
      expect(normsRun(() => folded(model, x))).toBe(1);
    }
    const own = Object.getOwnPropertyDescriptor(BatchNorm2d.prototype, 'forward');
    const written = BatchNorm2d.prototype.forward;
    BatchNorm2d.prototype.forward = function (this: BatchNorm2d, given: Tensor) {
      return written.call(this, given);
    };
    expect(normsRun(() => folded(model, x))).toBe(1);
    if (own === undefined) delete (BatchNorm2d.prototype as { forward?: unknown }).forward;
    norm.train();
    expect(normsRun(() => folded(model, x))).toBe(1);
    norm.eval();
    expect(normsRun(() => folded(model, x))).toBe(0);
  });
});

it('errors are those of the layers', () => {
  tidy(() => {
    const model = settled(new Sequential(new Conv2d(4, 6, { kernelSize: 3 }), new BatchNorm2d(6)));
    expect(() => folded(model, input(3))).toThrow(refusal('engine', 'in: 0 (Conv2d)'));
    expect(() => folded(model, input().select(0, 0))).toThrow(refusal('invalid-argument', 'in: 1 (BatchNorm2d)')); // an image without N
    const unequal = settled(new Sequential(new Conv2d(4, 6, { kernelSize: 3 }), new BatchNorm2d(5)));
    expect(() => folded(unequal, input())).toThrow(refusal('invalid-argument', 'in: 1 (BatchNorm2d)'));
  });
});
