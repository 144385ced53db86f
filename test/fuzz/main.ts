// `npm run fuzz -- NAME...`: tries random inputs until something happens that must not, and prints the smallest case as lines to
// paste. Ends with 1 when something was found.
//   npm run fuzz                          every fuzzer of this folder
//   npm run fuzz -- operators --calls 200000 --seed 7 --only conv
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { fuzz } from './driver.ts';

const infrastructure = new Set(['child', 'driver', 'fuzzer', 'main']);
const names = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .filter((name) => !infrastructure.has(name));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { calls: { type: 'string' }, seed: { type: 'string', default: '1' }, only: { type: 'string' } },
});
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const unknown = positionals.find((name) => !names.includes(name));
const calls = values.calls === undefined ? undefined : Number(values.calls);
if (unknown !== undefined || (calls !== undefined && !(Number.isInteger(calls) && calls > 0))) {
  print(
    unknown === undefined
      ? `--calls: a positive integer was expected, got "${values.calls}"`
      : `unknown fuzzer "${unknown}"; there are: ${names.join(', ')}`,
  );
  process.exit(2);
}

let found = 0;
for (const name of positionals.length > 0 ? positionals : names) {
  const report = await fuzz({ fuzzer: name, calls, seed: values.seed, only: values.only, log: print });
  found += report.found.length;
  print(
    `${name}: ${report.taken} taken, ${report.refused} refused, ${report.found.length} faults (seed ${values.seed})`,
  );
}
process.exitCode = found > 0 ? 1 : 0;
