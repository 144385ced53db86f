// CRD, ResNet-50 to ResNet-18 on CIFAR-10: the two networks' features of one image belong together, those of others do not.
// Tian, Krishnan, Isola: Contrastive Representation Distillation, 2020, arXiv 1910.10699.
import { defineConfig } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet50 from '../_base_/models/resnet50_cifar.ts';
import schedule from '../_base_/schedules/cifar10_bs128.ts';

const negNum = 16_384;

// The original normalizes with ImageNet's mean and swaps red and blue; the teacher was trained as here.
export default defineConfig({
  ...cifar10,
  ...schedule,
  accumulate: 8, // 8xb16
  trainData: {
    ...cifar10.trainData,
    dataset: { type: 'CrdDataset', dataset: cifar10.trainData.dataset, negNum, sampleMode: 'exact', percent: 1 },
  },
  model: {
    type: 'SingleTeacherDistill',
    architecture: resnet18,
    teacher: resnet50,
    teacherCkpt: '../checkpoints/resnet50_8xb16_cifar10.safetensors',
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { neck: { type: 'ModuleOutputs', source: 'neck.gap' } },
      teacherRecorders: { neck: { type: 'ModuleOutputs', source: 'neck.gap' } },
      connectors: {
        loss_crd_stu: { type: 'CRDConnector', dimIn: 512, dimOut: 128 },
        loss_crd_tea: { type: 'CRDConnector', dimIn: 2048, dimOut: 128 },
      },
      // The paper's weight; the original names it too, but never applies it.
      distillLosses: { loss_crd: { type: 'CRDLoss', lossWeight: 0.8, negNum, sampleN: 50_000, dimOut: 128 } },
      lossForwardMappings: {
        loss_crd: {
          sFeats: { recorder: 'neck', fromStudent: true, connector: 'loss_crd_stu' },
          tFeats: { recorder: 'neck', fromStudent: false, connector: 'loss_crd_tea' },
          dataSamples: { field: 'dataSamples' },
        },
      },
    },
  },
});
