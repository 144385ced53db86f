// `node bench/processes.mjs`: the quickstart's distillation in one process and in two, each with all threads between them and a
// batch of 128 in all. The runs take turns; images per second at the end of each, their medians and ratios.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const config = fileURLToPath(new URL('../recipes/kd-fashion-mnist/config.ts', import.meta.url));
const rounds = process.argv.includes('--quick') ? 1 : 5;
const steps = 150;
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Images per second in steps, without loading and evaluating: what the run's last line says. */
function run(processes) {
  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  const options = [`maxSteps=${steps}`, `trainData.batchSize=${128 / processes}`];
  const args = ['train', config, '--no-probe', '--epochs', '1', '--work-dir', folder, '--processes', String(processes)];
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args, '--cfg-options', ...options], {
    encoding: 'utf8',
  });
  rmSync(folder, { recursive: true });
  if (status !== 0) throw new Error(stderr);
  const rates = [...stdout.matchAll(/(\d+) img\/s/g)].map(([, rate]) => Number(rate));
  return rates.at(-1);
}

const rates = { 1: [], 2: [] };
for (let round = 0; round < rounds; round++) for (const processes of [1, 2]) rates[processes].push(run(processes));
const ratio = median(rates[2].map((rate, i) => rate / rates[1][i]));
process.stdout.write(
  `one process: ${median(rates[1])} images/s, two: ${median(rates[2])}, ratio ${ratio.toFixed(2)}\n`,
);
