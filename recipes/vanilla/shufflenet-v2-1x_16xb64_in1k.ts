// ShuffleNetV2 1x on ImageNet, on labels alone.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs64_pil_resize.ts';
import architecture from '../_base_/models/shufflenet_v2_1x.ts';
import schedule from '../_base_/schedules/imagenet_bs1024_linearlr_bn_nowd.ts';

export default defineConfig({ ...imagenet, ...schedule, accumulate: 16, model: { type: 'Supervised', architecture } });
