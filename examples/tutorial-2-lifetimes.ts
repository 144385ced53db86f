// Tutorial, part 2: how long records live, what is refused, and how taps on one target work together.
import { MethodOutputsDelivery } from 'retort-kd/deliveries';
import { Linear, Module, ReLU } from 'retort-kd/nn';
import { MethodOutputsRecorder, ModuleOutputsRecorder } from 'retort-kd/recorders';
import { ones, randn, tidy, type Tensor } from 'retort-kd/torch';

const said = (body: () => unknown): string => {
  try {
    return String(body());
  } catch (error) {
    return (error as Error).message.split('\n')[0]!;
  }
};

class Net extends Module {
  fc = new Linear(4, 4);
  relu = new ReLU({ inplace: true });

  /** A dictionary of results, made asynchronously. */
  async summary(x: Tensor): Promise<{ mean: Tensor; parts: Tensor[] }> {
    await Promise.resolve();
    return { mean: x.mean(), parts: [x.sum(), x.amax()] };
  }

  override forward(x: Tensor): Tensor {
    return this.relu.forward(this.fc.forward(x));
  }
}
const net = new Net();
const fc = new ModuleOutputsRecorder('fc').initialize(net);

// A record that somebody overwrote is refused when it is read.
fc.record(() => net.forward(randn([2, 4])));
console.log(said(() => fc.getRecordData()));
net.relu.inplace = false;

// Records live in the scope in which recording began. Outside any scope, until the next recording or clear().
tidy(() => {
  fc.record(() => net.forward(randn([2, 4])));
  console.log((fc.getRecordData() as Tensor).shape.join(' '));
});
console.log(said(() => fc.getRecordData()));

// An asynchronous call becomes a record when its promise fulfils; parts of a record go by position or by key.
const summary = new MethodOutputsRecorder({ class: Net, method: 'summary' }).initialize();
await summary.record(async () => {
  const promise = net.summary(ones([3]));
  console.log(said(() => summary.getRecordData()));
  await promise;
});
console.log((summary.getRecordData(0, 'mean') as Tensor).item());
console.log(said(() => summary.getRecordData(0, 'maen')));

// Several taps on one target: recorders stand outside of deliveries, so they see what was delivered.
class Head {
  readonly choice: string;
  constructor(choice: string) {
    this.choice = choice;
  }
  choose(): string {
    return this.choice;
  }
}
const choose = { class: Head, method: 'choose' };
const delivery = new MethodOutputsDelivery(choose);
const seen = new MethodOutputsRecorder(choose).initialize();
delivery.deliver(() => new Head('of the teacher').choose());
delivery.overrideData = true;
console.log(seen.record(() => delivery.deliver(() => new Head('of the student').choose())));
console.log(seen.getRecordData());

// A full or an empty queue is an error with both counts.
console.log(said(() => delivery.deliver(() => new Head('one more').choose())));

// prints:
// ModuleOutputsRecorder("fc"): record 0 was overwritten in place after it was recorded
// 2 4
// ModuleOutputsRecorder("fc"): record 0 was freed with the scope in which recording began
// MethodOutputsRecorder("Net.summary"): record 0 is of an asynchronous call that has not ended
// 1
// MethodOutputsRecorder("Net.summary"): dataIdx "maen" does not exist; did you mean "mean"?
// of the teacher
// of the teacher
// MethodOutputsDelivery("Head.choose"): the queue is empty, 1 kept and 1 handed out in this step (maxKeepData 1)
