// The teacher of the table: WRN-16-2 on labels alone, for longer than the students.
import { defineConfig } from 'retort-kd/config';

import { training, wideResNet } from './common.ts';

export default defineConfig({
  ...training(10),
  seed: 1,
  model: { type: 'Supervised', architecture: wideResNet(16, 2) },
});
