// Runs that other programs start: under the variables of each launcher two processes on this machine train as one does, with the
// batches of both. Runs the build in dist/. `RETORT_TORCHRUN` names a torchrun to start them with.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';

import { freePort } from '../src/cli/processes.ts';
import { readSafetensorsFile } from '../src/formats/index.ts';
import { engineInfo, groupFromEnvironment } from '../src/torch/index.ts';
import { commandFile } from './command.ts';
import { tinyExperiment, tinyImages, tinyNetwork } from './networks.ts';

beforeEach(({ skip }) => skip(!engineInfo().processes, 'libtorch came without Gloo'));

// Each run loads libtorch in two processes: on a busy machine that alone takes a while.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

let folder = '';
/** What one process makes of batches of 8. */
let alone = new Map<string, number[]>();

/** Without what a launcher has said to this process. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(SLURM|OMPI|PMI|MASTER|TORCHELASTIC)_|^(RANK|WORLD_SIZE)$/.test(name),
  ),
);

function start(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(command[0]!, command.slice(1), {
    cwd: folder,
    env: { ...environment, RETORT_THREADS: '1', NO_COLOR: '1', ...env },
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data) => (said.out += String(data)));
  child.stderr.on('data', (data) => (said.err += String(data)));
  return new Promise((done) => child.on('close', (code) => done({ code, ...said })));
}

const train = (batchSize: number, work: string): string[] => [
  process.execPath,
  ...[commandFile, 'train', `batch-${batchSize}.json`, '--work-dir', work, '--timeout', '60'],
];

function weights(work: string): Map<string, number[]> {
  const { tensors } = readSafetensorsFile(join(folder, work, 'student.safetensors'));
  return new Map([...tensors].map(([name, { data }]) => [name, [...new Float32Array(data.slice().buffer)]]));
}

function expectAsAlone(work: string): void {
  for (const [name, values] of weights(work)) {
    const worst = Math.max(...values.map((value, i) => Math.abs(value - alone.get(name)![i]!)));
    expect(worst, name).toBeLessThan(2e-5);
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-launchers-'));
  const network = tinyNetwork(4);
  // Without norms of batches, which see their own process's half only.
  const backbone = { ...(network['backbone'] as object), normCfg: { type: 'GN', numGroups: 2 } };
  for (const batchSize of [8, 4]) {
    const config = tinyExperiment({
      model: { type: 'Supervised', architecture: { ...network, backbone } },
      trainData: { ...tinyImages(32), batchSize },
    });
    writeFileSync(join(folder, `batch-${batchSize}.json`), JSON.stringify(config));
  }
  if (!engineInfo().processes) return;
  const { code, err } = await start(train(8, 'alone'));
  if (code !== 0) throw new Error(err);
  alone = weights('alone');
});
afterAll(() => rmSync(folder, { recursive: true }));

const launchers: Record<string, (rank: number, port: number) => Record<string, string>> = {
  'RANK and WORLD_SIZE': (rank, port) => ({
    ...{ RANK: String(rank), WORLD_SIZE: '2' },
    ...{ MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(port) },
  }),
  SLURM: (rank, port) => ({
    ...{ SLURM_PROCID: String(rank), SLURM_NTASKS: '2', SLURM_STEP_ID: '0', SLURM_TASK_PID: '1' },
    // Of this job the port is the free one, or at least one above those that are given to connections.
    ...{ SLURM_JOB_NODELIST: 'localhost', SLURM_JOB_ID: String(port), SLURM_LAUNCH_NODE_IPADDR: '192.0.2.1' },
  }),
  'Open MPI': (rank, port) => ({
    ...{ OMPI_COMM_WORLD_RANK: String(rank), OMPI_COMM_WORLD_SIZE: '2' },
    ...{ MASTER_ADDR: 'localhost', MASTER_PORT: String(port) },
  }),
  MPICH: (rank, port) => ({
    ...{ PMI_RANK: String(rank), PMI_SIZE: '2' },
    ...{ MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(port) },
  }),
};

it.each(Object.entries(launchers))('two processes by %s train as one', async (by, variables) => {
  const port = await freePort();
  const work = by.replaceAll(' ', '-');
  const ends = await Promise.all([0, 1].map((rank) => start(train(4, work), variables(rank, port))));
  for (const [rank, { code, out, err }] of ends.entries()) {
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`process ${rank} of 2, by ${by}, waits for the others at `);
  }
  expectAsAlone(work);
});

it('one task of SLURM trains alone, and so does the script of a job', async () => {
  const task = { SLURM_PROCID: '0', SLURM_NTASKS: '1', SLURM_JOB_ID: '7', SLURM_STEP_ID: '0', SLURM_TASK_PID: '1' };
  const one = await start(train(8, 'task'), task);
  expect(one).toMatchObject({ code: 0, err: '', out: expect.not.stringContaining('waits') as string });
  expectAsAlone('task');
  const { SLURM_STEP_ID: _, ...script } = { ...task, SLURM_NTASKS: '4' };
  const all = await start(train(8, 'script'), script);
  expect(all).toMatchObject({ code: 0, err: '' });
  expect(all.out).toMatch(/the job of SLURM has 4 tasks, but srun did not start this: it trains alone/);
});

it('ends at once where half of a group is described', async () => {
  const { code, err } = await start(train(4, 'half'), { SLURM_PROCID: '1' });
  expect(code).toBe(1);
  expect(err).toMatch(/SLURM_PROCID=1 is set, but SLURM_NTASKS is not/);
});

it('two processes by torchrun train as one', async ({ skip }) => {
  const torchrun = process.env['RETORT_TORCHRUN'] ?? '';
  skip(torchrun === '', 'RETORT_TORCHRUN names none');
  const port = await freePort();
  const options = ['--nnodes=1', '--nproc-per-node=2', `--master-port=${port}`, '--no-python'];
  const { code, out, err } = await start([torchrun, ...options, ...train(4, 'torchrun')]);
  expect(code, err).toBe(0);
  expect(out).toMatch(/process 1 of 2, by RANK and WORLD_SIZE, waits/);
  expectAsAlone('torchrun');
});

/** The code of a language in docs/several-machines.md, the first that there is. */
function documented(language: string): string {
  const text = readFileSync(new URL('../docs/several-machines.md', import.meta.url), 'utf8');
  return new RegExp(`\`\`\`${language}\\n(#!|apiVersion)([^]*?)\`\`\``).exec(text)!.slice(1).join('');
}

it('the file for SLURM trains as it is, and goes on when it is started again', async () => {
  const job = join(folder, 'job');
  const tools = join(job, 'tools');
  mkdirSync(join(job, 'node_modules/.bin'), { recursive: true });
  mkdirSync(tools);
  symlinkSync(commandFile, join(job, 'node_modules/.bin/retort'));
  const config = readFileSync(join(folder, 'batch-4.json'), 'utf8');
  writeFileSync(join(job, 'config.ts'), `export default ${config};\n`);
  writeFileSync(join(job, 'retort.sbatch'), documented('bash'));
  // Two tasks in place of four, as srun starts them: without its own options.
  const srun = `#!/bin/bash
    while [[ "$1" == --* ]]; do shift; done
    export SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_ID=0 SLURM_STEP_NODELIST=localhost
    SLURM_PROCID=1 "$@" & SLURM_PROCID=0 "$@" && wait $!`;
  writeFileSync(join(tools, 'srun'), srun, { mode: 0o755 });
  const env = {
    ...{ PATH: `${tools}:${process.env['PATH']}`, SLURM_SUBMIT_DIR: job, SLURM_CPUS_PER_TASK: '1' },
    ...{ SLURM_JOB_ID: String(await freePort()), SLURM_PROCID: '0', SLURM_NTASKS: '4', SLURM_TASK_PID: '1' },
  };
  const first = await start(['bash', join(job, 'retort.sbatch')], env);
  expect(first).toMatchObject({ code: 0, err: '' });
  expect(first.out).toMatch(/process 1 of 2, by SLURM, waits for the others at localhost:6/);
  expectAsAlone('job/runs/kd');
  const again = await start(['bash', join(job, 'retort.sbatch')], env);
  expect(again).toMatchObject({ code: 0, err: '' });
  expect(again.out).toMatch(/is finished, after 1 epoch/);
});

it('the file for Kubernetes describes a group', () => {
  const [service, job] = parseAllDocuments(documented('yaml')).map((one) => one.toJS() as Record<string, unknown>);
  const { name } = job!['metadata'] as { name: string };
  const { completions, parallelism, template } = job!['spec'] as {
    completions: number;
    parallelism: number;
    template: { spec: { subdomain: string; containers: [{ env: { name: string; value?: string }[] }] } };
  };
  const { subdomain, containers } = template.spec;
  const env = Object.fromEntries(containers[0].env.map((one) => [one.name, one.value ?? '3']));
  expect(groupFromEnvironment(env)).toMatchObject({
    rank: 3,
    worldSize: completions,
    address: `${name}-0.${subdomain}`,
  });
  expect(parallelism).toBe(completions);
  expect(service).toMatchObject({
    metadata: { name: subdomain },
    spec: { clusterIP: 'None', selector: { 'job-name': name }, ports: [{ port: Number(env['MASTER_PORT']) }] },
  });
});
