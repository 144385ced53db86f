// AB, both stages: the student takes over the teacher's activation boundaries, then learns from labels and logits.
// Heo, Lee, Yun, Choi: Knowledge Transfer via Distillation of Activation Boundaries, 2019, arXiv 1811.03233.
import { defineStage, defineStages } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import resnet18 from '../_base_/models/resnet18.ts';
import resnet50 from '../_base_/models/resnet50.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';
import { pretrain } from './abloss_pretrain_backbone_resnet50_resnet18_8xb32_in1k.ts';

export default defineStages({
  ...imagenet,
  ...schedule,
  accumulate: 8, // 8xb32
  stages: [
    pretrain,
    defineStage({
      name: 'train',
      init: [{ stage: 'pretrain', module: 'architecture' }],
      model: {
        type: 'SingleTeacherDistill',
        architecture: resnet18,
        teacher: resnet50,
        teacherCkpt: '../checkpoints/resnet50_8xb32_in1k.safetensors',
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
          teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
          distillLosses: { loss_kl: { type: 'KLDivergence', tau: 1, lossWeight: 6.25, reduction: 'mean' } },
          lossForwardMappings: {
            loss_kl: {
              predsS: { recorder: 'fc', fromStudent: true },
              predsT: { recorder: 'fc', fromStudent: false },
            },
          },
        },
      },
    }),
  ],
});
