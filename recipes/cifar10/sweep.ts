// The table of docs/results/cifar10.md: `retort sweep recipes/cifar10/sweep.ts --jobs 2`. Seed by seed, so that a sweep that is not done has
// all methods. All see the same crops and flips; what differs between seeds are weights and order.
import { defineSweep } from 'retort-kd/config';

export default defineSweep({
  name: 'cifar10',
  base: './alone.ts',
  teacher: './teacher.ts',
  patch: { trainData: { augmentSeed: 0 }, valInterval: 4 },
  cache: { views: 4, only: { method: ['kd', 'dkd', 'dist', 'standardized'] } },
  axes: {
    seed: [0, 1, 2],
    method: {
      alone: {},
      'alone-longer': { epochs: 7, valInterval: 7 }, // as long as distillation of feature maps takes
      kd: './kd.ts',
      dkd: './dkd.ts',
      dist: './dist.ts',
      standardized: './standardized.ts',
      fitnets: './fitnets.ts',
      at: './at.ts',
      sp: './sp.ts',
      rkd: './rkd.ts',
      vid: './vid.ts',
      ofd: './ofd.ts',
      crd: './crd.ts',
      srd: './srd.ts',
      dml: './dml.ts',
      ema: './ema.ts',
      pkt: './pkt.ts',
      byot: './byot.ts',
      ft: './ft.ts',
      ab: './ab.ts',
      cc: './cc.ts',
      'alone-float32': { precision: 'float32' },
    },
  },
  baseline: { method: 'alone' },
});
