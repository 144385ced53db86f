// `npm run bench -- allocator`: what each piece of the addon's allocator is worth. The same steps with tensors from our blocks, from our
// blocks without one piece, and from malloc: glibc's, glibc's told to keep what it is given, jemalloc and mimalloc (Debian's libjemalloc2 and
// libmimalloc2.0, loaded before everything else; left out where they are not installed). Each is a process of its own; they take turns.
// Milliseconds a step and in brackets the median of the ratios to ours in the same turn; page faults a step once warm; peak memory. The time is
// the processor's, of one thread, which programs beside this one disturb least.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const quick = process.argv.includes('--quick');
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const print = (text) => process.stdout.write(`${text}\n`);

const libraries = '/usr/lib/x86_64-linux-gnu';
const keep = 'glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=17179869184';
const preloaded = Object.entries({ jemalloc: 'libjemalloc.so.2', mimalloc: 'libmimalloc.so.2' }).flatMap(
  ([name, file]) => {
    const path = `${libraries}/${file}`;
    if (existsSync(path)) return [[name, { RETORT_ALLOCATOR: 'malloc', LD_PRELOAD: path }]];
    print(`${name} is left out: there is no ${path}`);
    return [];
  },
);
const variants = Object.entries({
  ours: {},
  'ours, small pages': { RETORT_ALLOCATOR: 'small,large' },
  'ours, small blocks from malloc': { RETORT_ALLOCATOR: 'large,huge' },
  'ours, large blocks from malloc': { RETORT_ALLOCATOR: 'small' },
  glibc: { RETORT_ALLOCATOR: 'malloc' },
  'glibc, keeps all': { RETORT_ALLOCATOR: 'malloc', GLIBC_TUNABLES: keep },
  'glibc, keeps all, huge pages': { RETORT_ALLOCATOR: 'malloc', GLIBC_TUNABLES: `${keep}:glibc.malloc.hugetlb=1` },
  ...Object.fromEntries(preloaded),
});

/** A process that does a step when asked. */
function start(what, env) {
  const child = spawn(process.execPath, ['node-side.mjs', what, '0', '', '1'], {
    cwd: here,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await lines.next()).value);
  return { step: () => (child.stdin.write('step\n'), answer()), end: () => (child.stdin.end(), answer()) };
}

const cases = [
  { name: 'quickstart', title: "the quickstart's pair, 28x28, batch 64", turns: 10, steps: 12 },
  { name: 'kd-34-18', title: 'KD ResNet_CIFAR-34 -> 18, 32x32, batch 64', turns: 3, steps: 3 },
  { name: 'evaluation', title: 'evaluation of ResNet-20, 32x32, batch 64', turns: 10, steps: 12 },
  { name: 'small-tensors', title: '2000 additions, 4 bytes to 40 kB', turns: 20, steps: 40 },
];
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
for (const { name, title, turns, steps } of cases) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const rows = variants.map(([label, env]) => ({ label, side: start(name, env), seconds: [], faults: [] }));
  for (let turn = 0; turn < (quick ? 3 : turns); turn++) {
    for (const { side, seconds, faults } of rows) {
      const done = [];
      for (let step = 0; step < steps; step++) done.push(await side.step());
      if (turn === 0) continue; // fills caches, chooses kernels
      const [first, last] = [done[0], done.at(-1)];
      seconds.push(median(done.slice(1).map(({ cpuSeconds }, i) => cpuSeconds - done[i].cpuSeconds)));
      faults.push((last.pageFaults - first.pageFaults) / (steps - 1));
    }
  }
  const width = Math.max(...rows.map(({ label }) => label.length));
  print(`\n${title}, one thread\n`);
  print(`| ${'tensors from'.padEnd(width)} | CPU ms (ratio) | page faults | peak MiB |`);
  print(`|${'-'.repeat(width + 2)}|${'-'.repeat(15)}:|${'-'.repeat(12)}:|${'-'.repeat(9)}:|`);
  for (const { label, side, seconds, faults } of rows) {
    const { rssMiB } = await side.end();
    const ratio = median(seconds.map((value, i) => value / rows[0].seconds[i])).toFixed(2);
    const time = `${(1000 * median(seconds)).toFixed(1)} (${ratio})`;
    const cells = [time.padStart(14), median(faults).toFixed(0).padStart(11), rssMiB.toFixed(0).padStart(8)];
    print(`| ${label.padEnd(width)} | ${cells.join(' | ')} |`);
  }
}
