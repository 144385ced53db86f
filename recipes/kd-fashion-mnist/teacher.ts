// Trains the teacher: ResNet-20 on Fashion-MNIST.
import { defineConfig } from 'retort-kd/config';

import { teacher, training } from './common.ts';

export default defineConfig({ ...training(6), seed: 1, model: { type: 'Supervised', architecture: teacher } });
