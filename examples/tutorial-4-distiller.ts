// Tutorial, part 4: a distiller put together from a config: FitNets with the connectors of Factor Transfer and the loss of AT.
import { buildDistiller, ConfigurableDistiller } from 'retort-kd/distillers';
import { buildModel } from 'retort-kd/models';
import { SGD } from 'retort-kd/optim';
import { noGrad, randn, tidy } from 'retort-kd/torch';

const network = (width: number) =>
  buildModel({
    type: 'ImageClassifier',
    backbone: {
      type: 'ResNet_CIFAR',
      depth: 18,
      stageBlocks: [1, 1],
      numStages: 2,
      stemChannels: 8,
      baseChannels: width,
    },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 10, inChannels: 2 * width },
  });
const [teacher, student] = [network(16).eval().requiresGrad_(false), network(8)];

const distiller = new ConfigurableDistiller({
  studentRecorders: { feat: { type: 'ModuleOutputs', source: 'backbone.layer2' } },
  teacherRecorders: { feat: { type: 'ModuleOutputs', source: 'backbone.layer2' } },
  connectors: {
    loss_neck_sfeat: { type: 'Translator', inChannels: 16, outChannels: 12 },
    loss_neck_tfeat: { type: 'Paraphraser', inChannels: 32, outChannels: 12, phase: 'train' },
  },
  distillLosses: { loss_neck: { type: 'ATLoss', lossWeight: 5 } },
  lossForwardMappings: {
    loss_neck: {
      sFeature: { recorder: 'feat', fromStudent: true, connector: 'loss_neck_sfeat' },
      tFeature: { recorder: 'feat', fromStudent: false, connector: 'loss_neck_tfeat' },
    },
  },
});
distiller.prepareFromTeacher(teacher);
distiller.prepareFromStudent(student);

// The connectors learn too: their parameters are the distiller's.
const trained = [...student.parameters(), ...distiller.parameters()];
const optimizer = new SGD(trained, { lr: 0.05, momentum: 0.9 });

function step(): number {
  return tidy(() => {
    const images = randn([8, 3, 16, 16]);
    distiller.teacherPass(() => noGrad(() => teacher.forward(images)));
    distiller.studentPass(() => student.forward(images));
    const { loss_neck: loss } = distiller.forward();
    distiller.endStep();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss.item();
  });
}
console.log(step() > 0);
console.log(
  distiller.connectors
    .get('loss_neck_sfeat')
    .parameters()
    .some((weight) => weight.grad !== null),
);

try {
  buildDistiller({
    type: 'ConfigurableDistiller',
    studentRecorders: { feat: { type: 'ModuleOutputs', source: 'backbone.layer2' } },
    distillLosses: { loss_neck: { type: 'ATLoss' } },
    lossForwardMappings: { loss_neck: { sFeatur: { recorder: 'fet', fromStudent: true } } },
  });
} catch (error) {
  console.log((error as Error).message);
}
// prints:
// true
// true
// ConfigurableDistiller:
//     loss "loss_neck": argument "sFeature" is not mapped
//     loss "loss_neck": argument "tFeature" is not mapped
//     loss "loss_neck", argument "sFeatur": unknown argument of ATLoss; did you mean "sFeature" or "tFeature"?
//     loss "loss_neck", argument "sFeatur": unknown recorder "fet" of the student; did you mean "feat"?
