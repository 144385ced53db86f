// MMClassification's cifar10_bs128: 200 epochs of SGD, for 128 images a step.
import { defineBase } from 'retort-kd/config';

export default defineBase({
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 1e-4 },
  schedulers: [{ type: 'MultiStepLR', milestones: [100, 150], gamma: 0.1 }],
  epochs: 200,
});
