// DeiT-base, RegNetY-160 to a vision transformer on ImageNet: a token of its own learns the teacher's most likely class.
// Touvron, Cord, Douze, Massa, Sablayrolles, Jégou: Training data-efficient image transformers, 2021, arXiv 2012.12877.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs64_swin_224.ts';
import deitBase from '../_base_/models/deit-base.ts';
import schedule from '../_base_/schedules/imagenet_bs1024_adamw_swin.ts';

const loss = { type: 'LabelSmoothLoss', labelSmoothVal: 0.1, mode: 'original', lossWeight: 0.5 } as const;

export default defineConfig({
  ...imagenet,
  ...schedule,
  accumulate: 16, // 16xb64
  optimizer: {
    ...schedule.optimizer,
    paramwise: {
      ...schedule.optimizer.paramwise,
      customKeys: { '.cls_token': { decayMult: 0 }, '.pos_embed': { decayMult: 0 } },
    },
  },
  maxGradNorm: 5,
  hooks: [{ type: 'EMAHook', momentum: 4e-5 }],
  model: {
    type: 'SingleTeacherDistill',
    architecture: {
      ...deitBase,
      backbone: { ...deitBase.backbone, type: 'DistilledVisionTransformer' },
      head: { type: 'DeiTClsHead', numClasses: 1000, inChannels: 768, loss },
    },
    teacher: {
      type: 'ImageClassifier',
      backbone: { type: 'TIMMBackbone', modelName: 'regnety_160' },
      neck: { type: 'GlobalAveragePooling' },
      head: { type: 'LinearClsHead', numClasses: 1000, inChannels: 3024, loss },
    },
    teacherCkpt: '../checkpoints/regnety_160.safetensors',
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.layers.head_dist' } },
      teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      distillLosses: { loss_distill: { type: 'CrossEntropyLoss', lossWeight: 0.5 } },
      lossForwardMappings: {
        loss_distill: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
});
