// Under every plan losses, the student's gradients, its path and random numbers are those of teachers that are run plainly; a plan is
// decided by what is seen, said in a table, refused where it makes no sense, and repeated by a run that goes on.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { BatchNorm2d, Conv2d, functional, Linear, Module, ReLU, Sequential } from '../../nn/index.ts';
import type { Inputs, Network, Targets } from '../../nn/index.ts';
import { buildModel } from '../../models/index.ts';
import { getRandomState, grad, manualSeed, noGrad, randn, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import * as machine from '../../torch/machine.ts';
import { buildAlgorithm } from './index.ts';
import type { Algorithm, SingleTeacherDistill } from './index.ts';
import type { TeacherPlanOption } from './teacher-plan.ts';

vi.mock('../../torch/machine.ts', () => ({
  hasBfloat16: vi.fn<() => boolean>(() => false),
  knownTimings: vi.fn<() => undefined>(() => undefined),
  keepTimings: vi.fn<() => void>(),
}));

const network = (width: number) => ({
  type: 'ImageClassifier',
  backbone: {
    type: 'ResNet_CIFAR',
    depth: 18,
    stageBlocks: [1, 1],
    numStages: 2,
    inChannels: 3,
    stemChannels: width,
    baseChannels: width,
    outIndices: [1],
    zeroInitResidual: false,
  },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 5, inChannels: 2 * width },
});
const output = (source: string) => ({ type: 'ModuleOutputs', source });
const from = (recorder: string, fromStudent: boolean, more: object = {}) => ({ recorder, fromStudent, ...more });
const onScores = (loss: object) => ({
  studentRecorders: { fc: output('head.fc') },
  teacherRecorders: { fc: output('head.fc') },
  distillLosses: { loss_x: loss },
  lossForwardMappings: { loss_x: { predsS: from('fc', true), predsT: from('fc', false) } },
});
const stage = 'backbone.layer1';
const onMaps = (loss: object, connectors: object = {}, [s, t]: object[] = [{}, {}]) => ({
  studentRecorders: { map: output(stage) },
  teacherRecorders: { map: output(stage) },
  connectors,
  distillLosses: { loss_x: loss },
  lossForwardMappings: { loss_x: { sFeature: from('map', true, s), tFeature: from('map', false, t) } },
});

/** What comes after `gate` is computed by a teacher for nobody. */
class Gated extends Module {
  readonly conv = new Conv2d(3, 6, { kernelSize: 3, padding: 1 });
  readonly bn = new BatchNorm2d(6);
  readonly last = new Conv2d(6, 6, { kernelSize: 3, padding: 1 });
  readonly fc = new Linear(6, 5);
  ends = 0;
  gate(maps: Tensor): Tensor {
    return maps.mean([2, 3], true).sigmoid();
  }
  override forward(images: Tensor): Tensor {
    const maps = this.bn.forward(this.conv.forward(images));
    const gated = maps.mul(this.gate(maps));
    this.ends++;
    return this.fc.forward(this.last.forward(gated).mean([2, 3]));
  }
}
const gate = (kind: 'MethodOutputs') => ({ type: kind, source: { class: Gated, method: 'gate' } });
const gated = (distiller: object) => ({
  architecture: new Gated(),
  teacher: settled(new Gated()),
  loss: (scores: Tensor, { labels }: Targets) => functional.crossEntropy(scores, labels!),
  distiller,
});

/** Configs by the name of the method; students are narrower than teachers. */
const methods: Record<string, () => object> = {
  KD: () => ({ distiller: onScores({ type: 'KLDivergence', tau: 4 }) }),
  FitNets: () => ({
    distiller: onMaps(
      { type: 'L2Loss' },
      { wider: { type: 'ConvModuleConnector', inChannel: 4, outChannel: 6, normCfg: { type: 'BN' } } },
      [{ connector: 'wider' }, {}],
    ),
  }),
  AT: () => ({ distiller: onMaps({ type: 'ATLoss', lossWeight: 10 }) }),
  RKD: () => ({ distiller: onScores({ type: 'AngleWiseRKD' }) }),
  'RKD, distances': () => ({ distiller: onScores({ type: 'DistanceWiseRKD' }) }),
  CRD: () => ({
    distiller: {
      studentRecorders: { fc: output('neck') },
      teacherRecorders: { fc: output('neck') },
      connectors: {
        s: { type: 'CRDConnector', dimIn: 8, dimOut: 4 },
        t: { type: 'CRDConnector', dimIn: 12, dimOut: 4 },
      },
      distillLosses: { loss_x: { type: 'CRDLoss', sampleN: 32, negNum: 8, dimOut: 4 } },
      lossForwardMappings: {
        loss_x: {
          sFeats: from('fc', true, { connector: 's', dataIdx: 0 }),
          tFeats: from('fc', false, { connector: 't', dataIdx: 0 }),
          dataSamples: { field: 'targets' },
        },
      },
    },
  }),
  OFD: () => ({
    type: 'OverhaulFeatureDistillation',
    distiller: {
      type: 'OFDDistiller',
      studentRecorders: { bn: output('backbone.layer1.0.bn2') },
      teacherRecorders: { bn: output('backbone.layer1.0.bn2') },
      connectors: {
        s: { type: 'ConvModuleConnector', inChannel: 4, outChannel: 6, normCfg: { type: 'BN' }, actCfg: null },
        t: { type: 'OFDTeacherConnector' },
      },
      distillLosses: { loss_x: { type: 'OFDLoss' } },
      lossForwardMappings: {
        loss_x: { sFeature: from('bn', true, { connector: 's' }), tFeature: from('bn', false, { connector: 't' }) },
      },
    },
  }),
  'a tapped method': () =>
    gated({
      studentRecorders: { gate: gate('MethodOutputs') },
      teacherRecorders: { gate: gate('MethodOutputs') },
      distillLosses: { loss_x: { type: 'L2Loss' } },
      lossForwardMappings: { loss_x: { sFeature: from('gate', true), tFeature: from('gate', false) } },
    }),
  'a delivered output': () =>
    gated({
      distillDeliveries: { gate: gate('MethodOutputs') },
      studentRecorders: { map: output('bn') },
      teacherRecorders: { map: output('bn') },
      distillLosses: { loss_x: { type: 'L2Loss' } },
      lossForwardMappings: { loss_x: { sFeature: from('map', true), tFeature: from('map', false) } },
    }),
  'several teachers': () => ({
    type: 'MultiTeacherDistill',
    teacher: undefined,
    teachers: { a: settled(buildModel(network(6))), b: settled(buildModel(network(4))) },
    distiller: {
      studentRecorders: { fc: output('head.fc'), map: output(stage) },
      teacherRecorders: { fc: output('a.head.fc'), map: output(`b.${stage}`) },
      distillLosses: { loss_kl: { type: 'KLDivergence' }, loss_at: { type: 'L2Loss' } },
      lossForwardMappings: {
        loss_kl: { predsS: from('fc', true), predsT: from('fc', false) },
        loss_at: { sFeature: from('map', true), tFeature: from('map', false) },
      },
    },
  }),
};

/** Gives norms statistics of their own, and scores a size at which losses of them are no differences of rounding. */
function settled(model: Network): Network {
  noGrad(() =>
    tidy(() => {
      for (const module of model.modules()) {
        if (module instanceof Linear) module.weight.normal_(0, 2);
        if (!(module instanceof BatchNorm2d)) continue;
        module.running_mean!.normal_(0, 0.2);
        module.running_var!.uniform_(0.5, 2);
        module.bias?.normal_(0, 0.2);
      }
    }),
  );
  return model;
}

function made(config: () => object, teacherPlan: TeacherPlanOption): Algorithm {
  manualSeed(5);
  const networks = { architecture: buildModel(network(4)), teacher: settled(buildModel(network(6))) };
  const { distiller, ...rest } = config() as { distiller: object };
  const given = Object.entries({ type: 'SingleTeacherDistill', ...networks, ...rest, teacherPlan });
  return buildAlgorithm({
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    distiller: { type: 'ConfigurableDistiller', ...distiller },
  } as never);
}

const images = (count: number): Tensor => randn([count, 3, 8, 8]);
const targetsOf = (count: number) => ({
  labels: tensor(
    Array.from({ length: count }, (_, i) => i % 5),
    { dtype: 'int64' },
  ),
  sampleIdxs: tensor(
    Array.from({ length: count }, (_, i) => i),
    { dtype: 'int64' },
  ),
});

interface Trained {
  losses: Record<string, number>[];
  /** All gradients of a step as one list. */
  gradients: number[][];
  random: number[];
  /** What the student and its norms hold. */
  student: Record<string, unknown>;
  decided: Decided;
  notes: string[];
}
type Decided = { choice: Record<string, boolean>; steps: number } | undefined;

/** Two steps on fresh images; the weights stay. */
function trained(algorithm: Algorithm, make: (count: number) => Inputs = images): Trained {
  algorithm.train();
  manualSeed(9);
  const out: Pick<Trained, 'losses' | 'gradients'> = { losses: [], gradients: [] };
  return tidy(() => {
    for (let step = 0; step < 2; step++) {
      tidy(() => {
        const batch = { inputs: make(6), targets: targetsOf(6), meta: [] };
        algorithm.trainStep(batch, ({ total, entries }) => {
          const parameters = algorithm.parameters().filter(({ requiresGrad }) => requiresGrad);
          const gradients = grad([total], parameters, { allowUnused: true });
          out.gradients.push(gradients.flatMap((one) => (one === null ? [] : Array.from(one.data(), Number))));
          out.losses.push(Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, value.item()])));
        });
      });
    }
    const state = Object.entries(algorithm.student.stateDict());
    return {
      ...out,
      random: Array.from(getRandomState().data(), Number),
      student: Object.fromEntries(state.map(([name, value]) => [name, value.toArray()])),
      decided: algorithm.decisions() as Decided,
      notes: algorithm.notes(),
    };
  });
}

/** The norm of the difference over the norm of the second. */
function apart(ones: readonly number[], others: readonly number[]): number {
  expect(ones.length).toBe(others.length);
  return Math.hypot(...ones.map((one, i) => one - others[i]!)) / Math.hypot(...others);
}

/** Losses and gradients are the same up to `bound`; what a teacher has no part in to the bit. */
function expectSame(planned: Trained, plain: Trained, bound = 1e-5): void {
  for (const [step, losses] of plain.losses.entries()) {
    for (const [name, value] of Object.entries(losses)) {
      const moved = Math.abs(planned.losses[step]![name]! - value);
      expect(moved, `step ${step}, ${name}`).toBeLessThanOrEqual(bound * Math.abs(value) + 1e-9);
    }
    expect(planned.losses[step]!['student.loss']).toBe(losses['student.loss']);
    expect(apart(planned.gradients[step]!, plain.gradients[step]!), `gradients of step ${step}`).toBeLessThan(bound);
  }
  expect(planned.random).toEqual(plain.random);
  expect(planned.student).toEqual(plain.student);
}

const exactPlans: Record<string, TeacherPlanOption> = {
  auto: 'auto',
  exact: 'exact',
  'channels last': { channelsLast: true },
  'channels last alone': { channelsLast: true, earlyExit: false, foldNorms: false },
};

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockReturnValue());
afterEach(() => {
  vi.mocked(machine.hasBfloat16).mockReturnValue(false);
  vi.mocked(machine.knownTimings).mockReturnValue(undefined);
});

describe.each(Object.entries(methods))('%s', (method, config) => {
  it.each(Object.entries(exactPlans))('%s: losses and gradients are those of plain teachers', (_name, plan) => {
    const plain = trained(made(config, 'plain'));
    const planned = trained(made(config, plan));
    expect([plain.decided, planned.decided?.steps]).toEqual([undefined, 1]);
    expectSame(planned, plain);
  });

  it('bfloat16: they move no further than the table says, and the rest not at all', () => {
    const plain = trained(made(config, 'plain'));
    const planned = trained(made(config, { bfloat16: true, bound: 1e-12 }));
    if (method === 'a delivered output') {
      expect(planned.notes.join()).toMatch(/bfloat16 +no +what it delivers goes into the student/);
      return expectSame(planned, plain);
    }
    const [, losses, gradient] = /losses by ([\d.e-]+)%, the gradient by ([\d.e-]+)%/.exec(planned.notes.join('\n'))!;
    expect(Number(losses)).toBeGreaterThan(0);
    // The first step is the batch that was looked at.
    const first = Object.entries(plain.losses[0]!)
      .filter(([name]) => name.startsWith('distill.'))
      .map(([name, value]) => Math.abs(planned.losses[0]![name]! / value - 1));
    expect(100 * Math.max(...first)).toBeCloseTo(Number(losses), 1);
    expect(100 * apart(planned.gradients[0]!, plain.gradients[0]!)).toBeCloseTo(Number(gradient), 1);
    expectSame(planned, plain, 0.2);
  });
});

it('early exit runs nothing after the last record, and folds no norm that is recorded', () => {
  const distiller = {
    ...onMaps({ type: 'L2Loss' }),
    ...{ teacherRecorders: { map: output('backbone.layer1.0.bn1') } },
  };
  const config = { distiller: { ...distiller, studentRecorders: { map: output('backbone.layer1.0.bn1') } } };
  const algorithm = buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: buildModel(network(6)),
    teacher: buildModel(network(6)),
    teacherPlan: 'exact',
    distiller: { type: 'ConfigurableDistiller', ...config.distiller },
  }) as SingleTeacherDistill;
  trained(algorithm);
  const calls: string[] = [];
  const hooks = [...algorithm.teacher.namedModules()].map(([path, module]) =>
    module.registerForwardPreHook(() => void calls.push(path)),
  );
  trained(algorithm);
  hooks.forEach((hook) => hook.remove());
  expect(calls).toContain('backbone.layer1.0.bn1');
  for (const path of ['backbone.layer1.0.conv2', 'backbone.layer2', 'neck', 'head.fc']) {
    expect(calls).not.toContain(path);
  }
});

/** A convolution that is called `times` times, a norm behind it that is called as often, and scores. */
class Loops extends Module {
  readonly stem = new Conv2d(3, 4, { kernelSize: 1 });
  readonly step = new Sequential(new Conv2d(4, 4, { kernelSize: 3, padding: 1 }), new BatchNorm2d(4), new ReLU());
  readonly after = new Sequential(new Conv2d(4, 4, { kernelSize: 3, padding: 1 }), new BatchNorm2d(4));
  readonly fc = new Linear(4, 5);
  readonly times: number;

  constructor(times: number) {
    super();
    this.times = times;
  }

  override forward(x: Tensor): Tensor {
    let y = this.stem.forward(x);
    for (let i = 0; i < this.times; i++) y = this.step.forward(y);
    return this.fc.forward(this.after.forward(y).mean([2, 3]));
  }
}

/** The places of {@link Loops} that give maps, and how often each is called. */
const places = (times: number): Record<string, number> => ({
  stem: 1,
  step: times,
  'step.0': times,
  'step.1': times,
  'step.2': times,
  after: 1,
  'after.0': 1,
  'after.1': 1,
});

it.each(['a tapped method', 'a delivered output'] as const)('early exit ends after %s', (name) => {
  const algorithm = made(methods[name]!, { bfloat16: false }) as SingleTeacherDistill;
  const teacher = algorithm.teacher as unknown as Gated;
  const { notes } = trained(algorithm);
  expect(notes.join()).toMatch(/early exit +yes +ends after .*gate.*: 2 of 5 modules are not run/);
  expect(teacher.ends).toBe(1); // once, while that is found out
});

it('random recorders on random modules: every plan gives what plain teachers give', () => {
  const times = 3;
  const tap = fc.constantFrom(...Object.entries(places(times))).chain(([source, calls]) =>
    fc.record({
      source: fc.constant(source),
      inputs: fc.boolean(),
      recordIdx: fc.integer({ min: 0, max: calls - 1 }),
      fromEnd: fc.boolean().map((yes) => (yes ? calls : 0)),
    }),
  );
  const plans = fc.record(
    { earlyExit: fc.boolean(), foldNorms: fc.boolean(), channelsLast: fc.boolean() },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(tap, { minLength: 1, maxLength: 4 }), plans, fc.boolean(), (taps, plan, ownLosses) => {
      const named = taps.map((one, i) => [`tap${i}`, one] as const);
      const recorders = Object.fromEntries(
        named.map(([name, { source, inputs }]) => [name, { type: inputs ? 'ModuleInputs' : 'ModuleOutputs', source }]),
      );
      const distiller = {
        type: 'ConfigurableDistiller',
        studentRecorders: recorders,
        teacherRecorders: recorders,
        distillLosses: Object.fromEntries(named.map(([name]) => [`loss_${name}`, { type: 'L2Loss' }])),
        lossForwardMappings: Object.fromEntries(
          named.map(([name, { inputs, recordIdx, fromEnd }]) => {
            const more = { recordIdx: recordIdx - fromEnd, ...(inputs ? { dataIdx: 0 } : {}) };
            return [`loss_${name}`, { sFeature: from(name, true, more), tFeature: from(name, false, more) }];
          }),
        ),
      };
      const algorithm = (teacherPlan: TeacherPlanOption): Algorithm => {
        manualSeed(3);
        return buildAlgorithm({
          type: 'SingleTeacherDistill',
          architecture: new Loops(times),
          teacher: settled(new Loops(times)),
          loss: (scores: Tensor) => scores.square().mean(),
          calculateStudentLoss: ownLosses,
          distiller,
          teacherPlan,
        });
      };
      const planned = trained(algorithm(plan));
      expect(planned.decided?.choice).toMatchObject({ channelsLast: plan.channelsLast ?? false });
      expectSame(planned, trained(algorithm('plain')));
    }),
    { numRuns: 25, seed: 7 },
  );
});

const rowOf = (notes: readonly string[], what: string): string =>
  notes
    .join('\n')
    .split('\n')
    .find((line) => line.includes(what)) ?? '';

describe('early exit is not taken', () => {
  const late = (change: (teacher: Loops) => void, recordIdx = 0): string => {
    const teacher = new Loops(2);
    change(teacher);
    const algorithm = buildAlgorithm({
      type: 'SingleTeacherDistill',
      architecture: new Loops(2),
      teacher,
      teacherPlan: 'auto',
      loss: (scores: Tensor) => scores.square().mean(),
      distiller: {
        type: 'ConfigurableDistiller',
        studentRecorders: { map: output('step') },
        teacherRecorders: { map: output('step') },
        distillLosses: { loss_x: { type: 'L2Loss' } },
        lossForwardMappings: {
          loss_x: { sFeature: from('map', true), tFeature: from('map', false, { recordIdx }) },
        },
      },
    });
    return rowOf(trained(algorithm).notes, 'early exit');
  };

  it('is taken where nothing speaks against it', () => {
    expect(late(() => {})).toMatch(/yes .*step.*\d of \d+ modules/);
  });
  it('where a loss reads the last record, whichever that is', () => {
    expect(late(() => {}, -1)).toMatch(/no .*recordIdx -1/);
  });
  it('where a hook sees what comes after', () => {
    expect(late((teacher) => void teacher.after.registerForwardHook(() => {}))).toMatch(/no .*hook/);
  });
  it('where the teacher draws random numbers', () => {
    const draws = (teacher: Loops): void => {
      class Noise extends Module {
        override forward(x: Tensor): Tensor {
          return x.add(randn(x.shape));
        }
      }
      Object.assign(teacher, { stem: new Sequential(teacher.stem, new Noise()) });
    };
    expect(late(draws)).toMatch(/no .*random/);
  });
});

describe('bfloat16', () => {
  /** Enough to be measured: 1e8 multiplications. */
  const many = (count: number) => (): Tensor => randn([count * 16, 3, 16, 16]);
  const wide = (teacherPlan: TeacherPlanOption): Algorithm =>
    buildAlgorithm({
      type: 'SingleTeacherDistill',
      architecture: new Loops(1),
      teacher: settled(new Loops(16)),
      loss: (scores: Tensor) => scores.square().mean(),
      distiller: { type: 'ConfigurableDistiller', ...onScoresOfLoops },
      teacherPlan,
    });
  const onScoresOfLoops = {
    studentRecorders: { fc: output('fc') },
    teacherRecorders: { fc: output('fc') },
    distillLosses: { loss_x: { type: 'L2Loss' } },
    lossForwardMappings: { loss_x: { sFeature: from('fc', true), tFeature: from('fc', false) } },
  };
  const step = (algorithm: Algorithm): Record<string, boolean> => {
    tidy(() => {
      const inputs = many(11)();
      algorithm.trainStep({ inputs, targets: {} }, () => {});
    });
    return (algorithm.decisions() as { choice: Record<string, boolean> }).choice;
  };
  const faster = { float32: 10, 'float32, channels_last': 9, bfloat16: 5, 'bfloat16, channels_last': 6 };

  it('is taken where it is faster and moves little, with the layout that is the fastest in it', () => {
    vi.mocked(machine.hasBfloat16).mockReturnValue(true);
    vi.mocked(machine.knownTimings).mockReturnValue(faster);
    manualSeed(1);
    const algorithm = wide({ bound: 0.5 });
    expect(step(algorithm)).toEqual({ earlyExit: false, foldNorms: true, channelsLast: false, bfloat16: true });
    expect(rowOf(algorithm.notes(), 'bfloat16  ')).toMatch(/yes .*5\.00 ms, 9\.00 ms in float32; it moves .*%/);
  });

  it('is left where it moves too much, is slow, is not there, or is not to be', () => {
    vi.mocked(machine.knownTimings).mockReturnValue(faster);
    manualSeed(1);
    const rejected = (plan: TeacherPlanOption, why: RegExp): void => {
      const algorithm = wide(plan);
      expect(step(algorithm)).toMatchObject({ channelsLast: true, bfloat16: false });
      expect(rowOf(algorithm.notes(), 'bfloat16  ')).toMatch(why);
    };
    rejected('auto', /no .*processor/);
    rejected('exact', /no .*asked for/);
    vi.mocked(machine.hasBfloat16).mockReturnValue(true);
    rejected({ bound: 1e-9 }, /no .*more than 1e-7%/);
    vi.mocked(machine.knownTimings).mockReturnValue({ ...faster, bfloat16: 8.9, 'bfloat16, channels_last': 8.9 });
    rejected({ bound: 0.5 }, /no .*too little/);
  });

  it('is looked at again while training goes on, and given up where it has come to move too much', () => {
    vi.mocked(machine.hasBfloat16).mockReturnValue(true);
    vi.mocked(machine.knownTimings).mockReturnValue(faster);
    manualSeed(1);
    const algorithm = wide({ bound: 0.5 }) as SingleTeacherDistill;
    expect(step(algorithm).bfloat16).toBe(true);
    algorithm.notes();
    // What is left between the two becomes as small as what bfloat16 rounds away.
    tidy(() => algorithm.student.loadStateDict((algorithm.teacher as Loops).stateDict()));
    Object.assign(algorithm.student, { times: 16 });
    for (const module of algorithm.student.modules()) {
      if (module instanceof BatchNorm2d) Object.assign(module, { momentum: 0 }).eval();
    }
    expect(step(algorithm).bfloat16).toBe(false);
    expect(algorithm.notes().join('\n')).toMatch(/goes on in float32: after 1 steps .* more than 50%/);
    expect(step(algorithm).bfloat16).toBe(false);
  });

  it('measures and keeps the times of this machine where there are none', () => {
    vi.mocked(machine.keepTimings).mockClear();
    step(wide('exact'));
    expect(machine.keepTimings).toHaveBeenCalledOnce();
    const [subject, times] = vi.mocked(machine.keepTimings).mock.calls[0]!;
    expect(subject).toContain('float32 176x3x16x16');
    expect(Object.keys(times)).toEqual(['float32', 'float32, channels_last']);
  });
});

it('losses and connectors are given records laid out as without a plan', () => {
  const layouts = (plan: TeacherPlanOption): boolean[] => {
    const algorithm = made(methods['AT']!, plan) as SingleTeacherDistill;
    const { recorders } = algorithm.distiller.teacherRecorders;
    return tidy(() => {
      const seen: boolean[] = [];
      algorithm.trainStep({ inputs: images(6), targets: targetsOf(6) }, () => {
        seen.push((recorders.get('map')!.getRecordData() as Tensor).isContiguous);
      });
      return seen;
    });
  };
  expect(layouts({ channelsLast: true, foldNorms: false })).toEqual(layouts('plain'));
  expect(layouts('plain')).toEqual([true]);
});

it('what was decided is repeated by a run that goes on, unless something else is asked for', () => {
  const first = made(methods['AT']!, 'auto');
  trained(first);
  const kept: unknown = JSON.parse(JSON.stringify(first.decisions()));
  const again = (option: TeacherPlanOption): Algorithm => {
    const algorithm = made(methods['AT']!, option);
    algorithm.repeatDecisions(kept);
    return algorithm;
  };
  expect(again('auto').decisions()).toEqual(kept);
  expect(again('exact').decisions()).toBeUndefined();
  expect(again('plain').decisions()).toBeUndefined();
  const { taps } = kept as { taps: readonly string[] };
  expect(taps).toEqual([expect.stringContaining(`map: ModuleOutputsRecorder("${stage}")`)]);
  const others = [
    ...[null, 5, {}, { option: 'auto', choice: {}, needs: { teacher: {} }, taps, steps: 1 }],
    { ...(kept as object), taps: [...taps, 'later: ModuleOutputsRecorder("head")'] },
    { ...(kept as object), needs: { another: { recorders: {}, deliveries: {} } } },
  ];
  for (const other of others) {
    const algorithm = made(methods['AT']!, 'auto');
    algorithm.repeatDecisions(other);
    expect(algorithm.decisions()).toBeUndefined();
  }
  // It repeats, and does not look ahead: nothing is said.
  const repeated = trained(again('auto'));
  expect(repeated.notes).toEqual([]);
  expect(repeated.losses).toEqual(trained(first).losses);
});

it('is plain for a teacher that is trained and with compat; one that moves is only left early', () => {
  expect(trained(made(() => ({ ...methods['AT']!(), teacherTrainable: true }), 'auto')).decided).toBeUndefined();
  expect(trained(made(() => ({ ...methods['AT']!(), compat: 'mmrazor' }), 'auto')).decided).toBeUndefined();
  const measures = trained(made(() => ({ ...methods['AT']!(), teacherNormEval: false }), 'auto'));
  expect(measures.decided?.choice).toEqual({
    earlyExit: false,
    foldNorms: false,
    channelsLast: false,
    bfloat16: false,
  });
  const follows = buildAlgorithm({
    type: 'EmaTeacherDistill',
    architecture: network(4),
    teacherPlan: 'auto',
    distiller: { type: 'ConfigurableDistiller', ...onMaps({ type: 'L2Loss' }) },
  });
  expect(trained(follows).decided?.choice).toMatchObject({ earlyExit: true, foldNorms: false });
});

it('refuses what is no plan, with the nearest name', () => {
  const refused =
    (plan: unknown): (() => unknown) =>
    () =>
      made(methods['KD']!, plan as TeacherPlanOption);
  expect(refused('exakt')).toThrow(refusal('invalid-argument', 'teacherPlan', 'exakt', 'exact'));
  expect(refused({ earlyExt: true })).toThrow(refusal('unknown-option', 'teacherPlan', 'earlyExt', 'earlyExit'));
  expect(refused({ bound: -1 })).toThrow(refusal('invalid-argument', 'bound', -1));
  expect(refused(5)).toThrow(refusal('invalid-argument', 'teacherPlan', 5));
});
