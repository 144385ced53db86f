// The student alone and distilled at three temperatures, each with three seeds: `retort sweep recipes/kd-fashion-mnist/sweep.ts`.
import { defineSweep } from 'retort-kd/config';

import { student } from './common.ts';

export default defineSweep({
  name: 'kd-fashion-mnist-sweep',
  base: './config.ts',
  teacher: './teacher.ts',
  axes: {
    method: {
      alone: { model: { _delete_: true, type: 'Supervised', architecture: student } },
      kd: {},
    },
    seed: [0, 1, 2],
    tau: { at: 'model.distiller.distillLosses.loss_kl.tau', values: [1, 2, 4], only: { method: 'kd' } },
  },
  baseline: { method: 'alone' },
});
