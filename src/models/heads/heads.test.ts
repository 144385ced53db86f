// Every head: the contract, and what is its own.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { noGrad, ops, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import {
  buildHead,
  buildHeadLoss,
  HeadCrossEntropyLoss,
  DeiTClsHead,
  LabelSmoothLoss,
  LinearClsHead,
} from '../index.ts';
import { VisionTransformerClsHead } from '../index.ts';
import { describeHead } from '../models.contract.ts';
import type { HeadContract } from '../models.contract.ts';

const waves = (shape: number[]): Tensor =>
  ops
    .arange(shape.reduce((product, size) => product * size, 1))
    .mul(0.7)
    .sin()
    .view(shape);
const linear = { numClasses: 5, inChannels: 6 };
const tokens = (count: number) => () => [
  [waves([3, 6, 2, 2]), ...Array.from({ length: count }, (_, i) => waves([3, 6]).mul(i + 1))],
];

const contracts: [type: string, contract: HeadContract][] = [
  ['ClsHead', { options: {}, features: () => [waves([3, 5])], classes: 5 }],
  ['LinearClsHead', { options: linear, features: () => [waves([3, 2]), waves([3, 6])], classes: 5 }],
  [
    'StackedLinearClsHead',
    {
      options: { ...linear, midChannels: [7, 8], normCfg: { type: 'BN1d' } },
      features: () => [waves([3, 6])],
      classes: 5,
    },
  ],
  ['VisionTransformerClsHead', { options: { ...linear, hiddenDim: 7 }, features: tokens(1), classes: 5 }],
  // Only a distiller that records it gives head_dist a gradient.
  ['DeiTClsHead', { options: linear, features: tokens(2), classes: 5, untrained: ['head_dist'] }],
];

describe.each(contracts)('%s', (type, contract) => {
  describeHead(type, contract);
});

describe('LinearClsHead', () => {
  it('says what to do about feature maps', () => {
    const head = new LinearClsHead(linear);
    tidy(() => {
      expect(() => head.forward([waves([3, 6, 2, 2])])).toThrow(
        refusal('invalid-argument', '[3, 6, 2, 2]', 'GlobalAveragePooling'),
      );
    });
  });

  it('counts hits among the highest scores, in percent', () => {
    const head = buildHead({ type: 'ClsHead', calAcc: true, topk: [1, 2, 9] });
    tidy(() => {
      const scores = tensor([
        [3, 2, 1],
        [1, 2, 3],
        [2, 3, 1],
        [1, 3, 2],
      ]);
      const losses = head.loss([scores], [{ gtLabel: 0 }, { gtLabel: 1 }, { gtLabel: 2 }, { gtLabel: 1 }]);
      const got = [1, 2, 9].map((k) => losses[`accuracy_top-${k}`]!.item());
      expect(got).toEqual([50, 75, 100]);
    });
  });

  it('shows its loss the scores and the classes', () => {
    const head = new LinearClsHead(linear);
    const seen: number[][] = [];
    using hook = head.loss_module.registerForwardHook((_module, args) => {
      seen.push(...(args.slice(0, 2) as Tensor[]).map(({ shape }) => shape));
    });
    void hook;
    tidy(() => head.loss([waves([3, 6])], [{ gtLabel: 0 }, { gtLabel: 1 }, { gtLabel: 2 }]));
    expect(seen).toEqual([[3, 5], [3]]);
  });

  it('starts as asked', () => {
    tidy(() => {
      const usual = new LinearClsHead(linear);
      expect(usual.fc.weight.abs().max().item()).toBeLessThan(0.06);
      expect(usual.fc.bias!.abs().sum().item()).toBe(0);
      const wide = new LinearClsHead({ ...linear, initCfg: { type: 'Constant', layer: 'Linear', val: 2, bias: 1 } });
      expect([wide.fc.weight.mean().item(), wide.fc.bias!.mean().item()]).toEqual([2, 1]);
    });
  });
});

describe('heads of transformers', () => {
  it('start at zero, but for the hidden layer', () => {
    const head = new VisionTransformerClsHead({ ...linear, hiddenDim: 7 });
    tidy(() => {
      const state = head.stateDict();
      expect(state['layers.head.weight']!.abs().sum().item()).toBe(0);
      expect(state['layers.pre_logits.weight']!.abs().sum().item()).toBeGreaterThan(0);
    });
  });

  it('score by the class token in training, and by both where the mean is asked for in evaluation', () => {
    const head = new DeiTClsHead({ ...linear, average: true });
    noGrad(() => head.parameters().forEach((parameter) => parameter.normal_(0, 1)));
    tidy(() =>
      noGrad(() => {
        const [own, distilled] = ['head', 'head_dist'].map((name, i) =>
          head.layers.get(name).forward((tokens(2)()[0] as Tensor[])[i + 1]!),
        );
        let calls = 0;
        using hook = head.layers.get('head_dist').registerForwardHook(() => void calls++);
        void hook;
        expect(head.forward(tokens(2)())).toBeAllClose(own!);
        expect(calls).toBe(1);
        head.eval();
        expect(head.forward(tokens(2)())).toBeAllClose(own!.add(distilled!).div(2));
        expect(() => head.forward(tokens(1)())).toThrow(refusal('invalid-argument', 2, 'DistilledVisionTransformer'));
      }),
    );
  });
});

describe('losses of heads', () => {
  it('refuse what contradicts itself', () => {
    expect(() => new HeadCrossEntropyLoss({ useSoft: true, useSigmoid: true })).toThrow(
      refusal('invalid-argument', 'useSoft', 'useSigmoid'),
    );
    expect(() => new LabelSmoothLoss({ labelSmoothVal: 1 })).toThrow(
      refusal('invalid-argument', 'LabelSmoothLoss', 'labelSmoothVal', 1),
    );
    expect(() => buildHeadLoss({ type: 'LabelSmoothLoss', labelSmoothVal: 0.1, mode: 'orginal' as never })).toThrow(
      refusal('invalid-argument', 'mode', 'orginal'),
    );
    tidy(() => {
      const [scores, classes] = [waves([2, 3]), tensor(BigInt64Array.from([0n, 1n]))];
      expect(() => new HeadCrossEntropyLoss({ classWeight: [1, 2] }).forward(scores, classes)).toThrow(
        refusal('invalid-argument', 'classWeight', 3, 'got 2'),
      );
      expect(() => new LabelSmoothLoss({ labelSmoothVal: 0.1, numClasses: 4 }).forward(scores, classes)).toThrow(
        refusal('invalid-argument', 'numClasses', 4, 3),
      );
      expect(() => new HeadCrossEntropyLoss({ useSoft: true }).forward(scores, waves([2, 4]))).toThrow(
        refusal('invalid-argument', '[2, 4]'),
      );
      expect(() => new HeadCrossEntropyLoss({ reduction: 'sum' }).forward(scores, classes, { avgFactor: 2 })).toThrow(
        refusal('invalid-argument', 'avgFactor'),
      );
    });
  });

  it('weight samples, and smooth less with less', () => {
    tidy(() => {
      const [scores, classes] = [waves([2, 3]), tensor(BigInt64Array.from([0n, 1n]))];
      const plain = new HeadCrossEntropyLoss({ reduction: 'none' }).forward(scores, classes).toArray() as number[];
      const weighted = new HeadCrossEntropyLoss().forward(scores, classes, { weight: tensor([2, 0]), avgFactor: 2 });
      expect(weighted).toBeAllClose(plain[0]!, { rtol: 1e-6 });
      const smoothed = new LabelSmoothLoss({ labelSmoothVal: 0, reduction: 'none' }).forward(scores, classes);
      expect(smoothed).toBeAllClose(plain, { rtol: 1e-6 });
      const both = new LabelSmoothLoss({ labelSmoothVal: 0.2, reduction: 'sum' }).forward(scores, classes);
      const each = new LabelSmoothLoss({ labelSmoothVal: 0.2, reduction: 'none' }).forward(scores, classes);
      expect(both).toBeAllClose(each.sum(), { rtol: 1e-6 });
      const built = new HeadCrossEntropyLoss({ labelSmoothing: 0.2, reduction: 'none' }).forward(scores, classes);
      expect(each).toBeAllClose(built, { rtol: 1e-5 });
    });
  });
});
