// MMClassification's imagenet_bs1024_linearlr_bn_nowd: 300 epochs of SGD, the rate falls evenly to 0; for 1024 images a step.
import { defineBase } from 'retort-kd/config';

const epochs = 300;
/** 1,281,167 images. */
const stepsPerEpoch = Math.ceil(1_281_167 / 1024);

export default defineBase({
  optimizer: { type: 'SGD', lr: 0.5, momentum: 0.9, weightDecay: 4e-5, paramwise: { normDecayMult: 0 } },
  schedulers: [
    { type: 'ConstantLR', by: 'step', factor: 0.1, totalIters: 4999 },
    // The fall begins at step 0, in the original at step 5000: rates differ by at most 1.3% of lr.
    { type: 'PolynomialLR', by: 'step', totalIters: epochs * stepsPerEpoch },
  ],
  epochs,
});
