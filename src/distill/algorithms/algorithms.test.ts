// The contract for every algorithm, and what each one's options say.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { logitsDistiller, tinyNetwork } from '../../../test/networks.ts';
import { RetortError } from '../../errors.ts';
import { buildModel } from '../../models/index.ts';
import { BatchNorm, Dropout, targetsOf } from '../../nn/index.ts';
import { manualSeed, noGrad, ones, ops, randn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { describeAlgorithm } from './algorithm.contract.ts';
import { algorithms, buildAlgorithm, Supervised } from './index.ts';
import type { Algorithm, EmaTeacherDistill, MutualDistill, SingleTeacherDistill } from './index.ts';

const networks = () => ({ architecture: tinyNetwork(4), teacher: tinyNetwork(6) });
const features = (side: 'student' | 'teacher', source = 'backbone.layer1') => ({
  [`${side}Recorders`]: { feat: { type: 'ModuleOutputs', source } },
});
const single = (changes: object = {}): SingleTeacherDistill =>
  buildAlgorithm({
    type: 'SingleTeacherDistill',
    ...networks(),
    distiller: logitsDistiller(),
    ...changes,
  }) as SingleTeacherDistill;
const samples = [0, 1, 2, 3].map((gtLabel) => ({ gtLabel }));
const generator = { type: 'DAFLGenerator', imgSize: 8, latentDim: 3, hiddenChannels: 4 };

const dataFree = (type: string, changes: object = {}): Algorithm =>
  buildAlgorithm({
    type,
    architecture: tinyNetwork(4, 3),
    teachers: { res: { buildCfg: tinyNetwork(6, 3) } },
    generator,
    distiller: logitsDistiller('res'),
    generatorDistiller: logitsDistiller('res', { tau: 4, lossWeight: -1, teacherDetach: false }),
    ...changes,
  });

describe('Supervised', () => {
  describeAlgorithm('Supervised', {
    make: () => buildAlgorithm({ type: 'Supervised', architecture: tinyNetwork(4) }),
    keys: ['loss'],
    reported: ['loss'],
  });

  it('refuses options that it does not have, in programs too', () => {
    const architecture = buildModel(tinyNetwork(4));
    expect(() => new Supervised({ architecture, moduleInplce: true } as never)).toThrow(
      refusal('unknown-option', 'Supervised', 'moduleInplce', 'moduleInplace'),
    );
  });
});

describe('SingleTeacherDistill', () => {
  describeAlgorithm('SingleTeacherDistill', {
    make: () => single(),
    keys: ['student.loss', 'distill.loss_kl'],
    frozen: ['teacher'],
  });

  it('trains the teacher too, where it is configured to', () => {
    const algorithm = single({ teacherTrainable: true, teacherNormEval: false });
    tidy(() => {
      const losses = algorithm.loss(randn([4, 1, 8, 8]), samples);
      expect(Object.keys(losses)).toEqual(['teacher.loss', 'student.loss', 'distill.loss_kl']);
      algorithm.parseLosses(losses)[0].backward();
      expect(algorithm.teacher.parameters().every((parameter) => parameter.grad !== null)).toBe(true);
    });
    expect(algorithm.frozen()).toEqual([]);
    const norms = (one: SingleTeacherDistill): boolean[] =>
      one.teacher
        .modules()
        .filter((module) => module instanceof BatchNorm)
        .map((module) => module.training);
    expect(norms(algorithm).every(Boolean)).toBe(true);
    expect(norms(single({ teacherTrainable: true })).some(Boolean)).toBe(false);
    expect(norms(single({ teacherNormEval: false })).every(Boolean)).toBe(true);
    algorithm.zeroGrad();
  });

  it('folds the norms of a teacher that is still, but where somebody looks', () => {
    const teacher = buildModel(tinyNetwork(6)).to({ dtype: 'float64' });
    const architecture = buildModel(tinyNetwork(4)).to({ dtype: 'float64' });
    const x = randn([4, 1, 8, 8], { dtype: 'float64' });
    const loss = (foldTeacherNorms: boolean): number =>
      tidy(
        () => single({ architecture, teacher, foldTeacherNorms }).loss(x, samples)['distill.loss_kl'] as Tensor,
      ).item();
    const expected = loss(false);
    expect(loss(true)).toBeCloseTo(expected, 12);
    let seen = 0;
    using hook = teacher.getModule('backbone.layer1.0.bn1')!.registerForwardHook(() => void seen++);
    void hook;
    expect(loss(true)).toBeCloseTo(expected, 12);
    expect(seen).toBe(1);
    expect(() => single({ foldTeacherNorms: true, teacherNormEval: false })).toThrow(
      refusal('invalid-argument', 'foldTeacherNorms'),
    );
  });

  it('has a frozen teacher in evaluation mode whole; the original left dropout on', () => {
    const withDropout = () => {
      const teacher = buildModel(tinyNetwork(6));
      return Object.assign(teacher, { drop: new Dropout() });
    };
    const mode = (changes: object): boolean => {
      const teacher = withDropout();
      single({ teacher, ...changes });
      return teacher.drop.training;
    };
    expect(mode({})).toBe(false);
    expect(mode({ compat: 'mmrazor' })).toBe(true);
  });

  it('freezes the student, and leaves its losses out, where it is configured to', () => {
    const algorithm = single({ studentTrainable: false, calculateStudentLoss: false });
    expect(algorithm.student.parameters().some((parameter) => parameter.requiresGrad)).toBe(false);
    expect(algorithm.student.training).toBe(false);
    tidy(() => {
      expect(Object.keys(algorithm.loss(randn([4, 1, 8, 8]), samples))).toEqual(['distill.loss_kl']);
    });
    const original = single({ studentTrainable: false, calculateStudentLoss: false, compat: 'mmrazor' });
    expect(original.student.training).toBe(true);
    expect(original.student.parameters().every((parameter) => parameter.requiresGrad)).toBe(true);
  });

  it('does not run a teacher whose distillation has stopped', () => {
    const algorithm = single();
    algorithm.distillationStopped = true;
    let calls = 0;
    using hook = algorithm.teacher.registerForwardHook(() => void calls++);
    void hook;
    tidy(() => expect(Object.keys(algorithm.loss(randn([4, 1, 8, 8]), samples))).toEqual(['student.loss']));
    expect(calls).toBe(0);
  });

  it('shows the teacher its own view of the images', () => {
    const algorithm = single();
    const seen: Tensor[] = [];
    using hook = algorithm.teacher.registerForwardHook((_module, [input]) => void seen.push(input as Tensor));
    void hook;
    tidy(() => {
      const [inputs, teacher] = [randn([4, 1, 8, 8]), ones([4, 1, 8, 8])];
      algorithm.loss(inputs, samples, { teacher });
      expect(seen[0]).toBe(teacher);
    });
  });

  it('is clear about what cannot be built', () => {
    expect(() => single({ teacher: 3 })).toThrow(refusal('invalid-argument', 'teacher', 3));
    expect(() => single({ teacher: { type: 'ImageClasifier' } })).toThrow(refusal('unknown-name', 'ImageClassifier'));
    expect(() => single({ teacherNormEvl: true })).toThrow(
      refusal('unknown-option', 'teacherNormEvl', 'teacherNormEval'),
    );
    expect(() => buildAlgorithm({ type: 'SingleTeacherDistil' })).toThrow(
      refusal('unknown-name', 'SingleTeacherDistill'),
    );
  });
});

describe('FpnTeacherDistill', () => {
  const make = (changes: object = {}): Algorithm =>
    buildAlgorithm({
      type: 'FpnTeacherDistill',
      architecture: tinyNetwork(6),
      teacher: tinyNetwork(6),
      distiller: {
        type: 'ConfigurableDistiller',
        ...features('student'),
        ...features('teacher'),
        distillLosses: { loss_feat: { type: 'L2Loss' } },
        lossForwardMappings: {
          loss_feat: {
            sFeature: { recorder: 'feat', fromStudent: true },
            tFeature: { recorder: 'feat', fromStudent: false },
          },
        },
      },
      ...changes,
    });
  describeAlgorithm('FpnTeacherDistill', { make, keys: ['student.loss', 'distill.loss_feat'], frozen: ['teacher'] });

  it('runs no head of the teacher, and wants one that gives features', () => {
    const algorithm = make() as SingleTeacherDistill;
    let calls = 0;
    using hook = algorithm.teacher.getModule('head.fc')!.registerForwardHook(() => void calls++);
    void hook;
    tidy(() => void algorithm.loss(randn([4, 1, 8, 8]), samples));
    expect(calls).toBe(0);
    expect(make({ calculateStudentLoss: false, compat: 'mmrazor' })).toMatchObject({ calculateStudentLoss: true });
  });
});

describe('SelfDistill', () => {
  const make = (): Algorithm =>
    buildAlgorithm({
      type: 'SelfDistill',
      architecture: tinyNetwork(4),
      distiller: { ...logitsDistiller(), type: 'BYOTDistiller' },
    });
  describeAlgorithm('SelfDistill', { make, keys: ['student.loss', 'distill.loss_kl'] });

  it('runs once, or twice where the teacher has a view of its own', () => {
    const algorithm = make();
    let calls = 0;
    using hook = algorithm.student.registerForwardHook(() => void calls++);
    void hook;
    tidy(() => void algorithm.loss(randn([4, 1, 8, 8]), samples));
    expect(calls).toBe(1);
    tidy(() => void algorithm.loss(randn([4, 1, 8, 8]), samples, { teacher: ones([4, 1, 8, 8]) }));
    expect(calls).toBe(3);
  });
});

it('a student that wants labels as shares gets them, also where nothing is mixed', () => {
  const architecture = { ...tinyNetwork(4), dataPreprocessor: { toOnehot: true } };
  const algorithm = buildAlgorithm({ type: 'Supervised', architecture });
  tidy(() => {
    const inputs = randn([4, 1, 8, 8]);
    const views = { teacher: inputs };
    const batch = tidy(() => algorithm.preprocessed({ inputs, targets: targetsOf(samples), views }));
    expect(batch.inputs).toBe(inputs);
    expect(batch.views).toBe(views);
    expect(batch.targets.labels!.toArray()).toEqual([0, 1, 2, 3]);
    expect((batch.targets.scores!.toArray() as unknown[])[2]).toEqual([0, 0, 1, 0]);
  });
});

describe('EmaTeacherDistill', () => {
  const make = (changes: object = {}): Algorithm =>
    buildAlgorithm({
      type: 'EmaTeacherDistill',
      architecture: tinyNetwork(4),
      distiller: logitsDistiller(),
      ...changes,
    });
  describeAlgorithm('EmaTeacherDistill', {
    make,
    keys: ['student.loss', 'distill.loss_kl'],
    moves: ['updates', 'teacher.head.fc.weight', 'teacher.backbone.bn1.running_mean'],
  });

  it('begins as the student and follows its formula', () => {
    const algorithm = make({ momentum: 0.75, warmup: false }) as EmaTeacherDistill;
    const [student, teacher] = [algorithm.student, algorithm.teacher].map((one) => one.parameters().at(-1)!);
    expect(teacher!.toArray()).toEqual(student!.toArray());
    tidy(() => noGrad(() => void [student!.fill_(4), teacher!.fill_(0)]));
    algorithm.afterStep();
    expect(teacher!.toArray()).toEqual([1, 1, 1, 1]);
    expect(() => make({ momentum: 2 })).toThrow(refusal('invalid-argument', 'momentum', 2));
  });

  it('takes what its class takes: norms of the teacher that measure, or are folded though they move', () => {
    expect(make({ teacherNormEval: false })).toMatchObject({ teacherNormEval: false });
    expect(() => make({ teacherTrainable: true })).toThrow(refusal('unknown-option', 'teacherTrainable'));
    const x = randn([4, 1, 8, 8]);
    const after = (foldTeacherNorms: boolean): number => {
      manualSeed(3);
      const algorithm = make({ foldTeacherNorms, momentum: 0.5, warmup: false }) as EmaTeacherDistill;
      const loss = (): number => tidy(() => (algorithm.loss(x, samples)['distill.loss_kl'] as Tensor).item());
      loss();
      tidy(() => noGrad(() => algorithm.student.parameters().forEach((parameter) => void parameter.mul_(1.5))));
      algorithm.afterStep();
      return loss();
    };
    expect(after(true)).toBeCloseTo(after(false), 5);
  });
});

describe('MultiTeacherDistill', () => {
  const make = (): Algorithm =>
    buildAlgorithm({
      type: 'MultiTeacherDistill',
      architecture: tinyNetwork(4),
      teachers: { a: tinyNetwork(6), b: { buildCfg: tinyNetwork(8), ckptPath: null } },
      distiller: {
        type: 'ConfigurableDistiller',
        studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
        teacherRecorders: {
          a: { type: 'ModuleOutputs', source: 'a.head.fc' },
          b: { type: 'ModuleOutputs', source: 'b.head.fc' },
        },
        distillLosses: { loss_a: { type: 'KLDivergence' }, loss_all: { type: 'SoftLabelEnsemble' } },
        lossForwardMappings: {
          loss_a: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'a', fromStudent: false } },
          loss_all: {
            predsS: { recorder: 'fc', fromStudent: true },
            predsT: [
              { recorder: 'a', fromStudent: false },
              { recorder: 'b', fromStudent: false },
            ],
          },
        },
      },
    });
  describeAlgorithm('MultiTeacherDistill', {
    make,
    keys: ['student.loss', 'distill.loss_a', 'distill.loss_all'],
    frozen: ['teachers'],
  });

  it('evaluates each teacher under its name, and wants at least one', () => {
    expect(Object.keys(make().evaluated())).toEqual(['student', 'a', 'b']);
    expect(() =>
      buildAlgorithm({
        type: 'MultiTeacherDistill',
        architecture: tinyNetwork(4),
        teachers: {},
        distiller: { type: 'ConfigurableDistiller' },
      }),
    ).toThrow(refusal('invalid-argument', 'MultiTeacherDistill', 'teachers'));
  });

  it('has no teacher named as the student, whose metrics would be lost', () => {
    const teachers = { student: tinyNetwork(6, 3) };
    const distiller = { type: 'ConfigurableDistiller' };
    expect(() => dataFree('DataFreeDistillation', { teachers })).toThrow(
      refusal('invalid-argument', 'DataFreeDistillation', 'teachers', 'student'),
    );
    expect(() =>
      buildAlgorithm({ type: 'MultiTeacherDistill', architecture: tinyNetwork(4, 3), teachers, distiller }),
    ).toThrow(refusal('invalid-argument', 'MultiTeacherDistill', 'teachers', 'student'));
  });
});

describe('MutualDistill', () => {
  const make = (): MutualDistill =>
    buildAlgorithm({
      type: 'MutualDistill',
      students: { a: tinyNetwork(4), b: tinyNetwork(6), c: tinyNetwork(4) },
      distiller: logitsDistiller(),
    }) as MutualDistill;
  const pairs = ['a_from_b', 'a_from_c', 'b_from_a', 'b_from_c', 'c_from_a', 'c_from_b'];
  describeAlgorithm('MutualDistill', {
    make,
    keys: ['a.loss', 'b.loss', 'c.loss', ...pairs.map((pair) => `distill.${pair}.loss_kl`)],
  });

  it('ships every student, and pulls none towards another one’s loss', () => {
    const algorithm = make();
    expect(Object.keys(algorithm.students())).toEqual(['a', 'b', 'c']);
    tidy(() => {
      const { 'distill.a_from_b.loss_kl': loss } = algorithm.loss(randn([4, 1, 8, 8]), samples);
      (loss as Tensor).backward();
      expect(
        algorithm.peers
          .get('b')
          .parameters()
          .every((parameter) => parameter.grad === null),
      ).toBe(true);
      expect(algorithm.student.parameters().every((parameter) => parameter.grad !== null)).toBe(true);
    });
    algorithm.zeroGrad();
    expect(() =>
      buildAlgorithm({ type: 'MutualDistill', students: { a: tinyNetwork(4) }, distiller: logitsDistiller() }),
    ).toThrow(refusal('invalid-argument', 'MutualDistill', 'students', 'got 1'));
  });

  it('refuses deliveries, which it would not make', () => {
    const distiller = {
      ...logitsDistiller(),
      distillDeliveries: { drop: { type: 'MethodOutputs', source: { class: Dropout, method: 'forward' } } },
    };
    expect(() =>
      buildAlgorithm({ type: 'MutualDistill', students: { a: tinyNetwork(4), b: tinyNetwork(4) }, distiller }),
    ).toThrow(refusal('unsupported', 'MutualDistill', 'distillDeliveries', 'drop'));
  });
});

describe('DataFreeDistillation', () => {
  const keys = ['distill.loss_kl', 'generator.loss_kl'];
  describeAlgorithm('DataFreeDistillation', {
    make: () => dataFree('DataFreeDistillation', { studentIter: 2 }),
    keys,
    reported: [...keys, 'distill.loss', 'generator.loss'],
    frozen: ['teachers'],
    still: /^generator\..*bias$/,
  });

  it('updates the student as often as it is told, and gives no part the gradients of another', () => {
    manualSeed(3);
    const algorithm = dataFree('DataFreeDistillation', { studentIter: 3, studentTrainFirst: true });
    const parts: string[] = [];
    tidy(() => {
      algorithm.trainStep({ inputs: randn([4, 3, 8, 8]), targets: targetsOf(samples) }, ({ total, part }) => {
        parts.push(part!);
        total.backward(undefined, { inputs: algorithm.getModule(part!)!.parameters() });
        if (part === 'architecture') algorithm.student.zeroGrad();
      });
    });
    expect(parts).toEqual(['architecture', 'architecture', 'architecture', 'generator']);
    expect(algorithm.student.parameters().every((parameter) => parameter.grad === null)).toBe(true);
    algorithm.zeroGrad();
  });
});

describe('DAFLDataFreeDistillation', () => {
  const keys = ['distill.loss_kl', 'generator.loss_kl'];
  describeAlgorithm('DAFLDataFreeDistillation', {
    make: () => dataFree('DAFLDataFreeDistillation'),
    keys,
    reported: [...keys, 'distill.loss', 'generator.loss'],
    frozen: ['teachers'],
    still: /^generator\..*bias$/,
  });
});

it('OverhaulFeatureDistillation wants an OFDDistiller', () => {
  expect(() => single({ type: 'OverhaulFeatureDistillation' })).toThrow(
    refusal('invalid-argument', 'OFDDistiller', 'ConfigurableDistiller'),
  );
});

it('every registered algorithm runs the contract', () => {
  expect(algorithms.names().toSorted()).toEqual(
    [
      ...['Supervised', 'SingleTeacherDistill', 'FpnTeacherDistill', 'OverhaulFeatureDistillation', 'SelfDistill'],
      ...[
        'EmaTeacherDistill',
        'MultiTeacherDistill',
        'MutualDistill',
        'DataFreeDistillation',
        'DAFLDataFreeDistillation',
        'FastDataFreeDistillation',
      ],
    ].toSorted(),
  );
});

describe('a frozen teacher', () => {
  // Some recorders here are read by no loss, which is said.
  beforeEach(() => void vi.spyOn(process, 'emitWarning').mockReturnValue());
  afterEach(() => void vi.restoreAllMocks());
  const tap = (source: string) => ({
    ...logitsDistiller(),
    teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' }, more: { type: 'ModuleInputs', source } },
    distillLosses: { loss_kl: { type: 'KLDivergence' } },
  });
  const modes = (algorithm: SingleTeacherDistill): unknown[] => {
    const { teacher } = algorithm;
    const seen: unknown[] = [];
    const hook = teacher.registerForwardHook((_module, args) => void seen.push(args[2]));
    for (let i = 0; i < 2; i++) tidy(() => algorithm.loss(ones([4, 1, 8, 8]), samples));
    hook.remove();
    return seen;
  };

  it('computes no losses, unless the original does or it is trained', () => {
    expect(modes(single())).toEqual([undefined, undefined]);
    expect(modes(single({ compat: 'mmrazor' }))).toEqual(['loss', 'loss']);
    expect(modes(single({ teacherTrainable: true }))).toEqual(['loss', 'loss']);
  });

  it('computes them where a recorder asks for what only they call', () => {
    expect(modes(single({ distiller: tap('backbone') }))).toEqual([undefined, undefined]);
    expect(modes(single({ distiller: tap('head.loss_module') }))).toEqual([undefined, 'loss', 'loss']);
  });

  it('moves its norms and takes random numbers once, also where that is found out', () => {
    const means = ['backbone', 'head.loss_module'].map((source) => {
      manualSeed(3);
      const algorithm = single({ distiller: tap(source), teacherNormEval: false });
      const hook = algorithm.teacher.registerForwardHook(() => void randn([1]));
      return tidy(() => {
        algorithm.loss(randn([4, 1, 8, 8]), samples);
        hook.remove();
        const norms = algorithm.teacher.modules().filter((module) => module instanceof BatchNorm);
        return [norms.map(({ running_mean: mean }) => mean!.toArray()), randn([1]).item()];
      });
    });
    expect(means[1]).toEqual(means[0]);
  });

  it('is named in errors', () => {
    const algorithm = single();
    const hook = algorithm.teacher.getModule('head.fc')!.registerForwardHook(() => {
      throw new RetortError('no scores');
    });
    tidy(() => {
      expect(() => algorithm.loss(ones([4, 1, 8, 8]), samples)).toThrow(
        refusal('invalid-argument', 'the teacher: no scores'),
      );
    });
    hook.remove();
  });

  it('keeps code and help of what went wrong, whatever its images are', () => {
    const algorithm = single();
    const hook = algorithm.teacher.registerForwardHook(() => {
      throw new RetortError('no memory', { code: 'out-of-memory', help: 'smaller batches' });
    });
    const error = tidy(() => {
      try {
        return algorithm.batchLosses({
          inputs: ones([4, 1, 8, 8]),
          targets: targetsOf(samples),
          views: { more: ops.zeros([4, 1, 8, 8], { dtype: 'uint8' }) },
        });
      } catch (thrown) {
        const { code, help, message } = thrown as RetortError;
        return { code, help, message };
      }
    });
    hook.remove();
    expect(error).toMatchObject({
      code: 'out-of-memory',
      help: 'smaller batches',
      message: expect.stringMatching(/^the teacher: no memory\n/),
    });
  });

  it('may know fewer classes than the labels, among several and without data too', () => {
    const small = { ...tinyNetwork(6), head: { type: 'LinearClsHead', numClasses: 2, inChannels: 6 } };
    const at = {
      type: 'ConfigurableDistiller',
      ...features('student'),
      ...features('teacher', 'a.backbone.layer1'),
      distillLosses: { loss_at: { type: 'ATLoss' } },
      lossForwardMappings: {
        loss_at: {
          sFeature: { recorder: 'feat', fromStudent: true },
          tFeature: { recorder: 'feat', fromStudent: false },
        },
      },
    };
    const several = buildAlgorithm({
      type: 'MultiTeacherDistill',
      architecture: tinyNetwork(4),
      teachers: { a: small },
      distiller: at,
    });
    tidy(() => {
      expect(Object.keys(several.loss(ones([4, 1, 8, 8]), samples))).toEqual(['student.loss', 'distill.loss_at']);
    });
  });
});
