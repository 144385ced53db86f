// The table of students without data in docs/results/cifar10.md: `retort sweep recipes/cifar10/sweep-data-free.ts --jobs 2`. Each takes 12
// to 20 minutes of one core.
import { defineSweep } from 'retort-kd/config';

export default defineSweep({
  name: 'cifar10-data-free',
  axes: {
    seed: [0, 1, 2],
    method: { fast: './fast-data-free.ts', dfad: './dfad.ts', zskt: './zskt.ts', dafl: './dafl.ts' },
  },
});
