// Killed at random moments with SIGKILL and resumed each time, a run ends with the very same bits as one that nobody disturbed:
// student, connectors, contrastive memory, averaged weights, optimiser, random state. Runs the build in dist/.
// `npm run prove:kill` does the same with 25 kills.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

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
      const [one, other] = ['whole', 'parts'].map((name) => state(join(folder, name)));
      expect(Object.keys(one!).filter((name) => name.startsWith('hook.0.EMA.')).length).toBeGreaterThan(0);
      expect(other).toEqual(one);
      for (const file of ['student.safetensors', 'student-ema.safetensors', 'student-best.safetensors']) {
        const bytes = ['whole', 'parts'].map((name) => readFileSync(join(folder, name, file)));
        expect(bytes[1]!.equals(bytes[0]!), file).toBe(true);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000 + 20_000 * kills,
);
