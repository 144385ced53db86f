// Killed with SIGKILL and resumed each time, a run ends with the very same bits as one that nobody disturbed: student, connectors,
// contrastive memory, averaged weights, optimizer, random state, and with each line of the log and of its metrics once. Killed at random moments, and
// at each thing that a run does to files: half-way through a write, before and after a rename, while the only whole checkpoint is
// the one before the last. Runs the build in dist/. `npm run prove:kill` does the same with 50 kills of each kind.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { readMetrics } from '../src/engine/index.ts';
import { readSafetensorsFile } from '../src/formats/index.ts';
import { logitsDistiller, tinyNetwork } from './networks.ts';

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const kills = Number(process.env['RETORT_KILLS'] ?? 3);

const logits = logitsDistiller();
const gap = { type: 'ModuleOutputs', source: 'neck.gap' };
const config = {
  model: {
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: {
      ...logits,
      studentRecorders: { ...(logits['studentRecorders'] as object), gap },
      teacherRecorders: { ...(logits['teacherRecorders'] as object), gap },
      connectors: {
        student: { type: 'CRDConnector', dimIn: 4, dimOut: 8 },
        teacher: { type: 'CRDConnector', dimIn: 6, dimOut: 8 },
      },
      distillLosses: {
        ...(logits['distillLosses'] as object),
        loss_crd: { type: 'CRDLoss', negNum: 4, sampleN: 256, dimOut: 8 },
      },
      lossForwardMappings: {
        ...(logits['lossForwardMappings'] as object),
        loss_crd: {
          sFeats: { recorder: 'gap', fromStudent: true, connector: 'student' },
          tFeats: { recorder: 'gap', fromStudent: false, connector: 'teacher' },
          dataSamples: { field: 'dataSamples' },
        },
      },
      lossWeightSchedules: { loss_kl: { type: 'linear', from: 1, to: 0.1, end: 3 } },
    },
  },
  trainData: {
    dataset: { type: 'SyntheticImages', samples: 256 },
    batchSize: 8,
    transforms: [{ type: 'RandomHorizontalFlip' }, { type: 'Normalize', mean: [0.5], std: [0.5] }],
  },
  valData: {
    dataset: { type: 'SyntheticImages', samples: 64, seed: 1 },
    batchSize: 32,
    transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
  },
  optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9, paramwise: { normDecayMult: 0 } },
  schedulers: [{ type: 'CosineAnnealingLR', by: 'step' }],
  hooks: [
    { type: 'EMAHook', momentum: 0.01 },
    { type: 'LoggerHook', interval: 8 },
    { type: 'CheckpointHook', best: 'ema.accuracy' },
  ],
  saveInterval: 2,
  epochs: 4,
};

function retort(folder: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Every tensor of a run's last training checkpoint, as bytes. */
function state(folder: string): Record<string, string> {
  const { tensors } = readSafetensorsFile(join(folder, 'training.safetensors'));
  return Object.fromEntries([...tensors].map(([name, { data }]) => [name, Buffer.from(data).toString('base64')]));
}

/** Whether two runs have come to the same end. */
function expectSame(folder: string, name: string, whole: string): void {
  const [one, other] = [whole, name].map((run) => state(join(folder, run)));
  expect(Object.keys(one!).filter((key) => key.startsWith('hook.0.EMAHook.')).length).toBeGreaterThan(0);
  expect(other).toEqual(one);
  for (const file of ['student.safetensors', 'student-ema.safetensors', 'student-best.safetensors']) {
    const bytes = [whole, name].map((run) => readFileSync(join(folder, run, file)));
    expect(bytes[1]!.equals(bytes[0]!), file).toBe(true);
  }
  const measured = (run: string): unknown[] => {
    const { steps, evaluations, damaged } = readMetrics(join(folder, run));
    expect(damaged).toBe(0);
    return [...steps, ...evaluations].map((record) => {
      const { time: _time, seconds: _seconds, ...rest } = record;
      return { ...rest, imagesPerSecond: 0, memory: 0 };
    });
  };
  expect(measured(name)).toEqual(measured(whole));
  const steps = (run: string): string[] =>
    readFileSync(join(folder, run, 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { epoch: number; step: number })
      .map(({ epoch, step }) => `${epoch}.${step}`);
  expect(steps(name)).toEqual(steps(whole));
  const left = readdirSync(join(folder, name)).filter((file) => file.endsWith('.tmp') || file === 'run.lock');
  expect(left).toEqual([]);
}

it(
  `killed ${kills} times and resumed, ends with the same bits`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retort-kill-'));
    try {
      writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
      const began = performance.now();
      retort(folder, 'train', 'config.json', '--work-dir', 'whole');
      const whole = performance.now() - began;
      let done = 0;
      for (let i = 0; i < kills; i++) {
        const child = spawn(process.execPath, [main, 'train', 'config.json', '--work-dir', 'parts', '--resume'], {
          cwd: folder,
          stdio: 'ignore',
        });
        const ended = new Promise<string | null>((resolve) => child.on('close', (_code, signal) => resolve(signal)));
        // Also while it starts, and while it writes; a run that is over sooner was not killed.
        await Promise.race([ended, setTimeout(whole * (0.2 + 0.6 * Math.random()))]);
        child.kill('SIGKILL');
        if ((await ended) === 'SIGKILL') done++;
      }
      expect(done).toBeGreaterThan(0);
      retort(folder, 'train', 'config.json', '--work-dir', 'parts', '--resume');
      expectSame(folder, 'parts', 'whole');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000 + 20_000 * kills,
);

const killAt = fileURLToPath(new URL('fixtures/kill-at.mjs', import.meta.url));

it(
  `killed ${kills} times at what it does to files, it loses nothing`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'retort-kill-files-'));
    try {
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, epochs: 2 }));
      const train = (run: string, environment: Record<string, string>): ReturnType<typeof spawnSync> =>
        spawnSync(process.execPath, ['--import', killAt, main, 'train', 'config.json', '--work-dir', run, '--resume'], {
          cwd: folder,
          encoding: 'utf8',
          env: { ...process.env, KILL_FOLDER: join(folder, run), ...environment },
        });
      const count = join(folder, 'count');
      expect(train('whole', { KILL_COUNT: count }).status).toBe(0);
      const things = Number(readFileSync(count, 'utf8'));
      expect(things).toBeGreaterThan(300);
      const [current, previous] = ['training', 'training.previous'].map((name) =>
        join(folder, 'parts', `${name}.safetensors`),
      );
      let [done, begun, torn] = [0, false, false];
      for (let i = 0; done < kills; i++) {
        // A run that goes on from the checkpoint before a torn one is killed in its first things most of all.
        const among = torn ? 40 : Math.ceil(things / 3);
        const at = 1 + Math.floor(Math.random() * among);
        const { signal, stdout, stderr, status } = train('parts', { KILL_AT: String(at) });
        const where = `kill ${done + 1}, at thing ${at}${torn ? ' after a torn checkpoint' : ''}: ${String(stderr)}`;
        if (signal !== 'SIGKILL') expect(status, where).toBe(0);
        // From the start the bits would come out the same: what was saved must have been found.
        if (begun && /step +\d/.test(String(stdout))) expect(String(stdout), where).toMatch(/resuming at/);
        if (signal === 'SIGKILL') done++;
        if (status === 0) {
          expectSame(folder, 'parts', 'whole');
          rmSync(join(folder, 'parts'), { recursive: true });
        }
        begun = existsSync(previous!);
        torn = begun && i % 2 === 0;
        if (torn && existsSync(current!)) truncateSync(current!, 5000);
        else torn = false;
      }
      const { status, stderr } = train('parts', {});
      expect(status, String(stderr)).toBe(0);
      expectSame(folder, 'parts', 'whole');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000 + 20_000 * kills,
);
