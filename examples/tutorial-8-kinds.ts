// Tutorial, part 8: who teaches whom: several teachers, students that teach one another, a network that teaches itself, no data.
import { buildAlgorithm, type Algorithm } from 'retort-kd/algorithms';
import { backward, manualSeed, randn, tensor, tidy } from 'retort-kd/torch';

const network = (width: number) => ({
  type: 'ImageClassifier',
  backbone: {
    type: 'ResNet_CIFAR',
    depth: 18,
    stageBlocks: [1, 1],
    numStages: 2,
    stemChannels: width,
    baseChannels: width,
  },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 4, inChannels: 2 * width },
});
const fc = { type: 'ModuleOutputs', source: 'head.fc' };
const student = { recorder: 'fc', fromStudent: true };
const logits = (teacher = '', loss: object = { tau: 4 }) => ({
  type: 'ConfigurableDistiller',
  studentRecorders: { fc },
  teacherRecorders: { fc: { type: 'ModuleOutputs', source: `${teacher}head.fc` } },
  distillLosses: { loss_kl: { type: 'KLDivergence', ...loss } },
  lossForwardMappings: { loss_kl: { predsS: student, predsT: { recorder: 'fc', fromStudent: false } } },
});

const severalTeachers = buildAlgorithm({
  type: 'MultiTeacherDistill',
  architecture: network(4),
  teachers: { big: network(8), wide: { buildCfg: network(12), ckptPath: null } },
  distiller: {
    type: 'ConfigurableDistiller',
    studentRecorders: { fc },
    teacherRecorders: {
      big: { type: 'ModuleOutputs', source: 'big.head.fc' }, // a teacher's sources begin with its name
      wide: { type: 'ModuleOutputs', source: 'wide.head.fc' },
    },
    distillLosses: { loss_all: { type: 'SoftLabelEnsemble', tau: 4, weights: [2, 1] } },
    lossForwardMappings: {
      loss_all: {
        predsS: student,
        predsT: [
          { recorder: 'big', fromStudent: false },
          { recorder: 'wide', fromStudent: false },
        ],
      },
    },
  },
});

const online = buildAlgorithm({
  type: 'MutualDistill',
  students: { a: network(4), b: network(8) },
  distiller: logits(),
});

const overTime = buildAlgorithm({
  type: 'EmaTeacherDistill',
  architecture: network(4),
  momentum: 0.999,
  distiller: logits(),
});

const itself = buildAlgorithm({
  type: 'SelfDistill',
  architecture: network(4),
  distiller: {
    type: 'BYOTDistiller',
    studentRecorders: { shallow: { type: 'ModuleOutputs', source: 'backbone.layer1' } },
    teacherRecorders: { fc },
    connectors: {
      exit: { type: 'BYOTConnector', inChannels: 4, outChannels: 8, numClasses: 4, expansion: 1, poolSize: 4 },
    },
    distillLosses: { loss_kl: { type: 'KLDivergence', tau: 3, lossWeight: 0.3 } },
    lossForwardMappings: {
      loss_kl: {
        predsS: { recorder: 'shallow', fromStudent: true, connector: 'exit', connectorIdx: 1 },
        predsT: { recorder: 'fc', fromStudent: false },
      },
    },
  },
});

const withoutData = buildAlgorithm({
  type: 'DAFLDataFreeDistillation',
  architecture: network(4),
  teachers: { big: network(8) },
  generator: { type: 'DAFLGenerator', imgSize: 8, latentDim: 16, hiddenChannels: 8 },
  distiller: logits('big.', { tau: 6 }),
  generatorDistiller: {
    type: 'ConfigurableDistiller',
    teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'big.head.fc' } },
    distillLosses: { loss_onehot: { type: 'OnehotLikeLoss' }, loss_entropy: { type: 'InformationEntropyLoss' } },
    lossForwardMappings: {
      loss_onehot: { predsT: { recorder: 'fc', fromStudent: false } },
      loss_entropy: { predsT: { recorder: 'fc', fromStudent: false } },
    },
  },
});

manualSeed(0);
const batch = () => ({ inputs: randn([4, 3, 8, 8]), targets: { labels: tensor([0, 1, 2, 3], { dtype: 'int64' }) } });
/** One step; an optimizer would move the parameters of `part`, or all that are trained. */
function report(algorithm: Algorithm): string {
  const entries = tidy(() => algorithm.trainStep(batch(), ({ total }) => backward([total])));
  algorithm.afterStep();
  algorithm.zeroGrad();
  return Object.keys(entries)
    .filter((name) => name !== 'loss' && !name.endsWith('.loss'))
    .join(' ');
}
console.log(report(severalTeachers)); // distill.loss_all
console.log(report(online)); // distill.a_from_b.loss_kl distill.b_from_a.loss_kl
console.log(report(overTime)); // distill.loss_kl
console.log(report(itself)); // distill.loss_kl
console.log(report(withoutData)); // generator.loss_onehot generator.loss_entropy distill.loss_kl
console.log(Object.keys(online.students()).join(' ')); // a b
