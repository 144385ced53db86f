// Distils your own module into another one of yours: the student's `fc` follows the teacher's, neither is edited.
import { ConfigurableDistiller } from 'retort-kd/distillers';
import { saveModule, Linear, Module, ReLU } from 'retort-kd/nn';
import { Adam } from 'retort-kd/optim';
import { noGrad, randn, tidy, type Tensor } from 'retort-kd/torch';

class Net extends Module {
  hidden: Linear;
  relu = new ReLU();
  fc: Linear;
  constructor(width: number) {
    super();
    this.hidden = new Linear(8, width);
    this.fc = new Linear(width, 4);
  }
  override forward(x: Tensor): Tensor {
    return this.fc.forward(this.relu.forward(this.hidden.forward(x)));
  }
}

const [teacher, student] = [new Net(64).eval(), new Net(8)];
const fc = { type: 'ModuleOutputs', source: 'fc' } as const;
const distiller = new ConfigurableDistiller({
  studentRecorders: { fc },
  teacherRecorders: { fc },
  distillLosses: { loss_kl: { type: 'KLDivergence', tau: 2 } },
  lossForwardMappings: {
    loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
  },
});
distiller.prepareFromTeacher(teacher);
distiller.prepareFromStudent(student);
const optimizer = new Adam(student.parameters(), { lr: 0.01 });

for (let step = 0; step <= 300; step++) {
  const loss = tidy(() => {
    const x = randn([64, 8]);
    distiller.teacherPass(() => noGrad(() => teacher.forward(x)));
    distiller.studentPass(() => student.forward(x));
    const { loss_kl: loss } = distiller.forward();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss.item();
  });
  if (step % 100 === 0) console.log(`step ${step}: ${loss.toFixed(5)}`);
}
saveModule(process.argv[2] ?? 'student.safetensors', student);
