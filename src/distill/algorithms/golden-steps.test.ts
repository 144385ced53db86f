// Two whole training steps of MMRazor's KD and OFD recipes on narrow networks against numbers that it printed: losses, the norm
// of every gradient, buffers and parameters after. Tolerance as the numbers' README gives it: what torch's own float32 is off by.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { camelKeys } from '../../../test/golden.ts';
import { buildModel } from '../../models/index.ts';
import type { LossModel } from '../../nn/index.ts';
import { SGD } from '../../optim/index.ts';
import { memory, tensorFromBytes, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { buildAlgorithm } from './index.ts';
import type { SingleTeacherDistill } from './index.ts';

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
type Config = Record<string, unknown>;
interface Fixture {
  name: string;
  algorithm: string;
  algorithm_kwargs: Config;
  student: string;
  teacher: string;
  distiller: Record<string, Record<string, Config>> & { type: string };
  distiller_state_before: Record<string, Stored>;
  steps: Step[];
  student_buffers_after: Record<string, Stored>;
  student_param_norms_after: Record<string, number>;
}
interface Golden {
  nets: Record<string, { config: Config; state_dict: Record<string, Stored> }>;
  batches: Record<string, { images: Stored }>;
  fixtures: Fixture[];
}

const text = gunzipSync(
  readFileSync(new URL('../../../test/fixtures/mmrazor-steps.json.gz', import.meta.url)),
).toString();
const golden = JSON.parse(text.replaceAll('"mmcls.', '"').replaceAll('"_scope_": "mmrazor", ', '')) as Golden;
const read = ({ b64, dtype, shape }: Stored): Tensor => tensorFromBytes(Buffer.from(b64, 'base64'), dtype, shape);
const readAll = (stored: Record<string, Stored>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, read(value)]));

function network(name: string): LossModel {
  const { config, state_dict: state } = golden.nets[name]!;
  const model = buildModel(camelKeys(config) as { type: string });
  tidy(() => model.loadStateDict(readAll(state)));
  return model;
}

/** Options get our spelling; the names that the config gives to recorders, losses and connectors stay. */
function distillerConfig(distiller: Fixture['distiller']): { type: string } {
  const parts = Object.entries(distiller).map(([key, part]) => {
    const value =
      typeof part === 'string'
        ? part
        : Object.fromEntries(Object.entries(part).map(([name, config]) => [name, camelKeys(config)]));
    return [Object.keys(camelKeys({ [key]: 0 }) as object)[0]!, value];
  });
  return Object.fromEntries(parts) as { type: string };
}

function setUp(fixture: Fixture, compat: object) {
  const algorithm = buildAlgorithm({
    type: fixture.algorithm,
    architecture: network(fixture.student),
    teacher: network(fixture.teacher),
    distiller: distillerConfig(fixture.distiller),
    ...(camelKeys(fixture.algorithm_kwargs) as object),
    ...compat,
  }) as SingleTeacherDistill;
  if (Object.keys(fixture.distiller_state_before).length > 0) {
    tidy(() => algorithm.distiller.loadStateDict(readAll(fixture.distiller_state_before)));
  }
  const trained = algorithm.parameters().filter((parameter) => parameter.requiresGrad);
  return { algorithm, optimizer: new SGD(trained, { lr: 0.05, momentum: 0.9, weightDecay: 1e-4 }) };
}

function lossesOf(algorithm: SingleTeacherDistill, step: Step): ReturnType<SingleTeacherDistill['loss']> {
  const samples = (read(step.labels).toArray() as number[]).map((gtLabel) => ({ gtLabel }));
  return algorithm.loss(read(golden.batches[step.batch]!.images), samples);
}

function checkGradients(algorithm: SingleTeacherDistill, step: Step): void {
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

describe.each(golden.fixtures.map((fixture) => [fixture.name, fixture] as const))('%s', (_name, fixture) => {
  it.each([{}, { compat: 'mmrazor' }])('gives the numbers of the original, %o', (compat) => {
    const { algorithm, optimizer } = setUp(fixture, compat);
    for (const step of fixture.steps) {
      tidy(() => {
        const losses = lossesOf(algorithm, step);
        expect(Object.keys(losses).toSorted()).toEqual(Object.keys(step.losses).toSorted());
        for (const [name, stored] of Object.entries(step.losses)) {
          expect(losses[name] as Tensor).toBeAllClose(read(stored), { rtol: 5e-6 });
        }
        optimizer.zeroGrad();
        algorithm.parseLosses(losses)[0].backward();
        checkGradients(algorithm, step);
      });
      optimizer.step();
    }
    tidy(() => {
      const state = algorithm.student.stateDict();
      for (const [name, stored] of Object.entries(fixture.student_buffers_after)) {
        expect(state[name]!).toBeAllClose(read(stored), { rtol: 2e-5, atol: 2e-6 });
      }
      for (const [name, norm] of Object.entries(fixture.student_param_norms_after)) {
        expect(state[name]!.to('float64').norm().item(), name).toBeCloseTo(norm, 4);
      }
    });
  });

  it('keeps nothing but momentum from one step to the next, and the teacher as it was', () => {
    const { algorithm, optimizer } = setUp(fixture, {});
    const sums = (): number[] => tidy(() => algorithm.teacher.parameters().map((parameter) => parameter.sum().item()));
    const teacher = sums();
    const train = (): number => {
      tidy(() => algorithm.parseLosses(lossesOf(algorithm, fixture.steps[0]!))[0].backward());
      optimizer.step();
      optimizer.zeroGrad();
      return memory().tensors;
    };
    const first = train();
    for (let i = 0; i < 10; i++) expect(train()).toBe(first);
    expect(sums()).toEqual(teacher);
  });
});
