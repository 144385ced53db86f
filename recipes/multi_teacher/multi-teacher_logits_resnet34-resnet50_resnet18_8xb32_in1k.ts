// Several teachers, ResNet-34 and ResNet-50 to ResNet-18 on ImageNet: the student follows the mean of their class probabilities.
// You, Xu, Xu, Tao: Learning from Multiple Teacher Networks, KDD 2017.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import resnet18 from '../_base_/models/resnet18.ts';
import resnet34 from '../_base_/models/resnet34.ts';
import resnet50 from '../_base_/models/resnet50.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';

export default defineConfig({
  ...imagenet,
  ...schedule,
  accumulate: 8, // 8xb32
  model: {
    type: 'MultiTeacherDistill',
    architecture: resnet18,
    teachers: {
      res34: { buildCfg: resnet34, ckptPath: '../checkpoints/resnet34_8xb32_in1k.safetensors' },
      res50: { buildCfg: resnet50, ckptPath: '../checkpoints/resnet50_8xb32_in1k.safetensors' },
    },
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      // The source begins with the teacher's name.
      teacherRecorders: {
        res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' },
        res50_fc: { type: 'ModuleOutputs', source: 'res50.head.fc' },
      },
      distillLosses: { loss_kl: { type: 'SoftLabelEnsemble', tau: 1, weights: [1, 1], lossWeight: 3 } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: [
            { recorder: 'res34_fc', fromStudent: false },
            { recorder: 'res50_fc', fromStudent: false },
          ],
        },
      },
    },
  },
});
