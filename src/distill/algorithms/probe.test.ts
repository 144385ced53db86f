// The probe: what fired, what fits, what does not, and that nothing of it stays.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { targetsOf } from '../../nn/index.ts';
import { logitsDistiller, tinyNetwork } from '../../../test/networks.ts';
import { getRandomState, manualSeed, ops, randn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildAlgorithm } from './index.ts';
import type { Algorithm } from './index.ts';
import { compareHeads, probe } from './probe.ts';

const batch = () => ({ inputs: randn([4, 1, 8, 8]), targets: targetsOf([0, 1, 2, 3].map((gtLabel) => ({ gtLabel }))) });

function features(changes: object = {}): Algorithm {
  const at = (source: string): object => ({ type: 'ModuleOutputs', source });
  return buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { feat: at('backbone.layer1') },
      teacherRecorders: { feat: at('backbone.layer1') },
      distillLosses: { loss_feat: { type: 'L2Loss' } },
      lossForwardMappings: {
        loss_feat: {
          sFeature: { recorder: 'feat', fromStudent: true },
          tFeature: { recorder: 'feat', fromStudent: false },
        },
      },
      ...changes,
    },
  });
}

it('shows what fired and what each loss was given', () => {
  const algorithm = buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: logitsDistiller(),
  });
  const found = tidy(() => probe(algorithm, batch(), { allowInitialWeights: ['teacher'] }));
  expect(found.mistakes).toEqual([]);
  expect(found.warnings).toEqual([]);
  expect(found.recorders.map(({ side, name, records, shapes }) => [side, name, records, shapes])).toEqual([
    ['student', 'fc', 1, '(4, 4)'],
    ['teacher', 'fc', 1, '(4, 4)'],
  ]);
  expect(found.arguments).toEqual([
    { loss: 'loss_kl', argument: 'predsS', from: 'student fc', shapes: '(4, 4)' },
    { loss: 'loss_kl', argument: 'predsT', from: 'teacher fc', shapes: '(4, 4)' },
  ]);
  expect(Object.keys(found.losses)).toEqual(['student.loss', 'distill.loss_kl', 'loss']);
});

/** A distiller with DKDLoss, whose labels come from the batch, or from what the student's head is given. */
function decoupled(recorded: boolean): Algorithm {
  const fc = { type: 'ModuleOutputs', source: 'head.fc' };
  return buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc, ...(recorded ? { given: { type: 'ModuleInputs', source: 'head.loss_module' } } : {}) },
      teacherRecorders: { fc },
      distillLosses: { loss_dkd: { type: 'DKDLoss' } },
      lossForwardMappings: {
        loss_dkd: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
          gtLabels: recorded ? { recorder: 'given', fromStudent: true, dataIdx: 1 } : { field: 'gtLabels' },
        },
      },
    },
  });
}

it.each([false, true])(
  'refuses a loss that wants one true class beside mixed images, labels recorded: %s',
  (recorded) => {
    const scored = (gtScore: readonly number[]) => ({
      inputs: randn([4, 1, 8, 8]),
      targets: targetsOf([0, 1, 2, 3].map((gtLabel) => ({ gtLabel, gtScore }))),
    });
    const wanted = /loss "loss_dkd".*gtLabels.*(mixed)/;
    // known of the data, although nothing is mixed in this batch
    const { mistakes } = tidy(() => probe(decoupled(recorded), batch(), { mixes: true }));
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(wanted);
    expect(mistakes[0]).toMatch(/take Mixup, CutMix .* out of the training data/);
    // seen in the batch
    const seen = tidy(() => probe(decoupled(recorded), scored([0.25, 0.75, 0, 0])));
    expect(seen.mistakes.join()).toMatch(wanted);
    expect(tidy(() => probe(decoupled(recorded), batch())).mistakes).toEqual([]);
    // labels as shares, of one class each
    expect(tidy(() => probe(decoupled(recorded), scored([0, 1, 0, 0]))).mistakes).toEqual([]);
  },
);

it('says every shape that does not fit, with the connector that would repair it', () => {
  const { mistakes, arguments: args } = tidy(() => probe(features(), batch()));
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toMatch(/loss "loss_feat": L2Loss: sFeature and tFeature: .*\[4, 4, 8, 8\] and \[4, 6, 8, 8\]/);
  expect(mistakes[0]).toMatch(/ConvModuleConnector', inChannels: 4, outChannels: 6/);
  expect(args.map(({ shapes }) => shapes)).toEqual(['(4, 4, 8, 8)', '(4, 6, 8, 8)']);
  const repaired = features({
    connectors: { wide: { type: 'ConvModuleConnector', inChannels: 4, outChannels: 6 } },
    lossForwardMappings: {
      loss_feat: {
        sFeature: { recorder: 'feat', fromStudent: true, connector: 'wide' },
        tFeature: { recorder: 'feat', fromStudent: false },
      },
    },
  });
  expect(tidy(() => probe(repaired, batch())).mistakes).toEqual([]);
  const parameters = new Set(repaired.student.parameters());
  expect(
    tidy(() => probe(repaired, batch(), { optimized: parameters, allowInitialWeights: ['teacher'] })).warnings,
  ).toEqual(['distiller.connectors.wide is trained by no optimizer']);
});

it('names recorders that do not fire, and losses that weigh nothing', () => {
  const lost = {
    type: 'MethodOutputs',
    source: {
      class: class Nobody {
        calls(): void {}
      },
      method: 'calls',
    },
  };
  const algorithm = features({
    studentRecorders: { lost },
    distillLosses: { loss_feat: { type: 'L2Loss', lossWeight: 0 } },
    lossForwardMappings: {
      loss_feat: {
        sFeature: { recorder: 'lost', fromStudent: true },
        tFeature: { recorder: 'feat', fromStudent: false },
      },
    },
  });
  const { mistakes, warnings } = tidy(() => probe(algorithm, batch()));
  expect(mistakes[0]).toMatch(/student recorder "lost" .* did not fire/);
  expect(warnings.join('\n')).toMatch(/"loss_feat" has lossWeight 0/);
});

it('compares heads with the data: too few classes of a network that is trained are a mistake, all else may be meant', () => {
  const algorithm = features(); // both know 4 classes
  expect(compareHeads(algorithm, 4)).toEqual({ mistakes: [], warnings: [] });
  expect(compareHeads(algorithm, 10)).toEqual({
    mistakes: [
      'the head of the network "student" has 4 classes, the data 10: labels from 4 on have no score\n' +
        '  help: set numClasses of its head to 10, or leave classes out of the data',
    ],
    warnings: [
      expect.stringMatching(/^the head of the network "teacher" has 4 classes, the data 10: its features can/),
    ],
  });
  expect(compareHeads(algorithm, 3)).toEqual({
    mistakes: [],
    warnings: [
      'the head of the network "student" has 4 classes, the data 3: no sample is of the classes from 3 on',
      expect.stringMatching(/"teacher" has 4 classes, the data 3/),
    ],
  });
  const { mistakes } = tidy(() => probe(algorithm, batch(), { numClasses: 10 }));
  expect(mistakes[0]).toMatch(/"student" has 4 classes, the data 10/);
});

it('says that images were not normalized where a network fails on bytes', () => {
  const bytes = (): Tensor => ops.zeros([4, 1, 8, 8], { dtype: 'uint8' });
  const { mistakes } = tidy(() => probe(features(), { ...batch(), inputs: bytes() }));
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toMatch(
    /^the student is given images of uint8, and fails on them \([^]*help: end transforms or studentTransforms with \{ type: 'Normalize', mean, std \}/,
  );
  const views = tidy(() => probe(features(), { ...batch(), views: { teacher: bytes() } }));
  expect(views.mistakes[0]).toMatch(/^the teacher is given images of uint8[^]*help: end views\.teacher with/);
  expect(() => tidy(() => features().trainStep({ ...batch(), inputs: bytes() }, () => undefined))).toThrow(
    refusal('invalid-argument', 'student', 'uint8', 'Normalize'),
  );
});

it('says why a network fails, before the recorders it did not reach', () => {
  const wrong = { ...batch(), inputs: randn([4, 3, 8, 8]) };
  const { mistakes } = tidy(() => probe(features(), wrong));
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toMatch(/backbone.conv1 \(Conv2d\)/);
});

it('says where a teacher sees other images than the student', () => {
  const teacher = { ...tinyNetwork(6), dataPreprocessor: { mean: [1], std: [2] } };
  const algorithm = buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher,
    distiller: logitsDistiller(),
  });
  const { warnings } = tidy(() =>
    probe(algorithm, { ...batch(), views: { teacher: randn([4, 1, 8, 8]) } }, { allowInitialWeights: ['teacher'] }),
  );
  expect(warnings).toEqual([
    'teacher sees images of its own (views)',
    'preprocessing differs: teacher has {"mean":[1],"std":[2]}, the student nothing',
  ]);
});

it('says that a gradient is not finite although the losses are', () => {
  const algorithm = buildAlgorithm({ type: 'Supervised', architecture: tinyNetwork(4) });
  const root = algorithm.student.getModule('head.fc')!.registerForwardHook((_module, _args, output) => {
    const scores = output as Tensor;
    return scores.add(scores.sub(scores).abs().sqrt()); // + 0, whose gradient is 0 / 0
  });
  const { losses, warnings } = tidy(() => probe(algorithm, batch()));
  root.remove();
  expect(Object.values(losses).every(Number.isFinite)).toBe(true);
  expect(warnings.join('\n')).toMatch(
    /the gradient of architecture.*, \.\.\. \(\d+\) is not finite on the first batch/,
  );
});

it('leaves everything as it was', () => {
  manualSeed(4);
  const algorithm = features();
  const look = (): unknown =>
    tidy(() => [
      Object.entries(algorithm.stateDict()).map(([name, value]) => [name, value.toArray()]),
      getRandomState().toArray(),
      algorithm.modules().map((module) => module.training),
      algorithm.parameters().map((parameter) => parameter.grad),
    ]);
  tidy(() => {
    const given = batch();
    const before = look();
    probe(algorithm, given);
    expect(look()).toEqual(before);
  });
});

describe('frozen weights that no checkpoint filled', () => {
  const frozenNotes = (algorithm: Algorithm, allowInitialWeights: readonly string[] = []): string[] =>
    tidy(() => probe(algorithm, batch(), { allowInitialWeights })).warnings.filter((text) =>
      /frozen|unknown/.test(text),
    );
  const distilled = (changes: object = {}): Algorithm =>
    buildAlgorithm({
      type: 'SingleTeacherDistill',
      architecture: tinyNetwork(4),
      teacher: tinyNetwork(6),
      distiller: logitsDistiller(),
      ...changes,
    });

  it('are named: a whole teacher, or the part that was left out', () => {
    const algorithm = distilled();
    const whole = [expect.stringMatching(/^teacher is frozen with the weights it was made with: .*teacherCkpt/)];
    expect(frozenNotes(algorithm)).toEqual(whole);
    expect(frozenNotes(algorithm)).toEqual(whole); // a probe puts values back, which does not make them trained ones
    const teacher = algorithm.getModule('teacher.backbone')!;
    tidy(() => teacher.loadStateDict(teacher.stateDict()));
    expect(frozenNotes(algorithm)).toEqual([expect.stringMatching(/^teacher\.head is frozen/)]);
    const head = algorithm.getModule('teacher.head.fc')!;
    tidy(() => head.loadStateDict({ weight: head.stateDict()['weight']! }, { strict: false }));
    expect(frozenNotes(algorithm)).toEqual([expect.stringMatching(/^teacher\.head\.fc\.bias is frozen/)]);
    tidy(() => head.loadStateDict(head.stateDict()));
    expect(frozenNotes(algorithm)).toEqual([]);
  });

  it('are let pass where they are meant, by a path that exists', () => {
    expect(frozenNotes(distilled(), ['teacher'])).toEqual([]);
    expect(frozenNotes(distilled(), ['teacher.head', 'teacher.neck'])).toEqual([expect.stringMatching(/^teacher is/)]);
    expect(frozenNotes(distilled(), ['teacher', 'teecher'])).toEqual(['allowInitialWeights: unknown module "teecher"']);
  });

  it('are those of a student too, and none of a teacher that is trained', () => {
    expect(frozenNotes(distilled({ teacherTrainable: true }))).toEqual([]);
    const student = frozenNotes(distilled({ studentTrainable: false }), ['teacher']);
    expect(student).toEqual([expect.stringMatching(/^architecture is frozen/)]);
  });
});
