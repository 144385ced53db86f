// MMClassification's imagenet_bs256_epochstep: 300 epochs of SGD, the rate falls by 2% after each; for 256 images a step.
import { defineBase } from 'retort-kd/config';

export default defineBase({
  optimizer: { type: 'SGD', lr: 0.045, momentum: 0.9, weightDecay: 4e-5 },
  schedulers: [{ type: 'StepLR', stepSize: 1, gamma: 0.98 }],
  epochs: 300,
});
