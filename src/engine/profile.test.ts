// Where the time of training goes: parts that add up, a trace that nests, and nothing of it where nobody asked.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { logitsDistiller, tinyNetwork } from '../../test/networks.ts';
import { DataLoader, Normalize, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { loadTensors } from '../nn/index.ts';
import { SGD } from '../optim/index.ts';
import { manualSeed, tidy } from '../torch/index.ts';
import { recordSpans, span } from '../torch/internal.ts';
import { refusedWith } from '../../test/refusal.ts';
import { madeIn, removeRun, runFiles, Trainer } from './index.ts';
import type { ProfilePart, TrainerOptions } from './index.ts';
import { Profile, profileTable, tracedSteps } from './profile.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Distillation of logits through a connector: 4 steps an epoch. */
function setUp(options: Partial<TrainerOptions> = {}): Trainer & Disposable {
  manualSeed(5);
  const distiller = logitsDistiller();
  const fc = { recorder: 'fc', fromStudent: true, connector: 'to_fc' } as const;
  const algorithm = buildAlgorithm({
    type: 'SingleTeacherDistill',
    teacherPlan: 'plain',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: {
      ...distiller,
      connectors: {
        to_fc: { type: 'TorchNNConnector', moduleName: 'Linear', moduleArgs: { inFeatures: 4, outFeatures: 4 } },
      },
      lossForwardMappings: { loss_kl: { predsS: fc, predsT: { recorder: 'fc', fromStudent: false } } },
    },
  });
  const images = new SyntheticImages({ samples: 64 });
  const transforms = [new Normalize({ mean: [0.5], std: [0.25] })];
  const trainLoader = new DataLoader(images, { batchSize: 16, transforms });
  const valLoader = new DataLoader(images, { batchSize: 32, transforms });
  const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.05 });
  const trainer = new Trainer({ algorithm, trainLoader, valLoader, optimizer, epochs: 2, workDir: folder, ...options });
  return Object.assign(trainer, { [Symbol.dispose]: () => images[Symbol.dispose]() });
}

interface TraceEvent {
  name: string;
  cat: string;
  ph: string;
  ts: number;
  dur: number;
  pid: number;
  tid: number;
}

function traceIn(path: string): TraceEvent[] {
  const { traceEvents } = JSON.parse(readFileSync(join(path, runFiles.profile), 'utf8')) as {
    traceEvents: TraceEvent[];
  };
  return traceEvents.filter(({ ph }) => ph === 'X');
}

const sum = (parts: readonly ProfilePart[]): number => parts.reduce((total, { seconds }) => total + seconds, 0);

it('says how long each part took, which add up to the whole', async () => {
  const lines: string[] = [];
  using trainer = setUp({ profile: true, progress: { step() {}, line: (text) => void lines.push(text) } });
  const { profile } = await trainer.run();
  const calls = Object.fromEntries(profile!.parts.map((part) => [part.name, part.calls]));
  expect(profile).toMatchObject({ steps: 8, tracedSteps: 8 });
  expect(calls).toMatchObject({
    data: 16,
    teacher: 8,
    student: 8,
    connectors: 8,
    losses: 8,
    backward: 8,
    optimizer: 8,
  });
  expect(calls).toMatchObject({ evaluation: 2, other: 8 });
  const inside = (name: string) => profile!.parts.find((part) => part.name === name)!.parts;
  expect(inside('data').map(({ name, calls }) => [name, calls])).toEqual([
    ['waiting', 8],
    ['batches', 8],
  ]);
  expect(inside('connectors').map(({ name }) => name)).toEqual(['to_fc']);
  expect(inside('losses').map(({ name }) => name)).toEqual(['loss_kl']);
  expect(sum(profile!.parts)).toBeCloseTo(profile!.seconds, 9);
  for (const part of profile!.parts) expect(sum(part.parts)).toBeLessThanOrEqual(part.seconds + 1e-9);
  expect(lines.find((line) => line.startsWith('where the time of 8 steps went'))).toMatch(
    /\n {2}backward .*\n {2}all /s,
  );
  expect(lines.at(-1)).toContain(join(folder, runFiles.profile));
});

it('writes a trace whose spans lie in the steps they are of', async () => {
  using trainer = setUp({ profile: true });
  await trainer.run();
  const events = traceIn(folder);
  const named = (name: string) => events.filter((event) => event.name === name);
  expect(named('step 8')).toHaveLength(1);
  for (const name of ['waiting', 'batches', 'teacher', 'student', 'to_fc', 'loss_kl', 'backward', 'optimizer']) {
    expect(named(name), name).toHaveLength(8);
  }
  const steps = events.filter(({ cat }) => cat === 'step');
  const slack = 0.2; // microseconds: times are written to a tenth
  const outside = ['evaluation', 'saving', 'between steps', 'step'];
  for (const event of events) {
    expect([event.pid, event.tid]).toEqual([process.pid, 1]);
    const holding = steps.filter(({ ts, dur }) => ts - slack <= event.ts && event.ts + event.dur <= ts + dur + slack);
    expect(holding.length, event.name).toBe(outside.includes(event.cat) && event.cat !== 'step' ? 0 : 1);
  }
  for (const [i, event] of events.entries()) {
    const next = events[i + 1]; // begins no earlier: inside, or after
    if (next === undefined) continue;
    const [end, nextEnd] = [event.ts + event.dur, next.ts + next.dur];
    expect(next.ts >= end - slack || nextEnd <= end + slack, `${event.name}, ${next.name}`).toBe(true);
  }
});

it('trains the very same weights, and leaves no trace, where nobody asks', async () => {
  const [off, on] = [join(folder, 'off'), join(folder, 'on')];
  for (const [workDir, profile] of [
    [off, false],
    [on, true],
  ] as const) {
    using trainer = setUp({ workDir, profile });
    expect((await trainer.run()).profile === undefined).toBe(!profile);
  }
  expect(existsSync(join(off, runFiles.profile))).toBe(false);
  const weights = (path: string) =>
    tidy(() =>
      Object.entries(loadTensors(join(path, runFiles.student)).tensors).map(([name, one]) => [name, one.toArray()]),
    );
  expect(weights(on)).toEqual(weights(off));
});

it('is written when a signal stops the run, and when it goes on', async () => {
  const controller = new AbortController();
  const step = ({ step: at }: { step: number }): void => void (at === 3 && controller.abort());
  {
    using trainer = setUp({ profile: true, signal: controller.signal, progress: { step, line() {} } });
    const { stopped, profile } = await trainer.run();
    expect([stopped, profile!.steps]).toEqual([true, 3]);
    expect(traceIn(folder).filter(({ cat }) => cat === 'step')).toHaveLength(3);
  }
  using trainer = setUp({ profile: true });
  expect((await trainer.resume(folder).run()).profile!.steps).toBe(5);
  expect(traceIn(folder).filter(({ cat }) => cat === 'step')).toHaveLength(5);
});

it('is written when training fails', async () => {
  const afterStep = (): never => {
    throw new RetortError('a hook failed', { code: 'invalid-state' });
  };
  using trainer = setUp({ profile: true, hooks: [{ name: 'Failing', afterStep }] });
  expect(await refusedWith(trainer.run())).toMatchObject({ code: 'invalid-state' });
  expect(traceIn(folder).some(({ cat, name }) => cat === 'hooks' && name === 'Failing')).toBe(true);
});

it('goes with the run, and is nothing that a new run would be refused for', async () => {
  using trainer = setUp({ profile: true, epochs: 1 });
  await trainer.run();
  expect(madeIn(folder)).not.toContain(runFiles.profile);
  removeRun(folder);
  expect(existsSync(join(folder, runFiles.profile))).toBe(false);
});

it('traces so many steps and no more, and goes on measuring', () => {
  const profile = new Profile();
  for (let i = 0; i < 2 * tracedSteps; i++) {
    profile.beginStep();
    profile.batch(() => span('student', undefined, () => undefined));
    profile.endStep();
  }
  profile.span('saving', 'checkpoint', () => undefined);
  profile.end();
  const { traceEvents } = JSON.parse(profile.trace()) as { traceEvents: TraceEvent[] };
  const count = (cat: string) => traceEvents.filter((event) => event.cat === cat).length;
  expect([count('step'), count('student'), count('saving')]).toEqual([tracedSteps, tracedSteps, 1]);
  const report = profile.report();
  expect(report).toMatchObject({ steps: 2 * tracedSteps, tracedSteps });
  expect(report.parts.find(({ name }) => name === 'student')!.calls).toBe(2 * tracedSteps);
});

it('counts what lies in another part as that, and its names', () => {
  const profile = new Profile();
  profile.batch(() => {
    span('teacher plan', undefined, () => span('teacher', 'a', () => span('losses', 'loss_kl', () => undefined)));
    span('teacher', undefined, () => span('teacher', 'a', () => span('teacher', undefined, () => undefined)));
  });
  const { parts } = profile.report();
  expect(parts.map(({ name, calls }) => [name, calls])).toEqual([
    ['teacher plan', 1],
    ['teacher', 1],
    ['other', 0],
  ]);
  expect(parts[1]!.parts.map(({ name, calls }) => [name, calls])).toEqual([['a', 1]]);
});

it('ends spans that throw, and records nothing afterwards', () => {
  const profile = new Profile();
  const fail = (): never => {
    throw new Error('no');
  };
  expect(() => profile.batch(() => span('student', undefined, fail))).toThrow('no');
  span('student', undefined, () => undefined);
  profile.batch(() => span('backward', undefined, () => undefined));
  expect(profile.report().parts.map(({ name, calls }) => [name, calls])).toEqual([
    ['student', 1],
    ['backward', 1],
    ['other', 0],
  ]);
  expect(() => recordSpans(profile, async () => undefined)).toThrow('recordSpans');
});

it('prints a table', () => {
  const part = (name: string, seconds: number, parts: ProfilePart[] = []): ProfilePart => ({
    name,
    seconds,
    calls: 4,
    parts,
  });
  const parts = [
    part('student', 3),
    part('losses', 1, [part('loss_kl', 1)]),
    part('teacher plan', 0),
    part('other', 4),
  ];
  expect(profileTable({ steps: 4, seconds: 8, parts, tracedSteps: 4 }).split('\n')).toEqual([
    '             seconds   share  ms a step  calls',
    '  student       3.00   37.5%     750.00      4',
    '  losses        1.00   12.5%     250.00      4',
    '    loss_kl     1.00   12.5%     250.00      4',
    '  other         4.00   50.0%    1000.00      4',
    '  all           8.00  100.0%    2000.00      4',
  ]);
  const narrow = profileTable({ steps: 4, seconds: 8, parts, tracedSteps: 4 }, 40).split('\n');
  expect(narrow.slice(0, 2)).toEqual([
    '             seconds   share  ms a step',
    '  student       3.00   37.5%     750.00',
  ]);
  expect(profileTable({ steps: 4, seconds: 8, parts, tracedSteps: 4 }, 32).split('\n')[1]).toBe(
    '  student     37.5%     750.00',
  );
});
