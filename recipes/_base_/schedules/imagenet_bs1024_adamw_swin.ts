// MMClassification's imagenet_bs1024_adamw_swin: 300 epochs of AdamW, 20 of them warm-up, then a cosine; for 1024 images a step.
import { defineBase } from 'retort-kd/config';

const epochs = 300;
/** 1,281,167 images. */
const stepsPerEpoch = Math.ceil(1_281_167 / 1024);

export default defineBase({
  optimizer: {
    type: 'AdamW',
    lr: (5e-4 * 1024) / 512,
    weightDecay: 0.05,
    eps: 1e-8,
    betas: [0.9, 0.999],
    paramwise: { normDecayMult: 0, biasDecayMult: 0, flatDecayMult: 0 },
  },
  schedulers: [
    { type: 'LinearLR', by: 'step', startFactor: 1e-3, totalIters: 20 * stepsPerEpoch - 1 },
    // The cosine begins at epoch 0, in the original after the warm-up.
    { type: 'CosineAnnealingLR', tMax: epochs, etaMin: 1e-5 },
  ],
  epochs,
});
