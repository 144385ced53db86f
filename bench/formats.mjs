// `npm run bench -- formats`: reads a `.pth` of 100 MB, ours against torch.load, in processes of their own that take turns; writes it too.
// Times are medians of turns with the file in the page cache; memory is how much a process grew at its peak while it read.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [role, file] = process.argv.slice(2);

/** A line of /proc/self/status in MiB. */
const statusMiB = (name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

if (role === 'ours') {
  const { tidy } = await import('retort-kd/torch');
  const { loadTensors, saveTensors } = await import('retort-kd/nn');
  tidy(() => loadTensors(`${file}.small.pth`));
  const before = statusMiB('VmRSS');
  writeFileSync('/proc/self/clear_refs', '5');
  const start = performance.now();
  tidy(() => {
    const { tensors } = loadTensors(file);
    const read = performance.now() - start;
    const grown = statusMiB('VmHWM') - before;
    const again = performance.now();
    saveTensors(`${file}.ours.pth`, tensors);
    process.stdout.write(`${JSON.stringify({ read, grown, write: performance.now() - again })}\n`);
  });
} else {
  await compare(process.env.RETORT_BENCH_PYTHON ?? 'python3', process.argv.includes('--quick') ? 3 : 11);
}

async function compare(python, turns) {
  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  const path = join(folder, 'model.pth');
  const theirs = `
import os, sys, time, torch
path = sys.argv[1]
def status(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1024
torch.load(path + ".small.pth", weights_only=True)
before = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
start = time.perf_counter()
state = torch.load(path, weights_only=True)
read = time.perf_counter() - start
grown = status("VmHWM") - before
start = time.perf_counter()
torch.save(state, path + ".theirs.pth")
with open(path + ".theirs.pth") as f:
    os.fsync(f.fileno())
print('{"read": %f, "grown": %f, "write": %f}' % (1000 * read, grown, 1000 * (time.perf_counter() - start)))
`;
  try {
    const { ops, tidy } = await import('retort-kd/torch');
    const { saveTensors } = await import('retort-kd/nn');
    tidy(() => {
      const sizes = [
        ...Array.from({ length: 60 }, (_, i) => [64 + 4 * i, 64, 3, 3]),
        ...Array.from({ length: 200 }, (_, i) => [64 + i]),
      ];
      const rest = 25_000_000 - sizes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
      const state = Object.fromEntries(
        [...sizes, [4, Math.floor(rest / 4)]].map((shape, i) => [`layer${i}.weight`, ops.rand(shape)]),
      );
      saveTensors(path, state);
      saveTensors(`${path}.small.pth`, { w: ops.rand([3]) });
    });
    const measured = (command, args) => {
      const { status, stdout, stderr } = spawnSync(command, [...args, path], { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout);
    };
    const mine = [fileURLToPath(import.meta.url), 'ours'];
    const hasTorch = spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0;
    const rounds = Array.from({ length: turns }, () => ({
      ours: measured(process.execPath, mine),
      ...(hasTorch ? { theirs: measured(python, ['-c', theirs]) } : {}),
    }));
    const size = statSync(path).size / 2 ** 20;
    const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
    const line = (name, of, target = '') => {
      const ours = rounds.map((round) => of(round.ours));
      const theirs = hasTorch ? rounds.map((round) => of(round.theirs)) : undefined;
      const ratio = theirs && median(ours.map((one, i) => one / theirs[i]));
      const cells = [median(ours), theirs && median(theirs), ratio].map((cell) => cell?.toFixed(2) ?? '-');
      process.stdout.write(`| ${[name, ...cells, target].join(' | ')} |\n`);
    };
    process.stdout.write(
      `\nA .pth of ${size.toFixed(0)} MiB, medians of ${turns} turns\n\n| | Retort | PyTorch | ratio | target |\n|---|--:|--:|--:|--:|\n`,
    );
    line('read, ms', ({ read }) => read, 'ratio 1.20');
    line('peak memory / size of the file', ({ grown }) => grown / size, '1.30');
    line('write and sync, ms', ({ write }) => write);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
