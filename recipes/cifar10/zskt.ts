// ZSKT: the student follows attention and logits on images that a generator finds hard for it, with the authors' weights.
// Micaelli, Storkey: Zero-shot Knowledge Transfer via Adversarial Belief Matching, 2019, arXiv 1905.09768.
import { defineConfig } from 'retort-kd/config';

import { stages, student } from './common.ts';
import { dataFree, falling, logitsOfBoth, predictions, teachers } from './data-free.ts';

const steps = 165; // the original: 25,000
const { studentRecorders, teacherRecorders } = logitsOfBoth;
const attention = { type: 'ATLoss', lossWeight: 250 } as const;
const map = <const Stage extends string>(stage: Stage) =>
  ({
    sFeature: { recorder: stage, fromStudent: true },
    tFeature: { recorder: `big_${stage}`, fromStudent: false },
  }) as const;

export default defineConfig({
  ...dataFree(steps, 128),
  optimizer: {
    architecture: { type: 'Adam', lr: 2e-3 },
    generator: { type: 'Adam', lr: 1e-3 },
  },
  schedulers: { architecture: falling(steps), generator: falling(steps) },
  model: {
    type: 'DataFreeDistillation',
    architecture: student,
    teachers,
    generator: { type: 'ZSKTGenerator', imgSize: 32, latentDim: 100, hiddenChannels: 128 },
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { ...studentRecorders, ...stages },
      teacherRecorders: {
        ...teacherRecorders,
        big_stage1: { type: 'ModuleOutputs', source: 'big.backbone.layer1' },
        big_stage2: { type: 'ModuleOutputs', source: 'big.backbone.layer2' },
        big_stage3: { type: 'ModuleOutputs', source: 'big.backbone.layer3' },
      },
      distillLosses: {
        loss_1: attention,
        loss_2: attention,
        loss_3: attention,
        loss_kl: { type: 'KLDivergence', lossWeight: 1 },
      },
      lossForwardMappings: {
        loss_1: map('stage1'),
        loss_2: map('stage2'),
        loss_3: map('stage3'),
        loss_kl: predictions,
      },
    },
    generatorDistiller: {
      type: 'ConfigurableDistiller',
      ...logitsOfBoth,
      // The generator is trained through the teacher too, so its side stays in the graph.
      distillLosses: { loss_kl: { type: 'KLDivergence', lossWeight: -1, teacherDetach: false } },
      lossForwardMappings: { loss_kl: predictions },
    },
    studentIter: 10,
  },
});
