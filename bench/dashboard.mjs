// `npm run bench -- dashboard`: the dashboard over one run of 10^6 steps (a metrics.jsonl of about 300 MB): how long until it serves, until
// the list and the first chart are there, how long a zoom takes and what follows a new line, and what it holds in memory. The server is a
// process of its own, as `retort dashboard` is.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { median, table } from './common.mjs';

const quick = process.argv.includes('--quick');
const steps = quick ? 20_000 : 1_000_000;
const folder = mkdtempSync(join(tmpdir(), 'retort-dashboard-'));
const run = join(folder, 'long');
mkdirSync(run);
const path = join(run, 'metrics.jsonl');

const line = (step) =>
  `${JSON.stringify({
    ...{ kind: 'step', time: new Date(1.7e12 + 100 * step).toISOString(), step, epoch: Math.ceil(step / 390) },
    epochStep: ((step - 1) % 390) + 1,
    losses: { 'student.loss': 1 / step, 'distill.loss_kl': 2 / step + Math.sin(step), loss: 3 / step },
    ...{ lr: 0.1, gradNorm: 1, images: 128, imagesPerSecond: 1000, memory: 1e8, seconds: step / 10 },
  })}\n`;
const file = openSync(path, 'w');
for (let step = 1; step <= steps; step += 1000) {
  writeSync(file, Array.from({ length: Math.min(1000, steps - step + 1) }, (_, i) => line(step + i)).join(''));
}
closeSync(file);

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const began = performance.now();
const child = spawn(process.execPath, [main, 'dashboard', folder, '--port', '0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
let said = '';
for await (const piece of child.stdout) {
  said += piece;
  if (said.includes('token=')) break;
}
const served = performance.now() - began;
const url = /http:\/\/[\w.:/?=-]+/.exec(said)[0];
const { origin } = new URL(url);
const entered = await fetch(url, { redirect: 'manual' });
const headers = { cookie: entered.headers.get('set-cookie').split(';')[0] };

/** Milliseconds of a request, answer and all, and its bytes. */
async function asked(what) {
  const before = performance.now();
  const text = await (await fetch(`${origin}${what}`, { headers })).text();
  return { ms: performance.now() - before, bytes: text.length };
}
const times = async (what) => {
  const all = [];
  for (let i = 0; i < 9; i++) all.push(await asked(what));
  return { ms: median(all.map(({ ms }) => ms)), bytes: all[0].bytes };
};
const list = await times('/api/runs');
const chart = await times('/api/series?ids=long&axis=step&points=1200');
const zoom = await times(`/api/series?ids=long&axis=step&points=1200&from=${steps / 2}&to=${steps / 2 + steps / 100}`);
const follow = [];
for (let i = 1; i <= 9; i++) {
  appendFileSync(path, line(steps + i));
  follow.push((await asked('/api/runs')).ms);
}
const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024;
child.kill('SIGTERM');
await once(child, 'exit');
rmSync(folder, { recursive: true });
const shown = ({ ms, bytes }) => [ms.toFixed(1), (bytes / 1024).toFixed(0)];
table(
  `The dashboard over a run of ${steps.toLocaleString('en-US')} steps`,
  ['what', 'ms', 'KiB'],
  [
    ['from its start until it serves: all lines are read', served.toFixed(0), ''],
    ['the list of runs', ...shown(list)],
    ['all curves, 1200 points each', ...shown(chart)],
    ['all curves of a hundredth of it', ...shown(zoom)],
    ['the list after a new line', median(follow).toFixed(1), ''],
    ['resident memory of the server', '', (1024 * memory).toFixed(0)],
  ],
);
