// MMClassification's imagenet_bs256: 100 epochs of SGD, for 256 images a step.
import { defineBase } from 'retort-kd/config';

export default defineBase({
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 1e-4 },
  schedulers: [{ type: 'MultiStepLR', milestones: [30, 60, 90], gamma: 0.1 }],
  epochs: 100,
});
