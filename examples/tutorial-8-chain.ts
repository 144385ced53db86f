// Tutorial, part 8: a chain: a teacher, an assistant that learns from it, and a student that learns from the assistant.
// Mirzadeh et al.: Improved Knowledge Distillation via Teacher Assistant, arXiv 1902.03393.
import { defineStage, defineStages, type ClassifierConfig, type LoaderConfig } from 'retort-kd/config';

const network = (baseChannels: number): ClassifierConfig => ({
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 18, inChannels: 1, stemChannels: 8, baseChannels, numStages: 2 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 4, inChannels: 2 * baseChannels },
});
const data: LoaderConfig = {
  dataset: { type: 'SyntheticImages', samples: 256 },
  batchSize: 16,
  transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
};
const fc = { type: 'ModuleOutputs', source: 'head.fc' } as const;
const distiller = {
  type: 'ConfigurableDistiller',
  studentRecorders: { fc },
  teacherRecorders: { fc },
  distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4 } },
  lossForwardMappings: {
    loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
  },
} as const;

export default defineStages({
  trainData: data,
  valData: data,
  optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9 },
  epochs: 1,
  stages: [
    defineStage({ name: 'teacher', model: { type: 'Supervised', architecture: network(16) } }),
    defineStage({
      name: 'assistant',
      model: {
        type: 'SingleTeacherDistill',
        architecture: network(12),
        teacher: { type: 'FromStage', stage: 'teacher' },
        distiller,
      },
    }),
    defineStage({
      name: 'student',
      model: {
        type: 'SingleTeacherDistill',
        architecture: network(8),
        teacher: { type: 'FromStage', stage: 'assistant' },
        distiller,
      },
    }),
  ],
});
