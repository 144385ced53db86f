// Networks of a user's own through the runner: built when their turn comes, from the config's seed, as often as an algorithm asks.
import { expect, it } from 'vitest';
import { z } from 'zod';

import { refusal } from '../../test/refusal.ts';
import { functional, Linear, Module } from '../nn/index.ts';
import type { GivenTargets, Targets } from '../nn/index.ts';
import type { Tensor } from '../torch/index.ts';
import { build } from './build.ts';
import { check } from './check.ts';
import type { ConfigSource } from './load.ts';
import { run } from './run.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Pixels `(N, 1, 8, 8)` to scores `(N, 4)`. */
class Pixels extends Module {
  readonly hidden: Linear;
  readonly fc: Linear;

  constructor({ width }: { width: number }) {
    super();
    if (width > 99) throw new RangeError('too wide');
    this.hidden = new Linear(64, width);
    this.fc = new Linear(width, 4);
  }

  override forward(images: Tensor, targets?: GivenTargets, mode = 'tensor'): unknown {
    const scores = this.fc.forward(this.hidden.forward(images.flatten(1)).relu());
    return mode === 'loss' ? { loss: functional.crossEntropy(scores, (targets as Targets).labels!) } : scores;
  }
}

/** The same, whose options are checked before anything is built. */
class Checked extends Pixels {
  static readonly schema = z.strictObject({ width: z.int().positive() });
}

const data = {
  dataset: { type: 'SyntheticImages', samples: 16 },
  batchSize: 8,
  transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
};
const fc = { type: 'ModuleOutputs', source: 'fc' };
const distiller = {
  type: 'ConfigurableDistiller',
  studentRecorders: { fc },
  teacherRecorders: { fc },
  distillLosses: { loss_kl: { type: 'KLDivergence' } },
  lossForwardMappings: {
    loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
  },
};
const configOf = (model: object, more: object = {}): ConfigSource =>
  ({
    trainData: data,
    valData: data,
    optimizer: { type: 'SGD', lr: 0.1 },
    epochs: 1,
    model: { distiller, ...model },
    ...more,
  }) as unknown as ConfigSource;
const single = (architecture: unknown, teacher: unknown = { type: Pixels, width: 8 }): ConfigSource =>
  configOf({ type: 'SingleTeacherDistill', architecture, teacher });

it('initial weights follow from the seed of the config', async () => {
  const sums: number[] = [];
  for (const seed of [3, 3, 4]) {
    using built = await build(
      configOf(
        {
          type: 'SingleTeacherDistill',
          architecture: { type: Pixels, width: 5 },
          teacher: { type: Checked, width: 8 },
        },
        { seed },
      ),
    );
    const { algorithm } = built.stage();
    const [student, teacher] = ['architecture', 'teacher'].map((name) => algorithm.getModule(name) as Pixels);
    expect([student!.hidden.outFeatures, teacher!.hidden.outFeatures]).toEqual([5, 8]);
    expect([student, teacher]).toEqual([expect.any(Pixels), expect.any(Checked)]);
    for (const network of [student, teacher]) sums.push(sumOf(network!));
  }
  expect(sums.slice(0, 2)).toEqual(sums.slice(2, 4));
  expect(sums[4]).not.toBe(sums[0]);
  expect(sums[5]).not.toBe(sums[1]);
});

const sumOf = ({ fc }: Pixels): number => Array.from(fc.weight.data(), Number).reduce((a, b) => a + b, 0);

it('an algorithm that needs two builds two', async () => {
  using built = await build(configOf({ type: 'EmaTeacherDistill', architecture: { type: Pixels, width: 5 } }));
  const { algorithm } = built.stage();
  const [student, teacher] = ['architecture', 'teacher'].map((name) => algorithm.getModule(name) as Pixels);
  expect(teacher).toBeInstanceOf(Pixels);
  expect(teacher).not.toBe(student);
});

it('trains one that a config names, and goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-own-'));
  const workDir = join(folder, 'run');
  try {
    const config = single({ type: Checked, width: 6 });
    await run(config, { workDir, probe: false });
    const [stage] = (await run(config, { workDir, probe: false, resume: true, epochs: 2 })).stages;
    expect(stage!.metrics['student']!['accuracy']).toEqual(expect.any(Number));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('what is wrong is said with its place: options, no network, a constructor that throws', async () => {
  const mistakesOf = async (architecture: unknown): Promise<string> =>
    (await check(single(architecture))).mistakes.map(({ message }) => message).join('\n');
  expect(await mistakesOf({ type: Checked, width: 0.5 })).toMatch(/^model.architecture class Checked: width: expected/);
  expect(await mistakesOf({ type: Date })).toMatch(/^model.architecture: class Date: expected a class that extends/);
  const { ok, error } = await check(single({ type: Pixels, width: 100 }));
  expect(ok).toBe(false);
  expect(error).toEqual(
    refusal('script-failed', 'model.architecture', 'constructor of Pixels', 'RangeError: too wide'),
  );
});
