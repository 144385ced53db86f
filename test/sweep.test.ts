// Sweeps that train, as a person runs them: killed at random moments they end with the very table of one that nobody disturbed; a cell that
// fails fails alone; what has changed is refused; hyper-parameters are chosen on what is held out. Runs the build in dist/.
// `npm run prove:kill` kills fifty times.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { isAlive } from '../src/formats/process-identity.ts';
import type { ProcessIdentity } from '../src/formats/process-identity.ts';
import type { SweepTable, Tuning } from '../src/runner/index.ts';
import { commandFile, runCommand } from './command.ts';
import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from './networks.ts';

const kills = Number(process.env['RETORT_KILLS'] ?? 3);
// Every cell is a process that loads libtorch: on a busy machine that alone takes a while.
vi.setConfig({ testTimeout: 240_000 + 20_000 * kills, hookTimeout: 120_000 });

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-sweep-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const environment = { ...process.env, RETORT_THREADS: '1' };
const retort = (...args: string[]) => runCommand(args, { cwd: folder, env: environment });
function write(name: string, content: unknown): string {
  writeFileSync(join(folder, name), JSON.stringify(content));
  return name;
}

const noisy = (samples: number, seed: number) => ({
  ...tinyImages(samples),
  dataset: { type: 'SyntheticImages', samples, seed, noise: 150 },
});
const kd = tinyExperiment({
  model: {
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: logitsDistiller(),
  },
  trainData: noisy(256, 0),
  valData: noisy(128, 1),
  optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9 },
  saveInterval: 4,
  epochs: 3,
});
const supervised = (width: number) => ({ type: 'Supervised', architecture: tinyNetwork(width) });
const methods = { alone: { model: { _delete_: true, ...supervised(4) } }, kd: {} };
const sweep = {
  base: kd,
  teacher: { ...kd, model: supervised(6) },
  axes: { method: methods, seed: [0, 1] },
};

const tableIn = (run: string): SweepTable =>
  JSON.parse(readFileSync(join(folder, run, 'table.json'), 'utf8')) as SweepTable;
/** What of a table does not depend on the machine: all but times and memory. */
const numbers = ({ rows, done, cells, teachers }: SweepTable): unknown => ({
  ...{ done, cells, teachers: teachers.map(({ state, metrics }) => ({ state, metrics })) },
  rows: rows.map(({ values, metric, gain, isBaseline, states, cells: own }) => ({
    ...{ values, metric, gain, isBaseline, states },
    cells: own.map(({ name, state, value, epoch }) => ({ name, state, value, epoch })),
  })),
});
/** All files below a folder. */
const filesBelow = (run: string): string[] => readdirSync(join(folder, run), { recursive: true }) as string[];

it(`killed ${kills} times, has the table of one that nobody disturbed`, async () => {
  write('sweep.json', sweep);
  const began = performance.now();
  const undisturbed = retort('sweep', 'sweep.json', '--work-dir', 'whole', '--jobs', '2');
  const whole = performance.now() - began;
  expect(undisturbed.err).toBe('');
  expect(undisturbed.code).toBe(0);
  const table = tableIn('whole');
  expect(table.rows.map(({ values, metric }) => [values['method'], metric?.n])).toEqual([
    ['alone', 2],
    ['kd', 2],
  ]);
  expect(table.rows[1]!.gain!.n).toBe(2);
  expect(table.teachers[0]).toMatchObject({ state: 'done', epoch: 3 });
  for (const cell of table.rows.flatMap((row) => row.cells)) {
    expect(cell.cpuSeconds).toBeGreaterThan(cell.seconds / 10);
    expect(cell.peakMemory).toBeGreaterThan(2 ** 25);
    expect(cell.imagesPerSecond).toBeGreaterThan(0);
  }
  expect(undisturbed.out).toContain(readFileSync(join(folder, 'whole/table.md'), 'utf8'));

  const args = [commandFile, 'sweep', 'sweep.json', '--work-dir', 'parts', '--jobs', '2'];
  const expectSame = (): void => {
    expect(numbers(tableIn('parts'))).toEqual(numbers(table));
    for (const name of ['teacher', 'kd/seed-1', 'alone/seed-0']) {
      const [one, other] = ['whole', 'parts'].map((run) =>
        readFileSync(join(folder, run, name, 'student.safetensors')),
      );
      expect(other!.equals(one!), name).toBe(true);
    }
    expect(filesBelow('parts').filter((file) => /\.tmp$|run\.lock$/.test(file))).toEqual([]);
  };
  for (let done = 0; done < kills;) {
    const child = spawn(process.execPath, args, { cwd: folder, env: environment, stdio: 'ignore' });
    const ended = new Promise<number | string | null>((resolve) =>
      child.on('close', (code, signal) => resolve(signal ?? code)),
    );
    await Promise.race([ended, setTimeout(whole * (0.1 + 0.5 * Math.random()))]);
    // Now the sweep, now the process of a cell: the first leaves cells behind that save by themselves, the other one that does not.
    const cell = done % 2 === 0 ? undefined : processOfCell();
    if (cell !== undefined) {
      process.kill(cell, 'SIGKILL');
      done++;
      await Promise.race([ended, setTimeout(whole / 10)]);
    }
    child.kill('SIGKILL');
    const end = await ended;
    if (end === 'SIGKILL') done++;
    if (end !== 0) continue;
    expectSame(); // it was over before
    rmSync(join(folder, 'parts'), { recursive: true });
  }
  // A cell whose process was killed may have been recorded as failed: the next call tries it again.
  const last = retort('sweep', 'sweep.json', '--work-dir', 'parts', '--jobs', '2');
  expect([last.code, last.err]).toEqual([0, '']);
  expectSame();

  // What is done is not done again, and each cell is a run as all others.
  const again = retort('sweep', 'sweep.json', '--work-dir', 'parts');
  expect(again.out).toMatch(/parts: 4 runs, 4 done\n\n/);
  const listed = JSON.parse(retort('runs', 'parts', '--json').out) as { folder: string; state: string }[];
  expect(listed.map((run) => run.state)).toEqual(listed.map(() => 'finished'));
  expect(listed).toHaveLength(5);
});

/** The process of a cell that trains in `parts`, by its lock. */
function processOfCell(): number | undefined {
  if (!existsSync(join(folder, 'parts'))) return undefined;
  const locks = filesBelow('parts').filter((file) => file.endsWith('/run.lock'));
  for (const lock of locks) {
    try {
      const owner = JSON.parse(readFileSync(join(folder, 'parts', lock), 'utf8')) as ProcessIdentity;
      if (isAlive(owner)) return owner.pid;
    } catch {
      // it has just been released
    }
  }
  return undefined;
}

it('goes on where a cell fails, says so, and tries it again', () => {
  const axes = { method: { ...methods, wild: { optimizer: { lr: 1e30 } } }, seed: [0] };
  const file = write('wild.json', { ...sweep, base: { ...kd, epochs: 1 }, teacher: undefined, axes });
  const first = retort('sweep', file, '--json');
  expect(first.code).toBe(1);
  expect(first.err).toMatch(/error 1 failed: wild\/seed-0/);
  const table = JSON.parse(first.out) as SweepTable;
  expect(table.rows.map(({ states }) => states)).toEqual([{ done: 1 }, { done: 1 }, { failed: 1 }]);
  expect(table.rows[2]!.cells[0]!.error).toMatch(/finite/);
  expect(table.rows[2]!.metric).toBeUndefined();
  expect(readFileSync(join(folder, 'runs/wild/table.md'), 'utf8')).toMatch(/wild\/seed-0 failed: .*finite/);
  const again = retort('sweep', file);
  expect(again.code).toBe(1);
  expect(again.out).toMatch(/3 runs, 2 done\nwild\/seed-0 {2}(begins|goes on)/);
  expect(retort('sweep', file, '--only', 'method=alone,kd').code).toBe(0);
  expect(retort('sweep', file, '--dry-run').out).toMatch(/\| wild\/seed-0 +\| +failed \|.*NaN/);
});

it('trains what is more than data, a class of networks, from the file of the sweep', () => {
  const own = fileURLToPath(new URL(`fixtures/sweep-${process.pid}.mjs`, import.meta.url));
  const values = JSON.stringify({ ...kd, model: { type: 'Supervised' }, epochs: 1 });
  const axes = JSON.stringify({ width: { at: 'model.architecture.width', values: [4, 6] } });
  writeFileSync(
    own,
    `import { Plain } from './own-networks.mjs';
    const base = ${values};
    base.model.architecture = { type: Plain };
    export default { base, axes: ${axes} };`,
  );
  try {
    const { code, err } = retort('sweep', own, '--work-dir', 'live', '--jobs', '2');
    expect([code, err]).toEqual([0, '']);
    expect(tableIn('live').rows.map(({ states }) => states)).toEqual([{ done: 1 }, { done: 1 }]);
    expect(readFileSync(join(folder, 'live/width=6/config.txt'), 'utf8')).toMatch(
      /model\.architecture\.type = "<class Plain>"[^]*model\.architecture\.width = 6/,
    );
  } finally {
    rmSync(own);
  }
});

it('refuses what has changed since, until it is given up', () => {
  const axes = { method: { alone: methods.alone }, seed: [0, 1] };
  const of = (more: object) => write('changed.json', { base: { ...kd, epochs: 1, ...more }, axes });
  expect(retort('sweep', of({})).code).toBe(0);
  const before = tableIn('runs/changed');
  const other = retort('sweep', of({ optimizer: { type: 'SGD', lr: 0.01 } }));
  expect(other.code).toBe(1);
  expect(other.err).toMatch(
    /asked for otherwise: alone\/seed-0, alone\/seed-1\n.*optimizer\.lr: 0\.01 asked for, it was 0\.05/,
  );
  expect(other.err).toMatch(/help: .*--redo.*--overwrite.*--work-dir/);
  expect(numbers(tableIn('runs/changed'))).toEqual(numbers(before));
  const redone = retort('sweep', of({ optimizer: { type: 'SGD', lr: 0.01 } }), '--redo', 'alone');
  expect([redone.code, redone.err]).toEqual([0, '']);
  expect(redone.out).toMatch(/2 runs, 0 done/);
  const nobody = retort('sweep', of({}), '--redo', 'alonee');
  expect([nobody.code, nobody.err]).toEqual([1, expect.stringMatching(/no cell "alonee"/)]);
});

it('saves and ends when asked to, keeps others out, and goes on', async () => {
  const file = write('long.json', {
    base: { ...kd, epochs: 400 },
    axes: { method: { alone: methods.alone }, seed: [0, 1] },
  });
  const child = spawn(process.execPath, [commandFile, 'sweep', file, '--plain'], { cwd: folder, env: environment });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const checkpoint = join(folder, 'runs/long/alone/seed-0/training.safetensors');
  while (!existsSync(checkpoint)) await setTimeout(50);
  const second = retort('sweep', file);
  expect([second.code, second.err]).toEqual([
    1,
    expect.stringMatching(/runs\/long is in use: process \d+ .*sweeping there/),
  ]);
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(out).toMatch(/alone\/seed-0 {2}saved/);
  expect(out).toMatch(/stopped and saved; the same command goes on: .*sweep long\.json/);
  const { rows } = tableIn('runs/long');
  expect(rows[0]!.states).toEqual({ interrupted: 1, waiting: 1 });
  // Fewer epochs are another thing to ask for, and the sweep does not mix them.
  const shorter = write('long.json', {
    base: { ...kd, epochs: 2 },
    axes: { method: { alone: methods.alone }, seed: [0] },
  });
  expect(retort('sweep', shorter).err).toMatch(/epochs: 2 asked for, it was 400/);
});

it('chooses on what is held out, and trains what was chosen', () => {
  const file = write('tune.json', {
    ...{ base: { ...kd, epochs: 2 }, validation: { share: 0.25 }, halving: { eta: 2 } },
    axes: {
      method: methods,
      lr: { at: 'optimizer.lr', values: { none: 1e-9, low: 0.05, wild: 1e30 }, only: { method: 'kd' } },
      seed: [0, 1],
    },
  });
  const early = retort('sweep', file, '--tuned');
  expect([early.code, early.err]).toEqual([1, expect.stringMatching(/nothing is chosen yet of method=kd/)]);
  const first = retort('sweep', file, '--successive-halving', '--json', '--jobs', '2');
  expect(first.err).toMatch(/error 1 failed: halving\/epochs-1\/kd\/lr=wild\/seed-0/);
  const { brackets, measuredOn } = JSON.parse(first.out) as Tuning;
  expect(measuredOn).toMatch(/validation split: 25% of each class of the training data/);
  expect(brackets.map(({ values, winner }) => [values['method'], winner?.['lr']])).toEqual([
    ['alone', undefined],
    ['kd', 'low'],
  ]);
  const { rungs } = brackets[1]!;
  expect(rungs.map(({ epochs, cells }) => [epochs, cells.length])).toEqual([
    [1, 3],
    [2, 2],
  ]);
  expect(rungs[0]!.cells.map(({ goesOn }) => goesOn)).toEqual([true, true, false]);
  const config = JSON.parse(
    readFileSync(join(folder, 'runs/tune/halving/epochs-2/kd/lr=low/seed-0/config.json'), 'utf8'),
  ) as { trainData: { dataset: object }; valData: { dataset: object } };
  const dataset = { type: 'SyntheticImages', samples: 256, seed: 0, noise: 150 };
  expect(config.trainData.dataset).toEqual({ type: 'Split', part: 'train', share: 0.25, seed: 0, dataset });
  expect(config.valData.dataset).toEqual({ type: 'Split', part: 'validation', share: 0.25, seed: 0, dataset });

  const again = retort('sweep', file, '--successive-halving');
  expect(again.out).toMatch(/\*\*method=kd: lr=low\*\*/); // the one that failed is tried again, nothing else
  expect(again.out).not.toMatch(/lr=low\/seed-0 {2}begins/);
  const tuned = retort('sweep', file, '--tuned', '--json');
  expect(tuned.code).toBe(0);
  const rows = (JSON.parse(tuned.out) as SweepTable).rows.filter(({ metric }) => metric !== undefined);
  expect(rows.map(({ values, metric }) => [values, metric!.n])).toEqual([
    [{ method: 'alone' }, 2],
    [{ method: 'kd', lr: 'low' }, 2],
  ]);
});
