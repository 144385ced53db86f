// ZSKT, ResNet-34 to ResNet-18 without CIFAR-10's images: attention and logits on images that a generator finds hard.
// Micaelli, Storkey: Zero-shot Knowledge Transfer via Adversarial Belief Matching, 2019, arXiv 1905.09768.
import { defineConfig } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet34 from '../_base_/models/resnet34_cifar.ts';

export default defineConfig({
  ...cifar10,
  // The data says how many images are made a step; theirs are not looked at.
  trainData: { ...cifar10.trainData, batchSize: 8 * 16 },
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
  optimizer: {
    architecture: { type: 'SGD', lr: 0.1, weightDecay: 5e-4, momentum: 0.9 },
    generator: { type: 'Adam', lr: 1e-3 },
  },
  schedulers: {
    architecture: [{ type: 'MultiStepLR', by: 'step', milestones: [5000, 10_000] }],
    generator: [{ type: 'MultiStepLR', by: 'step', milestones: [5000, 10_000] }],
  },
  epochs: 65,
  maxSteps: 25_000,
  model: {
    type: 'DataFreeDistillation',
    architecture: resnet18,
    teachers: { res34: { buildCfg: resnet34, ckptPath: '../checkpoints/resnet34_8xb16_cifar10.safetensors' } },
    generator: { type: 'ZSKTGenerator', imgSize: 32, latentDim: 256, hiddenChannels: 128 },
    distiller: {
      type: 'ConfigurableDistiller',
      // The ReLU of a block runs twice; recordIdx 1 is the run at the block's end.
      studentRecorders: {
        bb_s1: { type: 'ModuleOutputs', source: 'backbone.layer1.1.relu' },
        bb_s2: { type: 'ModuleOutputs', source: 'backbone.layer2.1.relu' },
        bb_s3: { type: 'ModuleOutputs', source: 'backbone.layer3.1.relu' },
        bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.1.relu' },
        fc: { type: 'ModuleOutputs', source: 'head.fc' },
      },
      teacherRecorders: {
        res34_bb_s1: { type: 'ModuleOutputs', source: 'res34.backbone.layer1.2.relu' },
        res34_bb_s2: { type: 'ModuleOutputs', source: 'res34.backbone.layer2.3.relu' },
        res34_bb_s3: { type: 'ModuleOutputs', source: 'res34.backbone.layer3.5.relu' },
        res34_bb_s4: { type: 'ModuleOutputs', source: 'res34.backbone.layer4.2.relu' },
        res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' },
      },
      distillLosses: {
        loss_s1: { type: 'ATLoss', lossWeight: 250 },
        loss_s2: { type: 'ATLoss', lossWeight: 250 },
        loss_s3: { type: 'ATLoss', lossWeight: 250 },
        loss_s4: { type: 'ATLoss', lossWeight: 250 },
        loss_kl: { type: 'KLDivergence', lossWeight: 2, reduction: 'mean' },
      },
      lossForwardMappings: {
        loss_s1: {
          sFeature: { recorder: 'bb_s1', fromStudent: true, recordIdx: 1 },
          tFeature: { recorder: 'res34_bb_s1', fromStudent: false, recordIdx: 1 },
        },
        loss_s2: {
          sFeature: { recorder: 'bb_s2', fromStudent: true, recordIdx: 1 },
          tFeature: { recorder: 'res34_bb_s2', fromStudent: false, recordIdx: 1 },
        },
        loss_s3: {
          sFeature: { recorder: 'bb_s3', fromStudent: true, recordIdx: 1 },
          tFeature: { recorder: 'res34_bb_s3', fromStudent: false, recordIdx: 1 },
        },
        loss_s4: {
          sFeature: { recorder: 'bb_s4', fromStudent: true, recordIdx: 1 },
          tFeature: { recorder: 'res34_bb_s4', fromStudent: false, recordIdx: 1 },
        },
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'res34_fc', fromStudent: false },
        },
      },
    },
    generatorDistiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' } },
      // The generator is trained through the teacher too, so its side stays in the graph.
      distillLosses: { loss_kl: { type: 'KLDivergence', lossWeight: -2, reduction: 'mean', teacherDetach: false } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'res34_fc', fromStudent: false },
        },
      },
    },
    studentIter: 10,
  },
});
