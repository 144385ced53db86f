// Tutorial, part 8: the training loop in code, on networks of your own.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SingleTeacherDistill } from 'retort-kd/algorithms';
import { DataLoader, Normalize, RandomSampler, SyntheticImages } from 'retort-kd/data';
import { ConfigurableDistiller } from 'retort-kd/distillers';
import { CheckpointHook, Trainer } from 'retort-kd/engine';
import { functional, Linear, loadModule, Module, type Targets } from 'retort-kd/nn';
import { SGD } from 'retort-kd/optim';
import { manualSeed, type Tensor } from 'retort-kd/torch';

/** A network of one's own: from inputs to scores. */
class Net extends Module {
  hidden: Linear;
  fc: Linear;

  constructor(width: number) {
    super();
    this.hidden = new Linear(64, width);
    this.fc = new Linear(width, 4);
  }

  override forward(inputs: Tensor): Tensor {
    return this.fc.forward(functional.relu(this.hidden.forward(inputs.flatten(1))));
  }
}

manualSeed(0);
const fc = { type: 'ModuleOutputs', source: 'fc' } as const;
const algorithm = new SingleTeacherDistill({
  architecture: new Net(8),
  teacher: new Net(32),
  loss: (scores: Tensor, { labels }: Targets) => functional.crossEntropy(scores, labels!),
  distiller: new ConfigurableDistiller({
    studentRecorders: { fc },
    teacherRecorders: { fc },
    distillLosses: { loss_kl: { type: 'KLDivergence', tau: 2 } },
    lossForwardMappings: {
      loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
    },
  }),
});
const transforms = [new Normalize({ mean: [0.5], std: [0.5] })];
const loader = (samples: number, options = {}) =>
  new DataLoader(new SyntheticImages({ samples }), { batchSize: 16, transforms, ...options });

const workDir = mkdtempSync(join(tmpdir(), 'retort-'));
const trainer = new Trainer({
  algorithm,
  trainLoader: loader(64, { sampler: new RandomSampler({ seed: 0 }) }),
  valLoader: loader(32),
  optimizer: new SGD(algorithm.student.parameters(), { lr: 0.1 }),
  epochs: 2,
  hooks: [new CheckpointHook({ best: 'student.accuracy' })],
  workDir,
});
const { metrics } = await trainer.run();
console.log(Object.keys(metrics).join(' '));
console.log(readdirSync(workDir).sort().join(' '));
console.log(loadModule(join(workDir, 'student.safetensors'), new Net(8)).missing.length);
rmSync(workDir, { recursive: true });
// prints:
// student teacher
// metrics.jsonl predictions predictions.json student-best.safetensors student.safetensors training.previous.safetensors training.safetensors
// 0
