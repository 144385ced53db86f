// Tutorial, part 7: FitNets, attention transfer, activation boundaries and factor transfer, each as a distiller's config.
import { buildAlgorithm, type Algorithm } from 'retort-kd/algorithms';
import { checkConfig } from 'retort-kd/config';
import { randn, tidy } from 'retort-kd/torch';

import stages from './tutorial-7-stages.ts';

/** Four stages of one block each: 8, 16, 32, 64 channels for the student, four times as many for the teacher's bottlenecks. */
const network = (depth: 18 | 50) => ({
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth, stageBlocks: [1, 1, 1, 1], inChannels: 1, stemChannels: 8, baseChannels: 8 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 4, inChannels: depth === 18 ? 64 : 256 },
});
const logits = { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } };
const fc = { type: 'ModuleOutputs', source: 'head.fc' };

const fitNets = {
  type: 'ConfigurableDistiller',
  // A block's ReLU is one module that runs twice (three times in a bottleneck): recordIdx says which run is meant.
  studentRecorders: { relu: { type: 'ModuleOutputs', source: 'backbone.layer4.0.relu' }, fc },
  teacherRecorders: { relu: { type: 'ModuleOutputs', source: 'backbone.layer4.0.relu' }, fc },
  connectors: { wider: { type: 'ConvModuleConnector', inChannels: 64, outChannels: 256, normCfg: { type: 'BN' } } },
  distillLosses: {
    loss_hint: { type: 'L2Loss', lossWeight: 10 },
    loss_kl: { type: 'KLDivergence', tau: 6, lossWeight: 10, reduction: 'mean' },
  },
  lossForwardMappings: {
    loss_hint: {
      sFeature: { recorder: 'relu', fromStudent: true, recordIdx: 1, connector: 'wider' },
      tFeature: { recorder: 'relu', fromStudent: false, recordIdx: 2 },
    },
    loss_kl: logits,
  },
};

const attentionTransfer = {
  type: 'ConfigurableDistiller',
  studentRecorders: { maps: { type: 'ModuleOutputs', source: 'backbone.layer*' } },
  teacherRecorders: { maps: { type: 'ModuleOutputs', source: 'backbone.layer*' } },
  distillLosses: { loss_at: { type: 'ATLoss', lossWeight: 1000 } },
  lossForwardMappings: {
    loss_at: {
      sFeature: { recorder: 'maps', fromStudent: true, recordIdx: -1 },
      tFeature: { recorder: 'maps', fromStudent: false, recordIdx: -1 },
    },
  },
};

/** The first of two stages: the student's own losses are left out, only signs of neurons are learned. The second is plain KD. */
const boundaries = {
  type: 'ConfigurableDistiller',
  studentRecorders: { conv: { type: 'ModuleOutputs', source: 'backbone.layer4.0.conv2' } },
  teacherRecorders: { conv: { type: 'ModuleOutputs', source: 'backbone.layer4.0.conv3' } },
  connectors: {
    wider: { type: 'ConvModuleConnector', inChannels: 64, outChannels: 256, normCfg: { type: 'BN' }, actCfg: null },
  },
  distillLosses: { loss_ab: { type: 'ABLoss', lossWeight: 1 } },
  lossForwardMappings: {
    loss_ab: {
      sFeature: { recorder: 'conv', fromStudent: true, connector: 'wider' },
      tFeature: { recorder: 'conv', fromStudent: false },
    },
  },
};

const single = (distiller: { type: string }, options: object = {}): Algorithm =>
  buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: network(18),
    teacher: network(50),
    distiller,
    ...options,
  });
const keys = (algorithm: Algorithm): string =>
  tidy(() => Object.keys(algorithm.loss(randn([2, 1, 16, 16]), [{ gtLabel: 0 }, { gtLabel: 1 }])).join(' '));

console.log(keys(single(fitNets))); // student.loss distill.loss_hint distill.loss_kl
console.log(keys(single(attentionTransfer))); // student.loss distill.loss_at
console.log(keys(single(boundaries, { calculateStudentLoss: false }))); // distill.loss_ab

const [first, second] = checkConfig(stages, 'tutorial-7-stages.ts').map(({ config }) => buildAlgorithm(config.model));
console.log(keys(first!)); // distill.loss_rebuild
console.log(keys(second!)); // student.loss distill.loss_ft
