// DML: two WRN-16-1 teach each other. No teacher; the first is measured.
// Zhang, Xiang, Hospedales, Lu: Deep Mutual Learning, 2018, arXiv 1706.00384.
import { defineConfig } from 'retort-kd/config';

import { bothLogits, budget, logits, student } from './common.ts';

export default defineConfig({
  ...budget,
  model: {
    type: 'MutualDistill',
    students: { student, peer: student },
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: logits,
      teacherRecorders: logits,
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 1 } },
      lossForwardMappings: { loss_kl: bothLogits },
    },
  },
});
