// DeiT-base on ImageNet, on labels alone.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs64_swin_224.ts';
import architecture from '../_base_/models/deit-base.ts';
import schedule from '../_base_/schedules/imagenet_bs1024_adamw_swin.ts';

export default defineConfig({
  ...imagenet,
  ...schedule,
  accumulate: 16,
  optimizer: {
    ...schedule.optimizer,
    paramwise: {
      ...schedule.optimizer.paramwise,
      customKeys: { '.cls_token': { decayMult: 0 }, '.pos_embed': { decayMult: 0 } },
    },
  },
  maxGradNorm: 5,
  hooks: [{ type: 'EMAHook', momentum: 4e-5 }],
  model: { type: 'Supervised', architecture },
});
