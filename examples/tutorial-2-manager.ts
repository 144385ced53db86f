// Tutorial, part 2: several recorders of several kinds, entered together.
import { registerTaps } from 'retort-kd/intercept';
import { RecorderManager } from 'retort-kd/recorders';
import { randn, type Tensor } from 'retort-kd/torch';

// Functions of a module can be tapped if the load hook is there before the module is. Everything else needs no preparation.
registerTaps({ modules: ['./tutorial-toy.ts'], folder: import.meta.dirname });
const { Toy } = await import('./tutorial-toy.ts');

const here = { folder: import.meta.dirname };
const manager = new RecorderManager({
  conv1: { type: 'ModuleOutputs', source: 'conv1' },
  convs: { type: 'ModuleInputs', source: 'conv*' },
  weight: { type: 'Parameter', source: 'conv2.weight' },
  gradient: { type: 'ModuleGradients', source: 'conv1' },
  method: { type: 'MethodOutputs', source: { class: Toy, method: 'toyFunc' } },
  dotted: { type: 'MethodInputs', source: 'tutorial-toy.Toy.toyFunc', ...here },
  func: { type: 'FunctionOutputs', source: './tutorial-toy.ts#activate', ...here },
  given: { type: 'FunctionInputs', source: './tutorial-toy.ts#activate', ...here },
});

const toy = new Toy();
const output = manager.initialize(toy).record(() => toy.forward(randn([2, 1, 4, 4])));
output.sum().backward();

const shapeOf = (name: string, recordIdx?: number, dataIdx?: number): string =>
  (manager.getRecorder(name).getRecordData(recordIdx, dataIdx) as Tensor).shape.join(' ');
console.log(shapeOf('conv1')); // 2 2 4 4
console.log(manager.getRecorder('convs').length); // 2
console.log(shapeOf('convs', 1, 0)); // 2 2 4 4
console.log(manager.getRecorder('weight').getRecordData() === toy.conv2.weight); // true
console.log(shapeOf('gradient')); // 2 2 4 4
console.log(manager.getRecorder('method').getRecordData() === output); // true
console.log(shapeOf('dotted', 0, 0)); // 2 4 4 4
console.log(shapeOf('func')); // 2 2 4 4
console.log(manager.getRecorder('given').getRecordData(0, 0) === manager.getRecorder('conv1').getRecordData()); // true
