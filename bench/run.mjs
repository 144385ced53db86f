// `npm run bench`: Retort beside PyTorch on the same libtorch. Every measurement is a process of its own, ours and Python's in
// turn (A B A B); medians and their ratios are printed. Where Debian's python3-torch is missing, our side runs alone.
//   npm run bench -- --quick     fewer runs, for a look      npm run bench -- operators resnet20    some parts only: operators,
//   resnet20, kd-34-18, quickstart, memory, levers
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const args = process.argv.slice(2);
const quick = args.includes('--quick');
const wanted = args.filter((arg) => !arg.startsWith('--'));
const rounds = quick ? 1 : 3;
const threads = String(availableParallelism());

/** A python3 that can import torch; Debian's first, because it is the same libtorch. */
const python = ['/usr/bin/python3', 'python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);
/** Where Python finds the BLAS that our addon links, for the rows in which both are tuned. */
const blas = '/usr/lib/x86_64-linux-gnu/openblas-openmp';

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

function run(command, commandArgs, env = {}) {
  const result = spawnSync(command, commandArgs, { encoding: 'utf8', env: { ...process.env, ...env }, cwd: here });
  if (result.status !== 0) throw new Error(`${command} ${commandArgs.join(' ')}:\n${result.stderr}`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1));
}

/** Runs one case on both sides in turn. */
function interleaved(name, steps, levers = '') {
  const tuned = levers.includes('tuned-blas') ? { OPENBLAS_CORETYPE: 'SKYLAKEX', LD_LIBRARY_PATH: blas } : {};
  const sides = { node: [], python: [] };
  for (let round = 0; round < rounds; round++) {
    sides.node.push(run(process.execPath, ['node-side.mjs', name, String(steps), levers, threads]));
    if (python !== undefined)
      sides.python.push(run(python, ['torch_side.py', name, String(steps), levers, threads], tuned));
  }
  return sides;
}

function table(title, header, rows) {
  const cells = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  process.stdout.write(`\n${title}\n\n${[line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')}\n`);
}

const ratio = (a, b) => (b === undefined ? '-' : (a / b).toFixed(2));
const chosen = (name) => wanted.length === 0 || wanted.includes(name);

if (python === undefined)
  process.stdout.write('python3-torch is missing (apt-get install python3-torch): our side alone\n');

if (chosen('operators')) {
  const { node, python: other } = interleaved('operators', quick ? 20_000 : 200_000);
  const names = Object.keys(node[0].operators);
  const target = (name) => (name.includes('outside') ? '' : name.includes('gradients') ? '1.00' : '0.85');
  table(
    'Overhead of one operator on one element, ns (ours inside a scope, as in every module and training step)',
    ['operator', 'Retort', 'PyTorch', 'ratio', 'target'],
    names.map((name) => {
      const ours = median(node.map((side) => side.operators[name]));
      const theirs =
        other.length > 0
          ? median(other.map((side) => side.operators[name.replace(', outside scopes', '')]))
          : undefined;
      return [
        name,
        Math.round(ours),
        theirs === undefined ? '-' : Math.round(theirs),
        ratio(ours, theirs),
        target(name),
      ];
    }),
  );
}

const cases = [
  { name: 'resnet20', title: 'ResNet-20, 32x32', steps: 30, target: '0.92' },
  { name: 'kd-34-18', title: 'KD ResNet_CIFAR-34 -> 18, 32x32', steps: 20, target: '0.97' },
  { name: 'quickstart', title: "the quickstart's pair, 28x28", steps: 60, target: '0.85' },
];

function trainingRow({ name, title, steps, target }, levers) {
  const { node, python: other } = interleaved(name, steps, levers);
  // The first steps warm caches and pick kernels.
  const step = (sides) => (sides.length === 0 ? undefined : median(sides.map((side) => median(side.times.slice(5)))));
  const rss = (sides) => (sides.length === 0 ? undefined : median(sides.map((side) => side.rssMiB)));
  const [ours, theirs] = [step(node), step(other)];
  const differences =
    other.length === 0 ? [] : node[0].losses.slice(0, 20).map((loss, i) => Math.abs(loss / other[0].losses[i] - 1));
  return [
    levers === '' ? title : `${title}, ${levers.replaceAll(',', ' + ')}`,
    (ours * 1000).toFixed(1),
    theirs === undefined ? '-' : (theirs * 1000).toFixed(1),
    ratio(ours, theirs),
    target,
    Math.round(rss(node)),
    rss(other) === undefined ? '-' : Math.round(rss(other)),
    ratio(rss(node), rss(other)),
    differences.length === 0 ? '-' : Math.max(...differences).toExponential(1),
  ];
}

const header = [
  'training step, batch 64',
  'Retort ms',
  'PyTorch ms',
  'ratio',
  'target',
  'Retort MiB',
  'PyTorch MiB',
  'ratio',
  'loss diff',
];
const plain = cases.filter(({ name }) => chosen(name));
if (plain.length > 0) {
  table(
    `Training, float32, contiguous, ${threads} threads, both with stock OpenBLAS kernels; memory is the peak of the process (target 0.90), loss diff the largest relative one of 20 steps`,
    header,
    plain.map((one) => trainingRow(one, '')),
  );
}

if (chosen('memory')) {
  process.stdout.write('\n500 training steps of the quickstart\n\n');
  spawnSync(process.execPath, ['memory.mjs'], { stdio: 'inherit', cwd: here });
}

if (chosen('levers')) {
  const rows = [];
  for (const one of cases) {
    if (quick && one.name === 'kd-34-18') continue;
    for (const levers of ['tuned-blas', 'channels_last', 'bf16', 'channels_last,bf16']) {
      rows.push(trainingRow({ ...one, target: '' }, levers));
    }
  }
  table('The same with levers that the first table leaves out; both sides have what the row names', header, rows);
}
