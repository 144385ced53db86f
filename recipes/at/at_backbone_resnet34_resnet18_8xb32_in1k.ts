// AT, ResNet-34 to ResNet-18 on ImageNet: where the network looks, in four stages.
// Zagoruyko, Komodakis: Paying More Attention to Attention, 2017, arXiv 1612.03928.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import resnet18 from '../_base_/models/resnet18.ts';
import resnet34 from '../_base_/models/resnet34.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';

export default defineConfig({
  ...imagenet,
  ...schedule,
  accumulate: 8, // 8xb32
  model: {
    type: 'SingleTeacherDistill',
    architecture: resnet18,
    teacher: resnet34,
    teacherCkpt: '../checkpoints/resnet34_8xb32_in1k.safetensors',
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: {
        s1: { type: 'ModuleOutputs', source: 'backbone.layer1' },
        s2: { type: 'ModuleOutputs', source: 'backbone.layer2' },
        s3: { type: 'ModuleOutputs', source: 'backbone.layer3' },
        s4: { type: 'ModuleOutputs', source: 'backbone.layer4' },
      },
      teacherRecorders: {
        s1: { type: 'ModuleOutputs', source: 'backbone.layer1' },
        s2: { type: 'ModuleOutputs', source: 'backbone.layer2' },
        s3: { type: 'ModuleOutputs', source: 'backbone.layer3' },
        s4: { type: 'ModuleOutputs', source: 'backbone.layer4' },
      },
      distillLosses: {
        loss_s1: { type: 'ATLoss', lossWeight: 1000 },
        loss_s2: { type: 'ATLoss', lossWeight: 1000 },
        loss_s3: { type: 'ATLoss', lossWeight: 1000 },
        loss_s4: { type: 'ATLoss', lossWeight: 1000 },
      },
      lossForwardMappings: {
        loss_s1: { sFeature: { recorder: 's1', fromStudent: true }, tFeature: { recorder: 's1', fromStudent: false } },
        loss_s2: { sFeature: { recorder: 's2', fromStudent: true }, tFeature: { recorder: 's2', fromStudent: false } },
        loss_s3: { sFeature: { recorder: 's3', fromStudent: true }, tFeature: { recorder: 's3', fromStudent: false } },
        loss_s4: { sFeature: { recorder: 's4', fromStudent: true }, tFeature: { recorder: 's4', fromStudent: false } },
      },
    },
  },
});
