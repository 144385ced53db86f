// `node bench/recipe.mjs`: the quickstart's distillation as it is, with the teacher's norms not folded, and in two processes of one
// thread each (a batch of 128 in all). The runs take turns; images per second, medians and ratios to the first.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const config = fileURLToPath(new URL('../recipes/kd-fashion-mnist/config.ts', import.meta.url));
const rounds = process.argv.includes('--quick') ? 1 : 5;
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Options of `retort train`, then those of the config. */
const variants = {
  'the recipe': [[], []],
  'norms not folded': [[], ['model.foldTeacherNorms=false']],
  'two processes': [['--processes', '2'], ['trainData.batchSize=64']],
};

/** Images per second after 150 steps, loading and evaluating left out. */
function run([options, changes]) {
  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  const args = [main, 'train', config, '--no-probe', '--epochs', '1', '--work-dir', folder, ...options];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...args, '--cfg-options', 'maxSteps=150', ...changes],
    { encoding: 'utf8' },
  );
  rmSync(folder, { recursive: true });
  if (status !== 0) throw new Error(stderr);
  return Number([...stdout.matchAll(/(\d+) img\/s/g)].at(-1)[1]);
}

const rates = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, variant] of Object.entries(variants)) rates[name].push(run(variant));
}
const first = rates['the recipe'];
process.stdout.write('| variant          | images/s | ratio |\n|------------------|---------:|------:|\n');
for (const [name, values] of Object.entries(rates)) {
  const ratio = median(values.map((value, i) => value / first[i]));
  process.stdout.write(
    `| ${name.padEnd(16)} | ${String(median(values)).padStart(8)} | ${ratio.toFixed(2).padStart(5)} |\n`,
  );
}
