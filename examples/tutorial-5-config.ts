// Tutorial, part 5: KD from ResNet-34 to ResNet-18 on ImageNet, as a config: `retort train tutorial-5-config.ts`.
// Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
import { defineConfig, type ClassifierConfig, type TransformConfig } from 'retort-kd/config';

const resnet = (depth: 18 | 34): ClassifierConfig => ({
  type: 'ImageClassifier',
  backbone: { type: 'ResNet', depth },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 1000, inChannels: 512 },
});
const normalize: TransformConfig = { type: 'Normalize', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

export default defineConfig({
  model: {
    type: 'SingleTeacherDistill',
    architecture: resnet(18),
    teacher: resnet(34),
    teacherCkpt: 'resnet34.safetensors', // relative to this file
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 1, lossWeight: 3 } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
  trainData: {
    dataset: { type: 'ImageNet', split: 'train' },
    batchSize: 256,
    transforms: [{ type: 'RandomResizedCrop', size: 224 }, { type: 'RandomHorizontalFlip' }, normalize],
  },
  valData: {
    dataset: { type: 'ImageNet', split: 'val' },
    batchSize: 256,
    transforms: [{ type: 'ResizeEdge', size: 256 }, { type: 'CenterCrop', size: 224 }, normalize],
  },
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 1e-4 },
  schedulers: [{ type: 'MultiStepLR', milestones: [30, 60, 90] }],
  epochs: 100,
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
});
