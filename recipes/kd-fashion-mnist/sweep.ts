// The student alone and distilled in two ways, three seeds each, in minutes: `retort sweep recipes/kd-fashion-mnist/sweep.ts`.
import { defineSweep } from 'retort-kd/config';

import { student } from './common.ts';

export default defineSweep({
  name: 'fashion-mnist',
  base: './config.ts', // KD by logits from a teacher that lies beside it
  patch: { epochs: 2, trainData: { dataset: { limit: 12_000 } }, schedulers: { 0: { totalIters: 40 } } },
  axes: {
    method: {
      alone: { model: { _delete_: true, type: 'Supervised', architecture: student } },
      kd: {},
      dkd: {
        model: {
          distiller: {
            distillLosses: { loss_kl: { _delete_: true, type: 'DKDLoss', tau: 2, beta: 0.5 } },
            lossForwardMappings: { loss_kl: { gtLabels: { field: 'gtLabels' } } },
          },
        },
      },
    },
    seed: [0, 1, 2],
    tau: { at: 'model.distiller.distillLosses.loss_kl.tau', values: [2, 4], only: { method: 'kd' } },
  },
  baseline: { method: 'alone' },
  validation: { share: 0.1 }, // for --successive-halving
});
