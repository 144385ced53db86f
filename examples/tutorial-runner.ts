// What the commands of `retort` do, from a program: a config is checked, trained, stopped, gone on with, tested, and taken apart.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { defineConfig, type ClassifierConfig, type LoaderConfig } from 'retort-kd/config';
import { build, check, run, test } from 'retort-kd/runner';

const network = (width: number): ClassifierConfig => ({
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 18, inChannels: 1, stemChannels: 8, baseChannels: width, numStages: 1 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 4, inChannels: width },
});
const data: LoaderConfig = {
  dataset: { type: 'SyntheticImages', samples: 64 },
  batchSize: 16,
  transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
};
const fc = { type: 'ModuleOutputs', source: 'head.fc' } as const;
const config = defineConfig({
  model: {
    type: 'SingleTeacherDistill',
    architecture: network(4),
    teacher: network(8),
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc },
      teacherRecorders: { fc },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4 } },
      lossForwardMappings: {
        loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
      },
    },
  },
  trainData: data,
  valData: data,
  optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9 },
  epochs: 2,
});
const workDir = mkdtempSync(join(tmpdir(), 'retort-runner-'));

const report = await check(config, { probe: true });
console.log(report.ok, report.checked);
const misspelled = await check(config, { cfgOptions: ['optimizer.type=SDG', 'epochs=0'] });
for (const { path, message } of misspelled.mistakes) console.log(path, '|', message);

const stop = new AbortController();
const first = await run(config, {
  workDir,
  signal: stop.signal,
  progress: { step: ({ epoch, step }) => epoch === 1 && step === 2 && stop.abort(), line: () => undefined },
});
console.log(first.stopped);

const second = await run(workDir, { resume: true }); // its folder has the config
const [stage] = second.stages;
console.log(second.stopped, stage!.student === join(workDir, 'student.safetensors'));

const { metrics } = await test(workDir, { teacher: true });
console.log(metrics['student']!['accuracy'] === stage!.metrics['student']!['accuracy'], Object.keys(metrics));

using experiment = await build(config, { seed: 1 });
const { algorithm, trainer, trainLoader } = experiment.stage();
console.log(algorithm.constructor.name, trainLoader.length, (await trainer.run()).stopped);
rmSync(workDir, { recursive: true });
// prints:
// true forward
// epochs | epochs: expected a number > 0, got 0
// optimizer.type | optimizer: unknown optimizer "SDG"; did you mean "SGD"?
// true
// false true
// true [ 'student', 'teacher' ]
// SingleTeacherDistill 4 false
