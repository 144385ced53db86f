// FitNets, ResNet-50 to ResNet-18 on ImageNet: features of the last two stages through a 1x1 convolution, and the logits.
// Romero, Ballas, Kahou, Chassang, Gatta, Bengio: FitNets: Hints for Thin Deep Nets, 2015, arXiv 1412.6550.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import resnet18 from '../_base_/models/resnet18.ts';
import resnet50 from '../_base_/models/resnet50.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';

export default defineConfig({
  ...imagenet,
  ...schedule,
  accumulate: 8, // 8xb32
  model: {
    type: 'SingleTeacherDistill',
    architecture: resnet18,
    teacher: resnet50,
    teacherCkpt: '../checkpoints/resnet50_8xb32_in1k.safetensors',
    distiller: {
      type: 'ConfigurableDistiller',
      // The ReLU of a block runs twice (in a bottleneck three times); recordIdx names the run at the block's end.
      studentRecorders: {
        bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.1.relu' },
        bb_s3: { type: 'ModuleOutputs', source: 'backbone.layer3.1.relu' },
        fc: { type: 'ModuleOutputs', source: 'head.fc' },
      },
      teacherRecorders: {
        bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.2.relu' },
        bb_s3: { type: 'ModuleOutputs', source: 'backbone.layer3.5.relu' },
        fc: { type: 'ModuleOutputs', source: 'head.fc' },
      },
      connectors: {
        loss_s4_sfeat: { type: 'ConvModuleConnector', inChannels: 512, outChannels: 2048, normCfg: { type: 'BN' } },
        loss_s3_sfeat: { type: 'ConvModuleConnector', inChannels: 256, outChannels: 1024, normCfg: { type: 'BN' } },
      },
      distillLosses: {
        loss_s4: { type: 'L2Loss', lossWeight: 10 },
        loss_s3: { type: 'L2Loss', lossWeight: 10 },
        loss_kl: { type: 'KLDivergence', tau: 6, lossWeight: 10, reduction: 'mean' },
      },
      lossForwardMappings: {
        loss_s4: {
          sFeature: { recorder: 'bb_s4', fromStudent: true, recordIdx: 1, connector: 'loss_s4_sfeat' },
          tFeature: { recorder: 'bb_s4', fromStudent: false, recordIdx: 2 },
        },
        loss_s3: {
          sFeature: { recorder: 'bb_s3', fromStudent: true, recordIdx: 1, connector: 'loss_s3_sfeat' },
          tFeature: { recorder: 'bb_s3', fromStudent: false, recordIdx: 2 },
        },
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
});
