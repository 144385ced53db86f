// What holds for every backbone, neck, head and classifier; their tests run it with options of their own.
import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { targetsOf } from '../nn/index.ts';
import type { DataSample, LossModel } from '../nn/index.ts';
import { noGrad, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { backbones, buildBackbone, buildHead, buildModel, buildNeck, heads, models, necks } from './index.ts';
import type { Feature } from './index.ts';
import { describeModule, image, stay, tensorsOf } from './module.contract.ts';
import type { Build, Contract, Options } from './module.contract.ts';

export interface BackboneContract extends Contract {
  /** `(N, C, H, W)`; N of at least 2, for batch norms. */
  input: readonly number[];
  /** The shapes of all outputs, flattened. */
  shapes: readonly (readonly number[])[];
  /** Names that the state dict of the original has. */
  names: readonly string[];
  /** Takes `normEval` and `frozenStages`: a parameter of the stem, and one that frozenStages 1 leaves alone. */
  frozen?: readonly [stem: string, later: string];
}

/** Runs the contract on a backbone. */
export function describeBackbone(type: string, contract: BackboneContract): void {
  const { options, input, shapes, names, frozen } = contract;
  const build: Build = (more = {}) => buildBackbone({ type, ...options, ...more });
  describeModule(type, {
    ...contract,
    registry: backbones,
    build,
    run: (net, move = stay) => net.forward(move(image(input)) as never),
  });

  it('contract: gives the shapes it promises, and the same in evaluation for any batch', () => {
    const net = build();
    noGrad(() =>
      tidy(() => {
        expect(tensorsOf(net.forward(image(input) as never)).map(({ shape }) => shape)).toEqual(shapes);
        net.eval();
        const [whole] = tensorsOf(net.forward(image(input) as never));
        const [part] = tensorsOf(net.forward(image(input).narrow(0, 0, 1) as never));
        expect(whole!.narrow(0, 0, 1)).toBeAllClose(part!, { rtol: 1e-4, atol: 1e-5 });
      }),
    );
    if ('outChannels' in net) expect(net.outChannels).toEqual(shapes.map(([, channels]) => channels));
  });

  it("contract: has the original's names", () => {
    const state = tidy(() => Object.keys(build().stateDict()));
    expect(state).toEqual(expect.arrayContaining([...names]));
  });

  it.runIf(frozen !== undefined)('contract: frozenStages and normEval stay, whatever train() says', () => {
    const [stem, later] = frozen!;
    const net = build({ frozenStages: 1, normEval: true });
    net.requiresGrad_(true);
    net.train();
    const trained = new Map([...net.namedParameters()].map(([name, { requiresGrad }]) => [name, requiresGrad]));
    expect([trained.get(stem), trained.get(later)]).toEqual([false, true]);
    const norms = net.modules().filter((module) => 'running_mean' in module);
    expect(norms.every((module) => !module.training)).toBe(true);
    expect(net.training).toBe(true);
    expect(() => build({ frozenStages: 99 })).toThrow(refusal('invalid-argument', 'frozenStages', -1, 99));
  });
}

export interface HeadContract extends Contract {
  /** Fresh features of a batch of three. */
  features: () => readonly Feature[];
  classes: number;
}

/** Runs the contract on a head. */
export function describeHead(type: string, contract: HeadContract): void {
  const { options, features, classes } = contract;
  const build = (more: Options = {}) => buildHead({ type, ...options, ...more });
  const samples = [0, classes - 1, 1].map((gtLabel) => ({ gtLabel }));
  const run = (net: unknown, move = stay): unknown =>
    (net as ReturnType<typeof build>).loss(move(features()), move(targetsOf(samples)))['loss'];
  describeModule(type, { ...contract, registry: heads, build, run });

  it('contract: scores, losses from labels and from shares, accuracies', () => {
    const head = build({ calAcc: true, topk: [1, 2] });
    const shares = samples.map(({ gtLabel }) => ({
      gtLabel,
      gtScore: Array.from({ length: classes }, (_, k) => Number(k === gtLabel)),
    }));
    tidy(() => {
      expect(head.forward(features()).shape).toEqual([3, classes]);
      const losses = head.loss(features(), samples);
      expect(Object.keys(losses)).toEqual(['loss', 'accuracy_top-1', 'accuracy_top-2']);
      expect(losses['loss']!.shape).toEqual([]);
      expect(build({ loss: { type: 'LabelSmoothLoss', labelSmoothVal: 0.1 } }).loss(features(), shares)).toHaveProperty(
        'loss',
      );
      expect(() => head.loss(features(), shares)).toThrow(refusal('invalid-argument', 'calAcc'));
      const plain = build();
      plain.loadStateDict(head.stateDict());
      plain.eval();
      expect(plain.loss(features(), shares)['loss']!).toBeAllClose(plain.loss(features(), samples)['loss']!, {
        rtol: 1e-5,
      });
    });
  });

  it('contract: names what is wrong with labels, samples, losses', () => {
    const head = build();
    tidy(() => {
      const loss = (given: readonly DataSample[]) => () => head.loss(features(), given);
      expect(loss(samples.slice(1))).toThrow(refusal('invalid-argument', type, 'targets', 3, 2));
      expect(loss([...samples.slice(1), { gtLabel: classes }])).toThrow(
        refusal('invalid-argument', type, 'targets: labels', classes, 'sample 2'),
      );
      expect(loss([...samples.slice(1), { gtLabel: 0, gtScore: [1] }])).toThrow(
        refusal('invalid-argument', 'gtScore', 'sample 0'),
      );
      expect(loss(samples.map((sample) => ({ ...sample, gtScore: [1] })))).toThrow(
        refusal('invalid-argument', 'targets: scores'),
      );
      expect(() => head.loss(features(), {})).toThrow(refusal('invalid-argument', 'targets', `(N, ${classes})`));
    });
    expect(() => build({ loss: { type: 'CrossEntropyLos' } })).toThrow(
      refusal('unknown-name', 'CrossEntropyLos', 'CrossEntropyLoss', 'headLoss'),
    );
    expect(() => build({ loss: { lossWieght: 1 } })).toThrow(refusal('unknown-option', 'lossWieght', 'lossWeight'));
  });
}

export interface NeckContract extends Contract {
  inputs: () => readonly Tensor[];
  shapes: readonly (readonly number[])[];
}

/** Runs the contract on a neck. */
export function describeNeck(type: string, contract: NeckContract): void {
  const { options, inputs, shapes } = contract;
  const build: Build = (more = {}) => buildNeck({ type, ...options, ...more });
  describeModule(type, {
    ...contract,
    registry: necks,
    build,
    run: (net, move = stay) => net.forward(move(inputs()) as never),
  });

  it('contract: gives the shapes it promises', () => {
    tidy(() => {
      const outputs = tensorsOf(build().forward(inputs() as never));
      expect(outputs.map(({ shape }) => shape)).toEqual(shapes);
    });
  });
}

export interface ClassifierContract extends Contract {
  input: readonly number[];
  classes: number;
}

/** Runs the contract on a classifier. */
export function describeClassifier(name: string, contract: ClassifierContract): void {
  const { options, input, classes } = contract;
  const build = (more: Options = {}): LossModel => buildModel({ type: 'ImageClassifier', ...options, ...more });
  const samples = Array.from({ length: input[0]! }, (_, i) => ({ gtLabel: i % classes }));
  const run = (net: unknown, move = stay): unknown =>
    (net as LossModel).forward(move(image(input)), move(targetsOf(samples)), 'loss');
  describeModule('ImageClassifier', { ...contract, registry: models, build, run });

  it(`contract: ${name} gives losses, scores and probabilities, and names wrong modes`, () => {
    const net = build();
    tidy(() => {
      expect(Object.keys(net.forward(image(input), samples, 'loss'))).toEqual(['loss']);
      expect(net.forward(image(input)).shape).toEqual([input[0], classes]);
      const sums = net.forward(image(input), samples, 'predict').sum(1);
      expect(sums).toBeAllClose(
        samples.map(() => 1),
        { rtol: 1e-5 },
      );
      expect(() => net.forward(image(input), undefined, 'loss' as never)).toThrow(
        refusal('invalid-argument', 'loss', 'targets'),
      );
      expect(() => net.forward(image(input), undefined, 'tensro' as never)).toThrow(refusal('unknown-name', 'tensor'));
    });
  });
}
