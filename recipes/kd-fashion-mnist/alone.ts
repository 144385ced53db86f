// Trains the student without a teacher: what distillation is compared with.
import { defineConfig } from 'retort-kd/config';

import { student, training } from './common.ts';

export default defineConfig({ ...training(4), model: { type: 'Supervised', architecture: student } });
