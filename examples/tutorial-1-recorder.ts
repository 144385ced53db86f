// Tutorial, part 1: one recorder by hand.
import { Conv2d, Module } from 'retort-kd/nn';
import { ModuleOutputsRecorder } from 'retort-kd/recorders';
import { randn, type Tensor } from 'retort-kd/torch';

class Toy extends Module {
  conv1 = new Conv2d(1, 1, { kernelSize: 1 });
  conv2 = new Conv2d(1, 1, { kernelSize: 1 });

  override forward(x: Tensor): Tensor {
    const once = this.conv1.forward(x);
    const again = this.conv1.forward(x.add(1));
    return this.conv2.forward(once.add(again));
  }
}

const toy = new Toy();
const x = randn([2, 1, 4, 4]);

const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
recorder.record(() => toy.forward(x));

console.log(recorder.length); // 2
const [first, second] = [recorder.getRecordData(0) as Tensor, recorder.getRecordData(-1) as Tensor];
console.log(first.equal(toy.conv1.forward(x))); // true
console.log(second.equal(toy.conv1.forward(x.add(1)))); // true
console.log(first.requiresGrad); // true

{
  using recording = recorder.record(); // forgets what was recorded before
  toy.forward(x);
  void recording;
} // and here it detaches; the records stay readable
console.log(recorder.length); // 2

try {
  new ModuleOutputsRecorder('conv3').initialize(toy);
} catch (error) {
  console.log((error as Error).message.split('\n')[0]); // ModuleOutputsRecorder("conv3"): "conv3" is not in Toy
}
