// `node bench/taps.mjs`: what recorders cost. 57 of them must add less than 1% to a forward of ResNet-18 (batch 8, 3x32x32), and
// recorders that do not record nothing. Keeping outputs alive is memory traffic, whoever keeps them, so the same 57 kept by hand
// are a row of their own. The sides take turns, in an order that changes; medians, and medians of the ratios of neighbours.
import { ResNetCifar } from 'retort-kd/models';
import { Identity } from 'retort-kd/nn';
import { RecorderManager } from 'retort-kd/recorders';
import { noGrad, randn, tidy } from 'retort-kd/torch';

import { currentScope, moveToScope } from '../dist/torch/internal.js';

const taps = 57;
const quick = process.argv.includes('--quick');
const print = (text) => process.stdout.write(`${text}\n`);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Milliseconds of each side, `rounds` times, the sides in turns. */
function interleave(sides, rounds) {
  const names = Object.keys(sides);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -3; round < rounds; round++) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      const start = performance.now();
      sides[name]();
      if (round >= 0) times[name].push(performance.now() - start);
    }
  }
  return times;
}

function report(title, times, unit, scale) {
  const [base, ...rest] = Object.keys(times);
  print(`\n${title}\n`);
  print(`| ${''.padEnd(34)} | ${unit.padStart(9)} |  ratio |`);
  print(`|${'-'.repeat(36)}|${'-'.repeat(10)}:|-------:|`);
  const ratios = {};
  for (const name of [base, ...rest]) {
    ratios[name] = median(times[name].map((time, i) => time / times[base][i]));
    const value = (median(times[name]) * scale).toFixed(3);
    print(`| ${name.padEnd(34)} | ${value.padStart(9)} | ${ratios[name].toFixed(4).padStart(6)} |`);
  }
  return ratios;
}

const model = new ResNetCifar({ depth: 18 }).eval();
const leaves = [...model.namedModules()].filter(([, module]) => module.children().length === 0).map(([name]) => name);
const configs = Array.from({ length: taps }, (_, i) => [
  `tap${i}`,
  { type: 'ModuleOutputs', source: leaves[i % leaves.length] },
]);
const recorders = new RecorderManager(Object.fromEntries(configs)).initialize(model);

const images = randn([8, 3, 32, 32]);
const forward = () => model.forward(images);
const rounds = quick ? 10 : 240;

/** The same outputs kept by the barest hooks there can be. */
function keepByHand() {
  const scope = currentScope();
  const kept = [];
  const handles = configs.map(([, { source }]) =>
    model.getModule(source).registerForwardHook((_module, _args, output) => {
      moveToScope(output, scope);
      kept.push(output);
    }),
  );
  forward();
  for (const handle of handles) handle.remove();
}

const modes = {
  'gradients on': (body) => tidy(body),
  noGrad: (body) => tidy(() => noGrad(body)),
};
for (const [mode, within] of Object.entries(modes)) {
  const times = interleave(
    {
      'no recorder records': () => within(() => void forward()),
      'outputs kept by hand': () => within(keepByHand),
      'recorders record': () => within(() => void recorders.record(forward)),
    },
    rounds,
  );
  const ratios = report(`Forward of ResNet-18, ${mode}, ${taps} taps`, times, 'ms', 1);
  const added = ratios['recorders record'] - 1;
  print(`\n${taps} recorders add ${(100 * added).toFixed(2)}% (target: under 1%)`);
  if (added > 0.01) process.exitCode = 1;
}

const calls = 2000;
const x = randn([1]);
const repeat = (module) => () => {
  tidy(() => {
    for (let i = 0; i < calls; i++) module.forward(x);
  });
};
const [never, between, tapped] = [new Identity(), new Identity(), new Identity()];
const earlier = new RecorderManager({ tap: { type: 'ModuleOutputs', source: '' } }).initialize(between);
earlier.record(() => between.forward(x));
const single = new RecorderManager({ tap: { type: 'ModuleOutputs', source: '' } }).initialize(tapped);
const record = repeat(tapped);
const times = interleave(
  {
    'never tapped': repeat(never),
    'its recorder does not record': repeat(between),
    recorded: () => single.record(record),
  },
  rounds,
);
const ratios = report('A module that does nothing, one call', times, 'us', 1000 / calls);
const cost = (median(times['recorded']) - median(times['never tapped'])) / calls;
print(`\none tap costs ${(1000 * cost).toFixed(2)} us; ${taps} of them ${(taps * cost).toFixed(3)} ms`);
if (ratios['its recorder does not record'] > 1.1) process.exitCode = 1;
