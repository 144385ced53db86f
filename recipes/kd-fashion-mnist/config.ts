// Distils the student: its logits follow the teacher's softened ones (Hinton, Vinyals, Dean, arXiv 1503.02531).
import { defineConfig } from 'retort-kd/config';

import { student, teacher, training } from './common.ts';

export default defineConfig({
  ...training(4),
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    teacher,
    teacherCkpt: 'teacher.safetensors',
    foldTeacherNorms: true,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 2, lossWeight: 2 } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
});
