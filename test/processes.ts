// Runs a function in several processes that have joined one group (the build in dist/).
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { freePort } from '../src/cli/processes.ts';
import type * as torch from '../src/torch/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

type Load = (name: string) => Promise<Record<string, unknown>>;
type Body<T> = (group: torch.ProcessGroup, engine: typeof torch, load: Load) => T | Promise<T>;

/**
 * What `body` returns in each of `count` processes, by rank: JSON, or `{ error }` where it throws.
 * @param body is passed as text: it must refer to nothing but its arguments, of which `load` imports a module.
 */
export async function inProcesses<T>(count: number, body: Body<T>): Promise<(T | { error: string })[]> {
  const port = await freePort();
  const source = (rank: number): string => `
    import * as torch from 'retort-kd/torch';
    const group = torch.joinProcessGroup({ rank: ${rank}, worldSize: ${count}, port: ${port}, timeout: 20 });
    let result;
    try {
      result = await (${body.toString()})(group, torch, (name) => import(name));
    } catch (error) {
      result = { error: error.message };
    }
    process.stdout.write(JSON.stringify(result ?? null));
  `;
  return Promise.all(Array.from({ length: count }, (_, rank) => evaluate<T>(source(rank))));
}

async function evaluate<T>(source: string): Promise<T> {
  const env = { ...process.env, RETORT_THREADS: '1' };
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { cwd: root, env });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (output.stdout += data));
  child.stderr.on('data', (data) => (output.stderr += data));
  await new Promise((done) => child.on('close', done));
  if (output.stdout === '') throw new Error(`the process printed nothing; ${output.stderr}`);
  return JSON.parse(output.stdout) as T;
}
