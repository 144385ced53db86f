// MobileNetV2 on ImageNet, on labels alone.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32_pil_resize.ts';
import architecture from '../_base_/models/mobilenet_v2_1x.ts';
import schedule from '../_base_/schedules/imagenet_bs256_epochstep.ts';

export default defineConfig({ ...imagenet, ...schedule, accumulate: 8, model: { type: 'Supervised', architecture } });
