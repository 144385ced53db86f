// Networks and data of any kind through the whole: modules without a loss of their own as students and teachers, records as inputs,
// batches without labels, labels that a teacher does not know.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { DataLoader, Normalize, padSamples, RandomSampler, SyntheticImages } from '../src/data/index.ts';
import type { Dataset } from '../src/data/index.ts';
import {
  buildAlgorithm,
  MutualDistill,
  probe,
  SelfDistill,
  SingleTeacherDistill,
  Supervised,
} from '../src/distill/algorithms/index.ts';
import type { Algorithm, NetworkLoss } from '../src/distill/algorithms/index.ts';
import { ConfigurableDistiller } from '../src/distill/distillers/index.ts';
import { DistillLoss } from '../src/distill/losses/index.ts';
import type { Evaluator } from '../src/engine/index.ts';
import { evaluate, evaluateAgreement, Trainer } from '../src/engine/index.ts';
import { functional, Linear, Module, Parameter, targetsOf } from '../src/nn/index.ts';
import type { Inputs, Targets } from '../src/nn/index.ts';
import { SGD } from '../src/optim/index.ts';
import type { TypedConfig } from '../src/registry/index.ts';
import { manualSeed, ops, randn, tensor, tidy, zeros } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';
import { logitsDistiller, tinyNetwork } from './networks.ts';
import { refusal } from './refusal.ts';

/** A classifier of 8x8 images: `forward(x)` and nothing else. */
class Net extends Module {
  hidden: Linear;
  fc: Linear;
  /** How many arguments each call was given. */
  readonly given: number[] = [];
  constructor(width: number, classes = 4) {
    super();
    this.hidden = new Linear(64, width);
    this.fc = new Linear(width, classes);
  }
  override forward(x: Tensor, ...more: unknown[]): Tensor {
    this.given.push(1 + more.length);
    return this.fc.forward(functional.relu(this.hidden.forward(x.flatten(1))));
  }
}

const crossEntropy = (scores: Tensor, { labels }: Targets): Tensor => functional.crossEntropy(scores, labels!);
const distiller = (source = 'fc') => {
  const out = { type: 'ModuleOutputs', source } as const;
  return new ConfigurableDistiller({
    studentRecorders: { out },
    teacherRecorders: { out },
    distillLosses: { loss_kl: { type: 'KLDivergence', tau: 2 } },
    lossForwardMappings: {
      loss_kl: { predsS: { recorder: 'out', fromStudent: true }, predsT: { recorder: 'out', fromStudent: false } },
    },
  });
};
const loaderOf = (samples: number, options: object = {}) =>
  new DataLoader(new SyntheticImages({ samples }), {
    batchSize: 16,
    transforms: [new Normalize({ mean: [0.5], std: [0.5] })],
    ...options,
  });
const sgd = (algorithm: Algorithm, lr = 0.1) =>
  new SGD(
    algorithm.parameters().filter(({ requiresGrad }) => requiresGrad),
    { lr },
  );

beforeEach(() => manualSeed(0));
afterEach(() => void vi.restoreAllMocks());

describe('a module without a loss of its own', () => {
  it('is trained as a student by a loss outside, and teaches', async () => {
    const algorithm = new SingleTeacherDistill({
      architecture: new Net(8),
      teacher: new Net(16),
      distiller: distiller(),
      loss: crossEntropy,
    });
    const trainer = new Trainer({
      algorithm,
      trainLoader: loaderOf(128, { sampler: new RandomSampler({ seed: 0 }) }),
      valLoader: loaderOf(32),
      optimizer: sgd(algorithm),
      epochs: 3,
      agreement: true,
    });
    const { metrics } = await trainer.run();
    expect(metrics['student']!['accuracy']).toBeGreaterThan(50);
    expect(Object.keys(metrics)).toEqual(['student', 'teacher', 'agreement']);
    for (const net of [algorithm.student, algorithm.teacher] as Net[]) {
      expect(new Set(net.given)).toEqual(new Set([1]));
    }
  });

  it('takes losses by name, and a module whose parameters are trained too', () => {
    class Weighted extends Module {
      scale = new Parameter(zeros([]));
      override forward(scores: Tensor, targets: Targets): Record<string, Tensor> {
        const loss = crossEntropy(scores, targets);
        return { loss: loss.mul(this.scale.exp()).sub(this.scale), error: loss };
      }
    }
    const algorithm = new Supervised({ architecture: new Net(8), loss: new Weighted() });
    const names = [...algorithm.namedParameters()].map(([name]) => name);
    expect(names).toContain('student_loss.scale');
    expect(Object.keys(tidy(() => algorithm.student.stateDict()))).not.toContain('student_loss.scale');
    tidy(() => {
      const losses = algorithm.loss(
        randn([4, 1, 8, 8]),
        [0, 1, 2, 3].map((gtLabel) => ({ gtLabel })),
      );
      expect(Object.keys(losses)).toEqual(['loss', 'error']);
      const [total, entries] = algorithm.parseLosses(losses);
      total.backward();
      expect(total.item()).toBe(entries['loss']!.item());
      expect(algorithm.parameters().every(({ grad }) => grad !== null)).toBe(true);
    });
    for (const parameter of algorithm.parameters()) parameter.grad?.dispose();
  });

  it('is refused by name where nothing says what it is trained on', () => {
    const batch = () => ({
      inputs: randn([4, 1, 8, 8]),
      targets: targetsOf([0, 1, 2, 3].map((gtLabel) => ({ gtLabel }))),
    });
    const refused =
      /Supervised: the network Net computes no losses: in mode "loss" it returns a tensor\n {2}help: say what it is trained on: \{ loss:[^]*calculateStudentLoss: false/;
    const alone = new Supervised({ architecture: new Net(4) });
    expect(() => tidy(() => alone.trainStep(batch(), () => undefined))).toThrow(refused);
    expect(tidy(() => probe(alone, batch())).mistakes.join()).toMatch(/the network Net computes no losses/);
    const parts = { architecture: new Net(4), teacher: new Net(4), distiller: distiller() };
    const pair = new SingleTeacherDistill(parts);
    expect(() => tidy(() => pair.trainStep(batch(), () => undefined))).toThrow(
      refusal('unsupported', 'SingleTeacherDistill', 'Net'),
    );
    const quiet = new SingleTeacherDistill({ ...parts, distiller: distiller(), calculateStudentLoss: false });
    expect(tidy(() => Object.keys(quiet.loss(batch().inputs, {})))).toEqual(['distill.loss_kl']);
    const wrong = (loss: unknown) => () =>
      tidy(() => void new Supervised({ architecture: new Net(4), loss: loss as NetworkLoss }).loss(batch().inputs, {}));
    expect(wrong(() => 3)).toThrow(refusal('invalid-argument', 'Supervised', 'loss'));
    expect(wrong('crossEntropy')).toThrow(refusal('invalid-argument', 'loss'));
  });

  it('goes through the other algorithms', () => {
    const batch = () => [randn([4, 1, 8, 8]), targetsOf([0, 1, 2, 3].map((gtLabel) => ({ gtLabel })))] as const;
    const mutual = new MutualDistill({
      students: { a: new Net(4), b: new Net(6) },
      makeDistiller: () => distiller(),
      loss: crossEntropy,
    });
    expect(tidy(() => Object.keys(mutual.loss(...batch())))).toEqual([
      'a.loss',
      'b.loss',
      'distill.a_from_b.loss_kl',
      'distill.b_from_a.loss_kl',
    ]);
    const self = new SelfDistill({ architecture: new Net(4), distiller: distiller(), loss: crossEntropy });
    expect(tidy(() => Object.keys(self.loss(...batch())))).toEqual(['student.loss', 'distill.loss_kl']);
    const quiet = new SelfDistill({ architecture: new Net(4), distiller: distiller(), calculateStudentLoss: false });
    expect(tidy(() => Object.keys(quiet.loss(randn([4, 1, 8, 8]), {})))).toEqual(['distill.loss_kl']);
    const trained = new SingleTeacherDistill({
      architecture: new Net(4),
      teacher: new Net(4),
      distiller: distiller(),
      teacherTrainable: true,
      loss: crossEntropy,
    });
    expect(tidy(() => Object.keys(trained.loss(...batch())))).toEqual([
      'teacher.loss',
      'student.loss',
      'distill.loss_kl',
    ]);
    const built = buildAlgorithm({ type: 'Supervised', architecture: new Net(4), loss: crossEntropy });
    expect(tidy(() => Object.keys(built.loss(...batch())))).toEqual(['loss']);
  });
});

describe('labels', () => {
  const parts = () => ({ architecture: tinyNetwork(4), teacher: tinyNetwork(6), distiller: logitsDistiller() });
  /** Images that nobody labeled. */
  const unlabeled = (): Dataset => {
    const images = new SyntheticImages({ samples: 8 });
    return { length: 8, classes: [], shape: images.shape, images: (indices) => images.images(indices) };
  };

  it('are not needed where only the distiller trains the student', async () => {
    const algorithm = buildAlgorithm({ type: 'SingleTeacherDistill', ...parts(), calculateStudentLoss: false });
    const trainLoader = new DataLoader(unlabeled(), {
      batchSize: 4,
      transforms: [new Normalize({ mean: [0], std: [1] })],
    });
    const reported: string[] = [];
    const trainer = new Trainer({
      algorithm,
      trainLoader,
      valLoader: trainLoader,
      evaluators: [],
      agreement: true,
      optimizer: sgd(algorithm),
      epochs: 1,
      progress: { step: ({ losses }) => void reported.push(...Object.keys(losses)), line: () => undefined },
    });
    const { metrics } = await trainer.run();
    expect(new Set(reported)).toEqual(new Set(['distill.loss_kl', 'loss']));
    expect(Object.keys(metrics['agreement']!)).toEqual(['agreement', 'kl', 'cka']);
    const needing = buildAlgorithm({ type: 'SingleTeacherDistill', ...parts() });
    await trainLoader.prepare(0, 0);
    expect(() => tidy(() => needing.trainStep(trainLoader.load(0, 0), () => undefined))).toThrow(
      refusal('invalid-argument', 'LinearClsHead', 'targets', '(N)', '(N, 4)', 'calculateStudentLoss'),
    );
  });

  it('beyond the classes of a frozen teacher are no matter, for features', () => {
    const teacher = tinyNetwork(4) as TypedConfig & { head: object };
    const feature = { type: 'ModuleOutputs', source: 'backbone.layer1' };
    const algorithm = buildAlgorithm({
      type: 'SingleTeacherDistill',
      architecture: tinyNetwork(4),
      teacher: { ...teacher, head: { ...teacher.head, numClasses: 2 } },
      distiller: {
        type: 'ConfigurableDistiller',
        studentRecorders: { feature },
        teacherRecorders: { feature },
        distillLosses: { loss_feature: { type: 'L2Loss' } },
        lossForwardMappings: {
          loss_feature: {
            sFeature: { recorder: 'feature', fromStudent: true },
            tFeature: { recorder: 'feature', fromStudent: false },
          },
        },
      },
    });
    const losses = tidy(() =>
      Object.keys(
        algorithm.loss(
          randn([4, 1, 8, 8]),
          [0, 1, 2, 3].map((gtLabel) => ({ gtLabel })),
        ),
      ),
    );
    expect(losses).toEqual(['student.loss', 'distill.loss_feature']);
  });

  it('a student without losses of its own computes them where a recorder taps them', () => {
    vi.spyOn(process, 'emitWarning').mockReturnValue();
    const batch = () => [randn([4, 1, 8, 8]), [0, 1, 2, 3].map((gtLabel) => ({ gtLabel }))] as const;
    const given = { type: 'ModuleInputs', source: 'head.loss_module' };
    const tapped = {
      ...logitsDistiller(),
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' }, given },
    };
    const losses = [logitsDistiller(), tapped].map((config) => {
      manualSeed(3);
      const options = { ...parts(), distiller: config, calculateStudentLoss: false };
      const algorithm = buildAlgorithm({ type: 'SingleTeacherDistill', ...options });
      return tidy(() => {
        const [total, entries] = algorithm.parseLosses(algorithm.loss(...batch()));
        const norms = [...algorithm.student.namedBuffers()].map(([, buffer]) => buffer.toArray());
        return [Object.keys(entries), total.item(), norms];
      });
    });
    expect(losses[1]).toEqual(losses[0]);
  });
});

describe('records as inputs', () => {
  type Tokens = Readonly<Record<'ids' | 'idsMask', Tensor>>;

  /** Scores of a text: the mean of its words' vectors, padding left out. Gives several outputs by name. */
  class TextNet extends Module {
    words: Linear;
    fc: Linear;
    constructor(width: number) {
      super();
      this.words = new Linear(12, width);
      this.fc = new Linear(width, 2);
    }
    override forward({ ids, idsMask }: Tokens): { scores: Tensor; states: readonly Tensor[] } {
      const mask = idsMask.to('float32').unsqueeze(2); // (N, L, 1)
      const states = this.words.forward(functional.oneHot(ids, { numClasses: 12 }).to('float32')); // (N, L, width)
      const mean = states.mul(mask).sum(1).div(mask.sum(1));
      return { scores: this.fc.forward(functional.relu(mean)), states: [states] };
    }
  }

  /** Texts of 1 to 5 words; those of class 0 have words below 6, the others from 6 on. */
  const texts = (length: number): Dataset<Inputs> => ({
    length,
    classes: ['low', 'high'],
    label: (index) => index % 2,
    item: (index) => {
      const words = Array.from({ length: 1 + (index % 5) }, (_, k) => 6 * (index % 2) + ((index + k) % 6));
      return { inputs: { ids: tensor(words, { dtype: 'int64' }) } };
    },
    collate: padSamples(),
  });

  /** The share of texts of the right class, from outputs by name. */
  const rightTexts: Evaluator<{ scores: Tensor }> = {
    begin() {
      let [right, seen] = [0, 0];
      return {
        update({ scores }, { labels }) {
          right += scores.argmax(1).eq(labels!).sum().item();
          seen += labels!.shape[0]!;
        },
        compute: () => ({ right: right / seen }),
      };
    },
  };

  it('go through loader, trainer, evaluation and probe', async () => {
    const algorithm = new SingleTeacherDistill({
      architecture: new TextNet(6),
      teacher: new TextNet(8),
      distiller: distiller(),
      loss: ({ scores }: { scores: Tensor }, { labels }: Targets) => functional.crossEntropy(scores, labels!),
    });
    const sampler = new RandomSampler({ seed: 1 });
    const trainLoader = new DataLoader(texts(40), { batchSize: 8, sampler });
    const valLoader = new DataLoader(texts(21), { batchSize: 8, views: { teacher: [] } });
    await trainLoader.prepare(0, 0);
    const { mistakes, recorders } = tidy(() => probe(algorithm, trainLoader.load(0, 0), { numClasses: 2 }));
    expect(mistakes).toEqual([]);
    expect(recorders.map(({ shapes }) => shapes)).toEqual(['(8, 2)', '(8, 2)']);
    const trainer = new Trainer({
      algorithm,
      trainLoader,
      valLoader,
      evaluators: [rightTexts],
      optimizer: sgd(algorithm, 1),
      epochs: 12,
      accumulate: 2,
    });
    const { metrics } = await trainer.run();
    expect(metrics['student']!['right']).toBe(1);
    expect(await evaluate(algorithm.student, valLoader, { evaluators: [rightTexts] })).toEqual({
      right: 1,
    });
    const told = (promise: Promise<unknown>): Promise<string> => promise.then(String, String);
    expect(await told(evaluate(algorithm.student, valLoader))).toMatch(
      /Accuracy: expected scores \(8, K\).* got several/,
    );
    expect(await told(evaluateAgreement(algorithm, valLoader))).toMatch(
      /agreement: expected scores \(N, K\).* several tensors/,
    );
  });

  it('are what a mapping of the batch names', () => {
    class Masked extends DistillLoss {
      override readonly inputs = { required: ['mask', 'depth', 'labels'] };
      override forward({ mask, depth, labels }: Record<string, Tensor>): Tensor {
        return mask!.sum().add(depth!.sum()).add(labels!.sum());
      }
    }
    const mapped = (field: string) =>
      ConfigurableDistiller.fromOptions({
        distillLosses: { loss: new Masked() },
        lossForwardMappings: {
          loss: {
            mask: { field: field as 'inputs' },
            depth: { field: 'targets.depth' },
            labels: { field: 'gtLabels' },
          },
        },
      });
    tidy(() => {
      const batch = {
        inputs: { ids: ops.ones([2, 3]), idsMask: ops.ones([2, 3]) },
        targets: { labels: tensor([1, 2]), depth: tensor([10, 20]) },
      };
      expect(mapped('inputs.idsMask').forward(batch)['loss']!.item()).toBe(6 + 30 + 3);
      expect(() => mapped('inputs.types').forward(batch)).toThrow(
        refusal('invalid-argument', 'inputs.types', 'idsMask'),
      );
      expect(() => mapped('inputs.types').forward({ ...batch, inputs: tensor([1]) })).toThrow(
        refusal('invalid-argument', 'mask', 'inputs.types'),
      );
      expect(() => mapped('boxes').forward(batch)).toThrow(refusal('invalid-argument', 'boxes'));
    });
  });
});
