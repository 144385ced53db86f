// Distills your own module into another one of yours: the student's scores follow the teacher's, neither is edited.
import {
  compare,
  DataLoader,
  distill,
  KLDivergence,
  Linear,
  Module,
  RandomSampler,
  randn,
  ReLU,
  saveModule,
} from 'retort-kd';
import { manualSeed, TensorDataset, type Tensor } from 'retort-kd';

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

manualSeed(0);
const [teacher, student] = [new Net(64), new Net(8)];
using dataset = new TensorDataset({ inputs: randn([4096, 8]) });

const { losses } = await distill({
  student,
  teacher,
  data: new DataLoader(dataset, { batchSize: 64, sampler: new RandomSampler({ seed: 0 }) }),
  losses: (student, teacher) => ({
    kl: compare(new KLDivergence({ tau: 2 }), { predsS: student.output('fc'), predsT: teacher.output('fc') }),
  }),
  optimizer: { type: 'Adam', lr: 0.01 },
  epochs: 5,
});
console.log(losses.kl < 0.01); // true
saveModule(process.argv[2] ?? 'student.safetensors', student);
