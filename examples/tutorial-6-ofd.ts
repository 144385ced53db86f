// Tutorial, part 6: Overhaul of Feature Distillation, WideResNet-28-4 to WideResNet-16-2, with margins from the teacher's norms.
import { buildAlgorithm } from 'retort-kd/algorithms';
import { randn, tidy } from 'retort-kd/torch';

const wide = (depth: number, widenFactor: number, inChannels: number) => ({
  type: 'ImageClassifier',
  backbone: { type: 'WideResNet', depth, widenFactor },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels },
});
/** Recorders, connectors and losses of one place, by the names of the config. */
const places = { s2: 'backbone.layer2.0.bn1', s3: 'backbone.layer3.0.bn1', s4: 'backbone.bn1' };
const recorders = Object.fromEntries(
  Object.entries(places).map(([name, source]) => [name, { type: 'ModuleOutputs', source }]),
);
const pair = (name: string) => ({
  sFeature: { recorder: name, fromStudent: true, connector: `${name}_student` },
  tFeature: { recorder: name, fromStudent: false, connector: `${name}_teacher` },
});
const widen = (inChannels: number) => ({
  type: 'ConvModuleConnector',
  inChannels,
  outChannels: 2 * inChannels,
  normCfg: { type: 'BN' },
  actCfg: null,
});

const algorithm = buildAlgorithm({
  type: 'OverhaulFeatureDistillation',
  architecture: wide(16, 2, 128),
  teacher: wide(28, 4, 256),
  distiller: {
    type: 'OFDDistiller',
    studentRecorders: recorders,
    teacherRecorders: recorders,
    connectors: {
      s2_student: widen(32),
      s3_student: widen(64),
      s4_student: widen(128),
      s2_teacher: { type: 'OFDTeacherConnector' },
      s3_teacher: { type: 'OFDTeacherConnector' },
      s4_teacher: { type: 'OFDTeacherConnector' },
    },
    distillLosses: {
      loss_s2: { type: 'OFDLoss', lossWeight: 0.25 },
      loss_s3: { type: 'OFDLoss', lossWeight: 0.5 },
      loss_s4: { type: 'OFDLoss', lossWeight: 1 },
    },
    lossForwardMappings: { loss_s2: pair('s2'), loss_s3: pair('s3'), loss_s4: pair('s4') },
  },
});

tidy(() => {
  const losses = algorithm.loss(randn([2, 3, 32, 32]), [{ gtLabel: 0 }, { gtLabel: 1 }]);
  console.log(Object.keys(losses).join(' ')); // student.loss distill.loss_s2 distill.loss_s3 distill.loss_s4
});
const margins = Object.keys(algorithm.stateDict()).filter((name) => name.endsWith('margin'));
console.log(margins[0]); // distiller.connectors.s2_teacher.margin
