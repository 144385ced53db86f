// Proves that runs on several machines are what the documents say: two hosts made on this one, each a network namespace with an
// address of its own, joined by a cable (veth).
//   npm run prove:machines [-- --keep]
// trained together they end as one process does; when the cable is cut, both end with a message within their timeout, and the run goes on in
// another number of processes; over a slow cable they still end the same. Needs root and iproute2 (`ip netns`), and for the slow
// cable a kernel with netem; what cannot be had is said. --keep leaves the folder there.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { root } from './paths.mjs';
import { capture, which } from './processes.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @typedef {{ code: number | null, out: string, err: string, seconds: number }} Ended */

const main = join(root, 'dist/cli/main.js');
const hosts = /** @type {const} */ ([
  { name: `retort-a-${process.pid}`, cable: `rta${process.pid}`, address: '10.211.77.1' },
  { name: `retort-b-${process.pid}`, cable: `rtb${process.pid}`, address: '10.211.77.2' },
]);
const port = '29511';
/** In seconds: how long a process waits for one that does not answer. */
const timeout = 8;

/** Without what a launcher has said to this process. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(SLURM|OMPI|PMI|MASTER|TORCHELASTIC|GLOO)_|^(RANK|WORLD_SIZE)$/.test(name),
    ),
  ),
  RETORT_THREADS: '1',
  NO_COLOR: '1',
};

/** @param {string[]} args */
function ip(...args) {
  const { ok, output } = capture('ip', args);
  if (!ok)
    throw new ToolError(`ip ${args.join(' ')}: ${output}`, 'run it as root, where network namespaces may be made');
}

function makeHosts() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new ToolError('network namespaces are made by root', 'run it as root: sudo npm run prove:machines');
  }
  if (which('ip') === undefined) throw new ToolError('there is no `ip`', 'apt-get install iproute2');
  const [a, b] = hosts;
  for (const { name } of hosts) ip('netns', 'add', name);
  ip('link', 'add', a.cable, 'netns', a.name, 'type', 'veth', 'peer', 'name', b.cable, 'netns', b.name);
  for (const { name, cable, address } of hosts) {
    ip('-n', name, 'address', 'add', `${address}/24`, 'dev', cable);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'link', 'set', cable, 'up');
  }
}

function removeHosts() {
  for (const { name } of hosts) capture('ip', ['netns', 'delete', name]);
}

/**
 * Starts `retort train` and waits for its end.
 * @param {string} cwd
 * @param {string[]} args
 * @param {{ rank?: number, env?: NodeJS.ProcessEnv, onOutput?: (out: string) => void }} [options] `rank`: on which host
 * @returns {Promise<Ended>}
 */
function train(cwd, args, { rank, env = {}, onOutput } = {}) {
  const host = rank === undefined ? undefined : hosts[/** @type {0 | 1} */ (rank)];
  const command = [...(host ? ['ip', 'netns', 'exec', host.name] : []), process.execPath, main, 'train', ...args];
  const began = performance.now();
  const child = spawn(command[0] ?? '', command.slice(1), { cwd, env: { ...environment, ...env } });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data) => {
    said.out += String(data);
    onOutput?.(said.out);
  });
  child.stderr.on('data', (data) => (said.err += String(data)));
  return new Promise((done) =>
    child.on('close', (code) => done({ code, ...said, seconds: (performance.now() - began) / 1000 })),
  );
}

/**
 * Starts the same on both hosts.
 * @param {string} cwd
 * @param {string[]} args
 * @param {(rank: number) => NodeJS.ProcessEnv} env
 * @param {(out: string) => void} [onOutput] of the first
 */
function onBoth(cwd, args, env, onOutput) {
  return Promise.all(
    [0, 1].map((rank) => train(cwd, args, { rank, env: env(rank), ...(rank === 0 && onOutput ? { onOutput } : {}) })),
  );
}

/** @param {number} rank */
const byRank = (rank) => ({ RANK: `${rank}`, WORLD_SIZE: '2', MASTER_ADDR: hosts[0].address, MASTER_PORT: port });
/** @param {number} rank */
const bySlurm = (rank) => ({
  ...{
    SLURM_PROCID: `${rank}`,
    SLURM_STEP_NUM_TASKS: '2',
    SLURM_STEP_ID: '0',
    SLURM_TASK_PID: '1',
    SLURM_JOB_ID: '4711',
  },
  SLURM_STEP_NODELIST: hosts.map(({ address }) => address).join(','),
});

/** @param {number} batchSize @param {object} changes */
function experiment(batchSize, changes = {}) {
  // Without norms of batches, which see their own process's half only.
  const backbone = {
    ...{
      type: 'ResNet_CIFAR',
      depth: 18,
      stageBlocks: [1],
      numStages: 1,
      inChannels: 1,
      stemChannels: 4,
      baseChannels: 4,
    },
    ...{ zeroInitResidual: false, normCfg: { type: 'GN', numGroups: 2 } },
  };
  const head = { type: 'LinearClsHead', numClasses: 4, inChannels: 4 };
  const images = {
    dataset: { type: 'SyntheticImages', samples: 256 },
    transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
  };
  return JSON.stringify({
    model: {
      type: 'Supervised',
      architecture: { type: 'ImageClassifier', backbone, neck: { type: 'GlobalAveragePooling' }, head },
    },
    trainData: { ...images, batchSize },
    valData: { ...images, batchSize: 64 },
    optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9 },
    epochs: 2,
    ...changes,
  });
}

/**
 * How far the numbers of two runs' students lie apart (safetensors: the header's length, the header, float32 behind it).
 * @param {string} one
 * @param {string} other
 */
function distance(one, other) {
  const [a, b] = [one, other].map((folder) => {
    const bytes = readFileSync(join(folder, 'student.safetensors'));
    return new Float32Array(new Uint8Array(bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)))).buffer);
  });
  if (a === undefined || b === undefined || a.length !== b.length) return Infinity;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? NaN))), 0);
}

let [passed, failed] = [0, 0];

/** @param {string} what @param {boolean} holds @param {string} found */
function check(what, holds, found) {
  if (holds) passed++;
  else failed++;
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}: ${found}`);
}

const tolerance = 5e-5;

/** @param {string} folder @param {string} name @param {(rank: number) => NodeJS.ProcessEnv} env @param {string} what */
async function equalToOne(folder, name, env, what) {
  const ends = await onBoth(folder, ['half.json', '--work-dir', name, '--timeout', '60'], env);
  const fine = ends.every(({ code, err }) => code === 0 && err === '');
  if (!fine) return check(what, false, ends.map(({ code, err }) => `exit code ${code}, ${err.trim()}`).join('; '));
  const worst = distance(join(folder, name), join(folder, 'alone'));
  const seconds = Math.max(...ends.map((one) => one.seconds));
  return check(what, worst < tolerance, `weights differ by ${worst.toExponential(1)} at most, ${seconds.toFixed(1)} s`);
}

/** @param {string} folder */
async function lostHost(folder) {
  let cut = 0;
  const [, b] = hosts;
  const ends = await onBoth(folder, ['long.json', '--work-dir', 'lost', '--timeout', `${timeout}`], byRank, (out) => {
    if (cut > 0 || !/epoch 1\/4 {2}step +([2-9]\d|\d{3})\//.test(out)) return;
    ip('-n', b.name, 'link', 'set', b.cable, 'down');
    cut = performance.now();
  });
  const [first] = ends;
  const waited = (performance.now() - cut) / 1000;
  const said = first?.err.trim().replaceAll('\n', ' ') ?? '';
  check(
    'a lost host: the others end with a message',
    cut > 0 && ends.every(({ code }) => code === 1),
    `exit codes ${ends.map(({ code }) => code).join(', ')}`,
  );
  check(
    '... that says so, and where to go on',
    /lost another one/.test(said) && /is saved up to epoch/.test(said),
    said,
  );
  check(
    `... within the timeout of ${timeout} s`,
    waited < timeout + 5,
    `${waited.toFixed(1)} s after the cable was cut`,
  );
  const { code, out, err } = await train(folder, ['--resume', 'lost', '--processes', '1']);
  const resumed = /resumed in .*/.exec(out)?.[0] ?? err.trim();
  check(
    'the run goes on in one process',
    code === 0 && resumed.startsWith('resumed in 1 process, it was in 2'),
    resumed,
  );
}

runTool('prove-machines', async () => {
  const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
  const folder = mkdtempSync(join(tmpdir(), 'retort-machines-'));
  try {
    makeHosts();
    writeFileSync(join(folder, 'whole.json'), experiment(16));
    writeFileSync(join(folder, 'half.json'), experiment(8));
    const images = {
      dataset: { type: 'SyntheticImages', samples: 4096 },
      batchSize: 4,
      transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
    };
    writeFileSync(join(folder, 'long.json'), experiment(4, { trainData: images, epochs: 4, saveInterval: 10 }));
    const alone = await train(folder, ['whole.json', '--work-dir', 'alone']);
    if (alone.code !== 0) throw new ToolError(`one process does not train: ${alone.err}`, 'npm start says more');
    await equalToOne(folder, 'together', byRank, 'two hosts, by RANK and WORLD_SIZE, end as one process');
    await equalToOne(folder, 'slurm', bySlurm, 'two hosts, by SLURM, end as one process');
    const slow = hosts.map(({ name, cable }) =>
      capture('tc', ['-n', name, 'qdisc', 'add', 'dev', cable, 'root', 'netem', 'delay', '5ms', 'rate', '50mbit']),
    );
    if (slow.every(({ ok }) => ok)) {
      await equalToOne(folder, 'slow', byRank, 'over a cable of 50 Mbit/s and 5 ms each way too');
      for (const { name, cable } of hosts) capture('tc', ['-n', name, 'qdisc', 'del', 'dev', cable, 'root']);
    } else console.log(`not run: a slow cable (tc netem): ${slow.find(({ ok }) => !ok)?.output}`);
    await lostHost(folder);
  } finally {
    removeHosts();
    if (values.keep) console.log(`the folder is ${folder}`);
    else rmSync(folder, { recursive: true });
  }
  console.log(`\nprove-machines: ${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
});
