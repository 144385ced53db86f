// `npm run bench`: Retort beside PyTorch on the same libtorch. Each side is a process; in training they take turns of a few steps,
// so that a noisy machine disturbs both alike. Medians and the median of the ratios of neighbouring turns are printed.
// Where Debian's python3-torch is missing, our side runs alone.
//   npm run bench -- --quick     fewer steps, for a look      npm run bench -- operators resnet20    some parts only: operators,
//   resnet20, kd-34-18, quickstart, memory, levers, export, formats, plan, overhead, loader, see; by name alone: busy, allocator, dashboard,
//   time-to-accuracy
//   RETORT_BENCH_PYTHON names another python3
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { median, print, table } from './common.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const args = process.argv.slice(2);
const quick = args.includes('--quick');
const wanted = args.filter((arg) => !arg.startsWith('--'));
const threads = String(availableParallelism());

/** A python3 that can import torch; Debian's first, because it is the same libtorch. */
const python = [process.env.RETORT_BENCH_PYTHON, '/usr/bin/python3', 'python3'].find(
  (command) => command !== undefined && spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);
/** Where Python finds the BLAS that our addon links, for the rows in which both are tuned. */
const blas = '/usr/lib/x86_64-linux-gnu/openblas-openmp';

const chosen = (name) => wanted.length === 0 || wanted.includes(name);

/** The command line of each side that is there. */
function sides(name, repeat, levers) {
  const rest = [name, String(repeat), levers, threads];
  const tuned = levers.includes('tuned-blas') ? { OPENBLAS_CORETYPE: 'SKYLAKEX', LD_LIBRARY_PATH: blas } : {};
  const ours = { command: process.execPath, args: ['node-side.mjs', ...rest], env: process.env };
  if (python === undefined) return [ours];
  return [ours, { command: python, args: ['torch_side.py', ...rest], env: { ...process.env, ...tuned } }];
}

function once({ command, args: given, env }) {
  const result = spawnSync(command, given, { encoding: 'utf8', env, cwd: here });
  if (result.status !== 0) throw new Error(`${command} ${given.join(' ')}:\n${result.stderr}`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1));
}

/** A side that does a step when asked. */
function start({ command, args: given, env }) {
  const child = spawn(command, given, { env, cwd: here, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await lines.next()).value);
  return {
    step: () => (child.stdin.write('step\n'), answer()),
    end: () => (child.stdin.end(), answer()),
  };
}

/** Turns of both sides: see {@link inTurns}; ours first. */
const training = (name, turns, steps, levers) => inTurns(sides(name, 0, levers), turns, steps);

/** Turns of several sides, one after the other: [{ seconds, losses, rssMiB }]; seconds are those of each turn's median step. */
async function inTurns(all, turns, steps) {
  const running = all.map(start);
  const results = running.map(() => ({ seconds: [], losses: [], rssMiB: 0 }));
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, side] of running.entries()) {
      const seconds = [];
      for (let step = 0; step < steps; step++) {
        const done = await side.step();
        seconds.push(done.seconds);
        results[i].losses.push(done.loss);
      }
      // The first step of a turn still meets the other side's threads, which wait for work before they sleep.
      results[i].seconds.push(median(seconds.slice(1)));
    }
  }
  for (const [i, side] of running.entries()) results[i].rssMiB = (await side.end()).rssMiB;
  return results;
}

if (python === undefined) print('python3-torch is missing (apt-get install python3-torch): our side alone');

if (chosen('operators')) {
  const rounds = { ours: [], theirs: [] };
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const [ours, theirs] = sides('operators', quick ? 20_000 : 100_000, '').map(once);
    rounds.ours.push(ours);
    rounds.theirs.push(theirs);
  }
  const target = (name) => (name.includes('outside') ? '' : name.includes('gradients') ? '1.00' : '0.85');
  table(
    'Overhead of one operator on one element, ns (ours inside a scope, as in every module and training step)',
    ['operator', 'Retort', 'PyTorch', 'ratio', 'target'],
    Object.keys(rounds.ours[0]).map((name) => {
      const ours = rounds.ours.map((round) => round[name]);
      if (python === undefined) return [name, Math.round(median(ours)), '-', '-', target(name)];
      const theirs = rounds.theirs.map((round) => round[name.replace(', outside scopes', '')]);
      const ratios = ours.map((value, i) => value / theirs[i]);
      return [name, Math.round(median(ours)), Math.round(median(theirs)), median(ratios).toFixed(2), target(name)];
    }),
  );
}

const cases = [
  { name: 'resnet20', title: 'ResNet-20, 32x32', turns: 12, steps: 8, target: '0.92' },
  { name: 'kd-34-18', title: 'KD ResNet_CIFAR-34 -> 18, 32x32', turns: 8, steps: 4, target: '0.97' },
  { name: 'quickstart', title: "the quickstart's pair, 28x28", turns: 16, steps: 8, target: '0.85' },
];
const header = ['training step, batch 64', 'Retort ms', 'PyTorch ms', 'ratio', 'target', 'Retort MiB', 'PyTorch MiB'];
header.push('ratio', 'loss diff');
const warmUp = 1; // turns that fill caches and choose kernels

async function row({ name, title, turns, steps, target, ownWeights = false }, levers = '') {
  const [ours, theirs] = await training(name, quick ? 3 : turns, steps, levers);
  const label = levers === '' ? title : `${title}, ${levers.replaceAll(',', ' + ')}`;
  const time = ours.seconds.slice(warmUp);
  const shown = (seconds) => (1000 * median(seconds)).toFixed(1);
  if (theirs === undefined) return [label, shown(time), '-', '-', target, Math.round(ours.rssMiB), '-', '-', '-'];
  const other = theirs.seconds.slice(warmUp);
  const differences = ours.losses.slice(0, 20).map((loss, i) => Math.abs(loss / theirs.losses[i] - 1));
  return [
    label,
    shown(time),
    shown(other),
    median(time.map((seconds, i) => seconds / other[i])).toFixed(2),
    target,
    Math.round(ours.rssMiB),
    Math.round(theirs.rssMiB),
    (ours.rssMiB / theirs.rssMiB).toFixed(2),
    ownWeights ? '-' : Math.max(...differences).toExponential(1),
  ];
}

const plain = cases.filter(({ name }) => chosen(name));
if (plain.length > 0) {
  const rows = [];
  for (const one of plain) rows.push(await row(one));
  table(
    `Training, float32, contiguous, ${threads} threads, both with stock OpenBLAS kernels; memory is the peak of the process (target 0.90), loss diff the largest relative one of 20 steps`,
    header,
    rows,
  );
}

if (chosen('formats')) {
  const env = { ...process.env, ...(python === undefined ? {} : { RETORT_BENCH_PYTHON: python }) };
  spawnSync(process.execPath, ['formats.mjs', ...(quick ? ['--quick'] : [])], { stdio: 'inherit', cwd: here, env });
}

if (chosen('memory')) {
  print('\n500 training steps of the quickstart\n');
  spawnSync(process.execPath, ['memory.mjs'], { stdio: 'inherit', cwd: here });
}

if (chosen('plan')) {
  spawnSync(process.execPath, ['plan.mjs', ...(quick ? ['--quick'] : [])], {
    stdio: 'inherit',
    cwd: here,
    env: { ...process.env, RETORT_THREADS: threads },
  });
}

/** What our side has in the rows of `targets`, PyTorch's being contiguous float32 without any of it; and the target of the speed-up. */
const ways = {
  'exact (float32)': 'channels_last,plan-exact',
  'bfloat16 teacher': 'channels_last,plan-rounded',
  'warm cache': 'channels_last,cache',
  'all bfloat16': 'channels_last,bf16,plan-exact',
};
const pairs = [
  { name: 'kd-34-18', title: 'KD ResNet-34 -> 18, 32x32', turns: 5, steps: 3, targets: [1.08, 1.32, 1.7, 1.95] },
  { name: 'ofd-wrn', title: 'OFD WRN-28-4 -> 16-2, 32x32', turns: 6, steps: 4, targets: [1.16, 1.7, 3, 2.05] },
  {
    name: 'kd-34-18-224',
    title: 'KD ResNet-34 -> 18, 224x224, batch 8',
    turns: 5,
    steps: 3,
    targets: [1.1, 1.3, 1.65, 1.9],
  },
  { name: 'quickstart', title: "the quickstart's pair, 28x28", turns: 12, steps: 8, targets: [1.3, 1.4, 1.9, 1.9] },
  {
    ...{ name: 'kd-deit-224', title: 'KD DeiT-small -> DeiT-tiny, 224x224, batch 8, tuned BLAS', turns: 5, steps: 3 },
    ...{ targets: [1.5, 2, 2.5, 3], more: 'tuned-blas,' },
  },
];
for (const part of ['plan', 'cache']) {
  // Images a second beside the plain loop, all ways and PyTorch in turns.
  if (!chosen(part) || python === undefined) continue;
  const shown = Object.entries(ways).filter(([name]) => (name === 'warm cache') === (part === 'cache'));
  const rows = [];
  for (const { name, title, turns, steps, targets, more = '' } of pairs) {
    const [theirs] = sides(name, steps, '').slice(1);
    const ours = shown.map(([, levers]) => sides(name, steps, `${more}${levers}`)[0]);
    const [reference, ...own] = await inTurns([theirs, ...ours], quick ? 2 : turns, steps);
    rows.push([
      title,
      (1000 * median(reference.seconds.slice(warmUp))).toFixed(1),
      ...own.map(({ seconds, rssMiB }, i) => {
        const gain = median(seconds.slice(warmUp).map((one, turn) => reference.seconds[turn + warmUp] / one));
        const target = targets[Object.keys(ways).indexOf(shown[i][0])];
        return `${gain.toFixed(2)} (${target}; ${(rssMiB / reference.rssMiB).toFixed(2)})`;
      }),
    ]);
  }
  table(
    `Images a second over those of a plain loop of PyTorch (contiguous float32), ${threads} threads; in brackets the target, and peak memory over PyTorch's`,
    ['training step', 'PyTorch ms', ...shown.map(([name]) => name)],
    rows,
  );
}

for (const part of ['overhead', 'loader', 'see']) {
  if (!chosen(part)) continue;
  spawnSync(process.execPath, [`${part}.mjs`, ...(quick ? ['--quick'] : [])], {
    stdio: 'inherit',
    cwd: here,
    env: { ...process.env, RETORT_THREADS: threads },
  });
}

for (const part of ['busy', 'allocator', 'dashboard', 'time-to-accuracy']) {
  // By name alone: they take minutes, and want a machine on which nobody else computes.
  if (!wanted.includes(part)) continue;
  const env = { ...process.env, ...(python === undefined ? {} : { RETORT_BENCH_PYTHON: python }) };
  spawnSync(process.execPath, [`${part}.mjs`, ...args.slice(args.indexOf(part) + 1)], {
    stdio: 'inherit',
    cwd: here,
    env,
  });
}

if (chosen('export')) {
  spawnSync(process.execPath, ['export.mjs', ...(quick ? ['--quick'] : [])], { stdio: 'inherit', cwd: here });
}

if (chosen('levers')) {
  const rows = [];
  for (const one of cases) {
    for (const levers of ['tuned-blas', 'channels_last', 'bf16', 'channels_last,bf16']) {
      rows.push(await row({ ...one, turns: Math.ceil(one.turns / 2), target: '' }, levers));
    }
  }
  table('The same with levers that the first table leaves out; both sides have what the row names', header, rows);
}
