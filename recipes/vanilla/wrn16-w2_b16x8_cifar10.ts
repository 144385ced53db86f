// WideResNet-16-2 on CIFAR-10, on labels alone.
import { defineConfig } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import architecture from '../_base_/models/wrn16_2_cifar10.ts';
import schedule from '../_base_/schedules/cifar10_bs128.ts';

export default defineConfig({ ...cifar10, ...schedule, accumulate: 8, model: { type: 'Supervised', architecture } });
