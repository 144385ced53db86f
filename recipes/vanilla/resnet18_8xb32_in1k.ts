// ResNet-18 on ImageNet, on labels alone.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import architecture from '../_base_/models/resnet18.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';

export default defineConfig({ ...imagenet, ...schedule, accumulate: 8, model: { type: 'Supervised', architecture } });
