// Factor Transfer, both stages: the paraphraser is trained first, then the student's translator follows its factors.
// Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, 2018, arXiv 1802.04977.
import { defineStage, defineStages } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet50 from '../_base_/models/resnet50_cifar.ts';
import schedule from '../_base_/schedules/cifar10_bs128.ts';
import { pretrain } from './factor-transfer_backbone_resnet50_resnet18_8xb16_cifar10_pretrain.ts';

// The original normalizes with ImageNet's mean and swaps red and blue; the teacher was trained as here.
export default defineStages({
  ...cifar10,
  ...schedule,
  accumulate: 8, // 8xb16
  stages: [
    pretrain,
    defineStage({
      name: 'train',
      init: [{ stage: 'pretrain', module: 'distiller.connectors.loss_s4_tfeat' }],
      model: {
        type: 'SingleTeacherDistill',
        architecture: resnet18,
        teacher: resnet50,
        teacherCkpt: '../checkpoints/resnet50_8xb16_cifar10.safetensors',
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: { bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.1.conv2' } },
          teacherRecorders: { bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.2.conv3' } },
          connectors: {
            loss_s4_sfeat: { type: 'Translator', inChannels: 512, outChannels: 1024 },
            loss_s4_tfeat: { type: 'Paraphraser', phase: 'train', inChannels: 2048, outChannels: 1024 },
          },
          distillLosses: { loss_s4: { type: 'FTLoss', lossWeight: 1 } },
          lossForwardMappings: {
            loss_s4: {
              sFeature: { recorder: 'bb_s4', fromStudent: true, connector: 'loss_s4_sfeat' },
              tFeature: { recorder: 'bb_s4', fromStudent: false, connector: 'loss_s4_tfeat' },
            },
          },
        },
      },
    }),
  ],
});
