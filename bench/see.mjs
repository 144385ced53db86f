// `npm run bench -- see`: what it costs to see how training goes. Two trainers of ResNet-18 take turns step by step in one process: one
// writes nothing and shows nothing, the other everything there is (metrics.jsonl, an event file, a sink, the line that renews itself). What
// comes between epochs (predictions.json, feature maps) is timed by itself, beside the evaluation that it belongs to.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';

import { buildAlgorithm } from 'retort-kd/algorithms';
import { DataLoader, Normalize, RandomSampler, SyntheticImages } from 'retort-kd/data';
import {
  Accuracy,
  evaluate,
  LoggerHook,
  PredictionsRecorder,
  TerminalProgress,
  Trainer,
  VisualizationHook,
} from 'retort-kd/engine';
import { buildModel } from 'retort-kd/models';
import { SGD } from 'retort-kd/optim';
import { engineInfo, manualSeed } from 'retort-kd/torch';

import { median, resnet, table } from './common.mjs';

const quick = process.argv.includes('--quick');
const [batch, perEpoch, epochs] = [32, 10, quick ? 2 : 8];
const network = resnet({ stageBlocks: [2, 2, 2, 2], width: 64, channels: 3 });
const images = (samples) => new SyntheticImages({ samples, numClasses: 10, shape: [3, 32, 32] });
const transforms = [new Normalize({ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] })];
const folder = mkdtempSync(join(tmpdir(), 'retort-see-'));

/** A terminal that nobody looks at. */
class Screen extends Writable {
  isTTY = true;
  columns = 120;
  _write(_chunk, _encoding, done) {
    done();
  }
}

let pass = () => {};
/** Resolves when the other side's step is done. */
const turn = () => {
  const other = pass;
  return new Promise((resolve) => {
    pass = resolve;
    other();
  });
};

/** Trains, and gives the milliseconds of its steps, those with which epochs begin left out. */
async function train(seen) {
  manualSeed(1);
  const algorithm = buildAlgorithm({ type: 'Supervised', architecture: buildModel(network) });
  const dataset = images(perEpoch * batch);
  const times = [];
  let before;
  // The trainer waits here before each batch: then the other side has its turn.
  dataset.open = async () => {
    if (before !== undefined) times.push(performance.now() - before);
    await turn();
    before = performance.now();
  };
  const trainer = new Trainer({
    algorithm,
    trainLoader: new DataLoader(dataset, { batchSize: batch, transforms, sampler: new RandomSampler({ seed: 0 }) }),
    optimizer: new SGD(algorithm.student.parameters(), { lr: 0.01, momentum: 0.9 }),
    epochs,
    ...(seen ? { ...everything(), valLoader: new DataLoader(images(batch), { batchSize: batch, transforms }) } : {}),
  });
  await trainer.run();
  pass();
  pass = () => {};
  dataset[Symbol.dispose]();
  return times.filter((_, i) => i % perEpoch > 1);
}

function everything() {
  const recorder = { map: { type: 'ModuleOutputs', source: 'student.backbone.layer4' } };
  return {
    workDir: join(folder, 'run'),
    tensorboard: true,
    progress: new TerminalProgress({ stream: new Screen() }),
    hooks: [
      new LoggerHook({ interval: 1, sink: () => {} }),
      new VisualizationHook({ recorders: recorder, mappings: { map: { recorder: 'map' } } }),
    ],
  };
}

/** Milliseconds of an evaluation of student and teacher: plain, and with predictions; and of writing those. */
async function evaluations() {
  const dataset = images(quick ? 128 : 1024);
  const loader = new DataLoader(dataset, { batchSize: 64, transforms });
  const networks = { student: buildModel(network), teacher: buildModel(network) };
  const times = { plain: [], seen: [], saving: [] };
  const clocked = async (list, body) => {
    const began = performance.now();
    await body();
    list.push(performance.now() - began);
  };
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const recorder = new PredictionsRecorder();
    for (const [name, model] of Object.entries(networks)) {
      await clocked(times.plain, () => evaluate(model, loader, { evaluators: [new Accuracy()] }));
      const evaluators = [new Accuracy(), recorder.of(name, dataset.classes)];
      await clocked(times.seen, () => evaluate(model, loader, { evaluators }));
    }
    await clocked(times.saving, () => recorder.save(folder, { loader, step: 1, epoch: 1 }));
  }
  dataset[Symbol.dispose]();
  return times;
}

const [plain, seen] = await Promise.all([train(false), train(true)]);
const ratio = median(seen.map((ms, i) => ms / plain[i]));
const { plain: bare, seen: judged, saving } = await evaluations();
table(
  `All that shows training, ResNet-18 on 32x32, ${engineInfo().threads} threads`,
  ['part', 'without, ms', 'with, ms', 'ratio', 'target'],
  [
    [`a step, batch ${batch}`, median(plain).toFixed(1), median(seen).toFixed(1), ratio.toFixed(4), '1.01'],
    [
      'an evaluation, 1024 images',
      median(bare).toFixed(1),
      median(judged).toFixed(1),
      median(judged.map((ms, i) => ms / bare[i])).toFixed(4),
      '1.01',
    ],
    ['writing predictions.json, 64 pictures', '', median(saving).toFixed(1), '', ''],
  ],
);
rmSync(folder, { recursive: true });
