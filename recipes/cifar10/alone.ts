// WRN-16-1 on labels alone: what every other row is compared with.
import { defineConfig } from 'retort-kd/config';

import { budget, student } from './common.ts';

export default defineConfig({ ...budget, model: { type: 'Supervised', architecture: student } });
