// A program of a user's project, as an ES module; prints `[2,4]`. tools/prove-package.mjs runs it.
import { ConfigurableDistiller, Linear, Module, noGrad, randn, tensor, tidy } from 'retort-kd';
import { losses } from 'retort-kd/losses';

if (!losses.names().includes('KLDivergence')) throw new Error('retort-kd/losses has no KLDivergence');
const fc = { type: 'ModuleOutputs', source: 'fc' };
class Net extends Module {
  fc = new Linear(8, 4);
  forward(x) {
    return this.fc.forward(x);
  }
}
const distiller = new ConfigurableDistiller({
  studentRecorders: { fc },
  teacherRecorders: { fc },
  distillLosses: { loss_kl: { type: 'KLDivergence' } },
  lossForwardMappings: {
    loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
  },
});
const [teacher, student] = [new Net(), new Net()];
distiller.prepareFromTeacher(teacher);
distiller.prepareFromStudent(student);
tidy(() => {
  const x = randn([2, 8]);
  distiller.teacherPass(() => noGrad(() => teacher.forward(x)));
  distiller.studentPass(() => student.forward(x));
  distiller.forward().loss_kl.backward();
});
console.log(JSON.stringify(tidy(() => [...tensor([1, 2]).mul(2).data()])));
