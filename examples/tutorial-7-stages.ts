// Tutorial, part 7: Factor Transfer in two stages of one config: the teacher's paraphraser is trained first, then the student.
// Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, arXiv 1802.04977.
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
const feat = { type: 'ModuleOutputs', source: 'backbone.layer2' } as const;
const networks = { type: 'SingleTeacherDistill', architecture: network(8), teacher: network(16) } as const;

export default defineStages({
  trainData: data,
  valData: data,
  optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9 },
  epochs: 1,
  stages: [
    defineStage({
      name: 'paraphraser',
      model: {
        ...networks,
        studentTrainable: false,
        calculateStudentLoss: false,
        distiller: {
          type: 'ConfigurableDistiller',
          teacherRecorders: { feat },
          connectors: { paraphraser: { type: 'Paraphraser', inChannels: 32, outChannels: 16, phase: 'pretrain' } },
          distillLosses: { loss_rebuild: { type: 'L2Loss' } },
          lossForwardMappings: {
            loss_rebuild: {
              sFeature: { recorder: 'feat', fromStudent: false, connector: 'paraphraser' },
              tFeature: { recorder: 'feat', fromStudent: false },
            },
          },
        },
      },
    }),
    defineStage({
      name: 'student',
      init: [{ stage: 'paraphraser', module: 'distiller.connectors.paraphraser' }],
      model: {
        ...networks,
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: { feat },
          teacherRecorders: { feat },
          connectors: {
            translator: { type: 'Translator', inChannels: 16, outChannels: 16 },
            paraphraser: { type: 'Paraphraser', inChannels: 32, outChannels: 16, phase: 'train' },
          },
          distillLosses: { loss_ft: { type: 'FTLoss', lossWeight: 1 } },
          lossForwardMappings: {
            loss_ft: {
              sFeature: { recorder: 'feat', fromStudent: true, connector: 'translator' },
              tFeature: { recorder: 'feat', fromStudent: false, connector: 'paraphraser' },
            },
          },
        },
      },
    }),
  ],
});
