// The same training steps on several libtorches, in turns of a few steps: how much faster or slower a newer one is.
//   node bench/libtorch.mjs [--addon FILE ...] [--root DIR ...] [--threads N] [CASE ...]
// The first side is this clone's addon. --addon names another one (RETORT_LIBTORCH=DIR node tools/build-native.mjs --out build/other builds
// it), --root a Debian root that tools/debian-root.mjs has filled, which takes root. Cases: resnet20, kd-34-18, quickstart.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    addon: { type: 'string', multiple: true },
    root: { type: 'string', multiple: true },
    threads: { type: 'string' },
  },
});
const here = fileURLToPath(new URL('.', import.meta.url));
const threads = values.threads ?? String(availableParallelism());
const cases = [
  { name: 'resnet20', title: 'ResNet-20, 32x32', turns: 8, steps: 6 },
  { name: 'kd-34-18', title: 'KD ResNet_CIFAR-34 -> 18, 32x32', turns: 5, steps: 3 },
  { name: 'quickstart', title: "the quickstart's pair, 28x28", turns: 12, steps: 8 },
].filter(({ name }) => positionals.length === 0 || positionals.includes(name));

/** How a program of Node is started on each side. */
const sides = [
  (args) => [process.execPath, args, process.env],
  ...(values.addon ?? []).map((file) => (args) => [
    process.execPath,
    args,
    { ...process.env, RETORT_ADDON: resolve(file) },
  ]),
  ...(values.root ?? []).map((root) => (args) => {
    const inside =
      'mount -t proc proc "$1/proc"; cd "$1"; shift; exec chroot . /usr/bin/env -i -C /root/retort/bench "$@"';
    const environment = ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/root', 'node'];
    const namespace = ['--mount', '--propagation', 'private', '--'];
    return ['unshare', [...namespace, 'sh', '-c', inside, 'sh', resolve(root), ...environment, ...args], process.env];
  }),
];

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

function start([command, args, env]) {
  const child = spawn(command, args, { env, cwd: here, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await lines.next()).value);
  return {
    answer,
    step: () => (child.stdin.write('step\n'), answer()),
    end: () => (child.stdin.end(), answer()),
  };
}

const asked = `import('retort-kd/torch').then(({ engineInfo }) => console.log(JSON.stringify(engineInfo().version)))`;
const versions = [];
for (const side of sides) versions.push(await start(side(['-e', asked])).answer());

console.log(
  `Training steps of batch 64 in ms, float32, ${threads} threads; in brackets the median ratio to libtorch ${versions[0]}; MiB at the peak\n`,
);
console.log(
  `| training step | ${versions.join(' | ')} | ${versions.map((version) => `${version}, MiB`).join(' | ')} |`,
);
console.log(`|---|${'--:|'.repeat(2 * versions.length)}`);
for (const { name, title, turns, steps } of cases) {
  const running = sides.map((side) => start(side(['node-side.mjs', name, '0', '', threads])));
  const times = running.map(() => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, side] of running.entries()) {
      const seconds = [];
      for (let step = 0; step < steps; step++) seconds.push((await side.step()).seconds);
      // The first step of a turn still meets another side's threads; the first turn fills caches and chooses kernels.
      if (turn > 0) times[i].push(median(seconds.slice(1)));
    }
  }
  const shown = times.map((list, i) => {
    const ratio = median(list.map((seconds, turn) => seconds / times[0][turn])).toFixed(2);
    return `${(1000 * median(list)).toFixed(1)}${i === 0 ? '' : ` (${ratio})`}`;
  });
  const memory = [];
  for (const side of running) memory.push(Math.round((await side.end()).rssMiB));
  console.log(`| ${title} | ${[...shown, ...memory].join(' | ')} |`);
}
