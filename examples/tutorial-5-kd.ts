// Tutorial, part 5: what a config's algorithm does, by hand: one training step of KD from ResNet-34 to ResNet-18.
import { buildAlgorithm } from 'retort-kd/algorithms';
import { SGD } from 'retort-kd/optim';
import { randn, tidy } from 'retort-kd/torch';

import config from './tutorial-5-config.ts';

const algorithm = buildAlgorithm({ ...config.model, teacherCkpt: null });
const optimizer = new SGD(
  algorithm.parameters().filter((parameter) => parameter.requiresGrad),
  { lr: 0.1, momentum: 0.9, weightDecay: 1e-4 },
);

tidy(() => {
  const losses = algorithm.loss(randn([2, 3, 64, 64]), [{ gtLabel: 3 }, { gtLabel: 7 }]);
  console.log(Object.keys(losses).join(' ')); // student.loss distill.loss_kl
  const [total] = algorithm.parseLosses(losses);
  optimizer.zeroGrad();
  total.backward();
  optimizer.step();
});
console.log(Object.keys(algorithm.evaluated()).join(' ')); // student teacher
console.log(Object.keys(algorithm.student.stateDict())[0]); // backbone.conv1.weight
