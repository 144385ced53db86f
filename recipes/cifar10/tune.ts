// The highest rate of the student alone, chosen on a tenth of the training data: all rows of the table then have it.
import { defineSweep } from 'retort-kd/config';

const dataset = { type: 'Cifar10', split: 'train' } as const;

export default defineSweep({
  name: 'cifar10-tune',
  base: './alone.ts',
  patch: {
    trainData: { dataset: { _delete_: true, type: 'Split', part: 'train', dataset } },
    valData: { dataset: { _delete_: true, type: 'Split', part: 'validation', dataset } },
  },
  axes: { lr: { at: 'optimizer.lr', values: [0.1, 0.2, 0.4] }, seed: [0] },
});
