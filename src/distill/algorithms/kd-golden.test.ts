// Two whole KD steps on narrow ResNet_CIFAR-34 -> 18 against numbers that MMRazor printed: losses, the norm of every gradient,
// buffers and parameters after. Tolerance as the numbers' README gives it: what torch's own float32 is off by.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

import { expect, it } from 'vitest';

import { buildModel } from '../../models/index.ts';
import type { LossModel } from '../../nn/index.ts';
import { SGD } from '../../optim/index.ts';
import { memory, tensorFromBytes, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { buildAlgorithm } from './index.ts';
import type { Algorithm } from './index.ts';

interface Stored {
  dtype: DType;
  shape: number[];
  b64: string;
}
interface Step {
  batch: string;
  labels: Stored;
  losses: Record<string, Stored>;
  grad_norms: Record<string, number>;
  grad_norms_f64: Record<string, number> | null;
  grad_noise: Record<string, { abs: number; scale: number }> | null;
}
interface Golden {
  nets: Record<string, { config: { backbone: { depth: number } }; state_dict: Record<string, Stored> }>;
  batches: Record<string, { images: Stored }>;
  fixture: {
    student: string;
    teacher: string;
    steps: Step[];
    student_buffers_after: Record<string, Stored>;
    student_param_norms_after: Record<string, number>;
  };
}

const text = gunzipSync(readFileSync(new URL('../../../test/fixtures/kd-steps.json.gz', import.meta.url))).toString();
const golden = JSON.parse(text) as Golden;
const read = ({ b64, dtype, shape }: Stored): Tensor => tensorFromBytes(Buffer.from(b64, 'base64'), dtype, shape);

function network(name: string): LossModel {
  const { config, state_dict: state } = golden.nets[name]!;
  const model = buildModel({
    type: 'ImageClassifier',
    backbone: { type: 'ResNet_CIFAR', depth: config.backbone.depth, baseChannels: 4, stemChannels: 4 },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 10, inChannels: 32, loss: { type: 'CrossEntropyLoss', lossWeight: 1 } },
  });
  tidy(() => model.loadStateDict(Object.fromEntries(Object.entries(state).map(([key, value]) => [key, read(value)]))));
  return model;
}

const { fixture } = golden;

function setUp(): { algorithm: Algorithm; architecture: LossModel; optimizer: SGD } {
  const architecture = network(fixture.student);
  const algorithm = buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture,
    teacher: network(fixture.teacher),
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 1, lossWeight: 3 } },
      lossForwardMappings: {
        loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
      },
    },
  });
  return {
    algorithm,
    architecture,
    optimizer: new SGD(architecture.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 1e-4 }),
  };
}

function checkLosses(algorithm: Algorithm, step: Step): Tensor {
  const images = read(golden.batches[step.batch]!.images);
  const samples = (read(step.labels).toArray() as number[]).map((gtLabel) => ({ gtLabel }));
  const losses = algorithm.loss(images, samples);
  expect(Object.keys(losses).toSorted()).toEqual(Object.keys(step.losses).toSorted());
  for (const [name, stored] of Object.entries(step.losses)) {
    expect(losses[name] as Tensor).toBeAllClose(read(stored), { rtol: 5e-6 });
  }
  return algorithm.parseLosses(losses)[0];
}

function checkGradients(algorithm: Algorithm, step: Step): void {
  for (const [name, parameter] of algorithm.namedParameters()) {
    const expected = step.grad_norms_f64?.[name] ?? step.grad_norms[name];
    if (expected === undefined) {
      expect(name).toMatch(/^teacher\./);
      expect(parameter.grad).toBeNull();
      continue;
    }
    // Later steps have no float64 twin: there the float32 number itself is the measure.
    const noise = step.grad_noise?.[name] ?? { abs: 1e-5 * expected, scale: expected };
    const tolerance = Math.max(16 * noise.abs, 2e-6 * noise.scale, 1e-7) * Math.sqrt(parameter.numel);
    const norm = parameter.grad!.to('float64').norm().item();
    expect(Math.abs(norm - expected), `${name}: ${norm} instead of ${expected}`).toBeLessThanOrEqual(tolerance);
  }
}

it('two KD steps on given weights give the numbers of the original', () => {
  const { algorithm, architecture, optimizer } = setUp();
  for (const step of fixture.steps) {
    tidy(() => {
      const total = checkLosses(algorithm, step);
      optimizer.zeroGrad();
      total.backward();
      checkGradients(algorithm, step);
    });
    optimizer.step();
  }
  tidy(() => {
    const state = architecture.stateDict();
    for (const [name, stored] of Object.entries(fixture.student_buffers_after)) {
      expect(state[name]!).toBeAllClose(read(stored), { rtol: 2e-5, atol: 2e-6 });
    }
    for (const [name, norm] of Object.entries(fixture.student_param_norms_after)) {
      expect(state[name]!.to('float64').norm().item(), name).toBeCloseTo(norm, 4);
    }
  });
});

it('keeps nothing but momentum from one step to the next, and the teacher as it was', () => {
  const { algorithm, optimizer } = setUp();
  const [step] = fixture.steps;
  const teacher = tidy(() =>
    algorithm
      .frozen()[0]!
      .parameters()
      .map((parameter) => parameter.sum().item()),
  );
  const train = (): number => {
    tidy(() => totalLoss(algorithm, step!).backward());
    optimizer.step();
    optimizer.zeroGrad();
    return memory().tensors;
  };
  const first = train();
  for (let i = 0; i < 20; i++) expect(train()).toBe(first);
  const after = tidy(() =>
    algorithm
      .frozen()[0]!
      .parameters()
      .map((parameter) => parameter.sum().item()),
  );
  expect(after).toEqual(teacher);
});

function totalLoss(algorithm: Algorithm, step: Step): Tensor {
  const samples = (read(step.labels).toArray() as number[]).map((gtLabel) => ({ gtLabel }));
  return algorithm.parseLosses(algorithm.loss(read(golden.batches[step.batch]!.images), samples))[0];
}
