// `npm run bench -- busy`: steps of the quickstart's pair beside programs that keep cores busy, and two runs side by side. Ours as it is
// (threads follow what others leave), ours with RETORT_THREADS, PyTorch; milliseconds a step, and in brackets the ratio to the same
// program on the quiet machine. The sides take turns; the first seconds of a turn, in which threads are given up, do not count. Turns in
// which programs that this one did not start used more than a tenth of a core are made again.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const quick = process.argv.includes('--quick');
const rounds = quick ? 1 : 3;
const [settle, measured] = [2, 1.8]; // seconds
const tries = process.argv.includes('--patient') ? 12 : 1;
const batch = '128';
const cores = availableParallelism();
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const print = (text) => process.stdout.write(`${text}\n`);

const python = [process.env.RETORT_BENCH_PYTHON, '/usr/bin/python3', 'python3'].find(
  (command) => command !== undefined && spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

/** Seconds of work: of all programs, and of one process with all its threads. */
const ofMachine = () => {
  const [user, nice, system, , , hard, soft] = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))[1].split(' ');
  return [user, nice, system, hard, soft].reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
};
const ofProcess = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

/** A process that does a step for every line it reads. */
function start([command, args]) {
  const child = spawn(command, args, { cwd: here, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** Steps without a pause; the mean seconds of those after `settle`. */
  const turn = async () => {
    const [began, ends] = [performance.now(), []];
    const since = () => (performance.now() - began) / 1000;
    for (let ahead = 2; ahead > 0; ahead--) child.stdin.write('step\n');
    for (let ahead = 2; ahead > 0; ahead--) {
      await lines.next();
      if (since() > settle) ends.push(since());
      if (since() > settle + measured && ends.length > 3) continue;
      child.stdin.write('step\n');
      ahead++;
    }
    return (ends.at(-2) - ends[0]) / (ends.length - 2);
  };
  return { pid: child.pid, turn, end: () => void child.kill() };
}

const ours = (threads) => [process.execPath, ['node-side.mjs', 'quickstart', '0', '', threads, batch]];
const sides = {
  Retort: ours('auto'),
  [`Retort, RETORT_THREADS=${cores}`]: ours(String(cores)),
  ...(python === undefined
    ? {}
    : { PyTorch: [python, ['torch_side.py', 'quickstart', '0', '', String(cores), batch]] }),
};
if (python === undefined) print('python3-torch is missing (apt-get install python3-torch): our side alone');

const busy = (count) =>
  Array.from({ length: count }, () => {
    const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    return { pid: child.pid, end: () => void child.kill('SIGKILL') };
  });
let disturbed = 0;

/** Milliseconds a step of processes that run at once, when nobody else used the machine. */
async function turnOf(running, beside) {
  let [best, least] = [NaN, Infinity];
  for (let attempt = 0; attempt < tries && least > 0.1; attempt++) {
    if (attempt > 0) await wait(1000);
    const known = [process.pid, ...running, ...beside].map((one) => one.pid ?? one);
    const work = () => ofMachine() - known.reduce((sum, pid) => sum + ofProcess(pid), 0);
    const [before, began] = [work(), performance.now()];
    const seconds = await Promise.all(running.map(({ turn }) => turn()));
    const others = (work() - before) / ((performance.now() - began) / 1000);
    if (others >= least) continue;
    [best, least] = [(1000 * seconds.reduce((sum, one) => sum + one, 0)) / seconds.length, others];
  }
  if (least > 0.1) disturbed++;
  return best;
}

const loads = { quiet: 0, 'one core busy': 1, ...(cores > 1 ? { [`all ${cores} cores busy`]: cores } : {}) };
const twins = 'two side by side';
const conditions = [...Object.keys(loads), twins];
const running = Object.fromEntries(Object.entries(sides).map(([name, side]) => [name, [start(side), start(side)]]));
const times = Object.fromEntries(Object.keys(sides).map((name) => [name, conditions.map(() => [])]));
for (let round = 0; round < rounds; round++) {
  for (const [i, condition] of conditions.entries()) {
    const beside = busy(loads[condition] ?? 0);
    for (const [name, both] of Object.entries(running)) {
      times[name][i].push(await turnOf(condition === twins ? both : both.slice(0, 1), beside));
    }
    for (const one of beside) one.end();
  }
}
for (const both of Object.values(running)) for (const one of both) one.end();

print(
  `\nThe quickstart's pair, batch ${batch}, ${cores} cores: ms a step (ratio to quiet), medians of ${rounds} turns\n`,
);
const width = Math.max(...Object.keys(sides).map((name) => name.length));
print(`| ${''.padEnd(width)} | ${conditions.map((name) => name.padStart(16)).join(' | ')} |`);
print(`|${'-'.repeat(width + 2)}|${conditions.map(() => `${'-'.repeat(17)}:`).join('|')}|`);
for (const [name, all] of Object.entries(times)) {
  const cells = all.map((values) => {
    const ratio = median(values.map((value, i) => value / all[0][i]));
    return `${median(values).toFixed(1)} (${ratio.toFixed(2)})`.padStart(16);
  });
  print(`| ${name.padEnd(width)} | ${cells.join(' | ')} |`);
}
if (disturbed > 0) print(`\n${disturbed} turns were disturbed by other programs to the last: not a quiet machine`);
