// ModuleOutputs: the tutorial's first recorder, and what module sources can say.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { Module, Sequential } from '../../nn/index.ts';
import { inferenceMode, memory, ones, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ModuleOutputsRecorder, RecorderManager } from './index.ts';
import { describeRecorder, Scale, Toy } from './recorder.contract.ts';

const first = (recorder: ModuleOutputsRecorder): number => (recorder.getRecordData() as Tensor).item();

describeRecorder('ModuleOutputs', {
  make: () => {
    const model = new Toy();
    return { source: 'conv1', model, call: (x) => model.conv1.forward(x) };
  },
  wrong: 3,
  expected: (x) => 2 * x,
});

it('records each call of a forward in order, with gradients', () => {
  const toy = new Toy();
  const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
  recorder.record(() => toy.forward(ones([2])));
  expect(recorder.length).toBe(2);
  expect(recorder.getRecordData(0)).toBeAllClose([2, 2]);
  expect(recorder.getRecordData(1)).toBeAllClose([4, 4]);
  expect((recorder.getRecordData(-1) as Tensor).requiresGrad).toBe(true);
});

it('records the whole model under the empty path, by reference', () => {
  const toy = new Toy();
  const recorder = new ModuleOutputsRecorder('').initialize(toy);
  const output = recorder.record(() => toy.forward(ones([1])));
  expect(recorder.getRecordData()).toBe(output);
});

it('takes a module itself, which must belong to the model where one is given', () => {
  const toy = new Toy();
  for (const model of [toy, undefined]) {
    const recorder = new ModuleOutputsRecorder(toy.conv2).initialize(model);
    recorder.record(() => toy.forward(ones([1])));
    expect(first(recorder)).toBe(3);
  }
  expect(() => new ModuleOutputsRecorder(toy.conv2).initialize(new Toy())).toThrow(
    refusal('mismatch', 'ModuleOutputsRecorder'),
  );
});

it('needs a model for a path, and names the nearest one', () => {
  const recorder = new ModuleOutputsRecorder('conv11');
  expect(() => recorder.initialize()).toThrow(refusal('invalid-state', 'initialize(model)'));
  expect(() => recorder.initialize(new Toy())).toThrow(refusal('unknown-name', 'conv11', 'conv1'));
});

it('finds a shared module under every name it has', () => {
  class Shared extends Module {
    first = new Scale(2);
    alias = this.first;
    override forward(x: Tensor): Tensor {
      return this.alias.forward(this.first.forward(x));
    }
  }
  const model = new Shared();
  for (const source of ['first', 'alias', '*']) {
    const recorder = new ModuleOutputsRecorder(source).initialize(model);
    recorder.record(() => model.forward(ones([1])));
    expect(recorder.length, source).toBe(2);
    expect((recorder.getRecordData(1) as Tensor).item()).toBe(4);
  }
});

it('records all that a pattern matches in the order in which the calls began', () => {
  const model = new Sequential({ a: new Sequential({ x: new Scale(2), y: new Scale(5) }), b: new Scale(7) });
  const read = (source: string): number[] => {
    const recorder = new ModuleOutputsRecorder(source).initialize(model);
    recorder.record(() => model.forward(ones([1])));
    return Array.from({ length: recorder.length }, (_, i) => (recorder.getRecordData(i) as Tensor).item());
  };
  expect(read('a.*')).toEqual([2, 10]);
  expect(read('*')).toEqual([10, 70]);
  expect(read('**')).toEqual([10, 2, 10, 70]);
  expect(() => read('a.*.z')).toThrow(refusal('unknown-name', 'a.*.z'));
});

it('refuses a record that was overwritten in place', () => {
  class InPlace extends Module {
    override forward(x: Tensor): Tensor {
      return x.relu_();
    }
  }
  const net = new Sequential({ scale: new Scale(2), relu: new InPlace() });
  const recorder = new ModuleOutputsRecorder('scale').initialize(net);
  recorder.record(() => net.forward(ones([1])));
  expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'overwritten', 'inplace'));
});

it('reads parts of arrays, plain objects and maps, and says which there are', () => {
  class Heads extends Module {
    override forward(x: Tensor, kind: string): unknown {
      const [cls, box] = [x, x.mul(2)];
      if (kind === 'array') return [cls, box];
      return kind === 'map'
        ? new Map([
            ['cls', cls],
            ['box', box],
          ])
        : kind === 'tensor'
          ? x
          : { cls, box };
    }
  }
  const model = new Heads();
  const recorder = new ModuleOutputsRecorder('').initialize(model);
  recorder.record(() => {
    for (const kind of ['array', 'object', 'map', 'tensor']) model.forward(ones([1]), kind);
  });
  expect(recorder.getRecordData(0, -1)).toBeAllClose([2]);
  expect(recorder.getRecordData(1, 'box')).toBeAllClose([2]);
  expect(recorder.getRecordData(2, 'box')).toBeAllClose([2]);
  expect(() => recorder.getRecordData(0, 2)).toThrow(refusal('invalid-argument', 'dataIdx', 2));
  expect(() => recorder.getRecordData(0, 'box')).toThrow(refusal('invalid-argument', 'box', 'dataIdx', 2));
  expect(() => recorder.getRecordData(1, 'bix')).toThrow(refusal('unknown-name', 'bix', 'box', 'dataIdx'));
  expect(() => recorder.getRecordData(3, 0)).toThrow(refusal('invalid-argument', 'dataIdx 0', 'Tensor'));
});

it('one freed part does not hide the others', () => {
  class Pair extends Module {
    override forward(x: Tensor): Tensor[] {
      return [x.add(1), x.add(2)];
    }
  }
  const model = new Pair();
  const recorder = new ModuleOutputsRecorder('').initialize(model);
  const [left, right] = recorder.record(() => model.forward(ones([1])));
  left!.dispose();
  expect(() => recorder.getRecordData(0, 0)).toThrow(refusal('invalid-state', 'freed'));
  expect(recorder.getRecordData(0, 1)).toBe(right);
});

it('says that a module was replaced after initialize', () => {
  const toy = new Toy();
  const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
  toy.conv1 = new Scale(4);
  recorder.record(() => toy.forward(ones([1])));
  expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'replaced', 'initialize(model)'));
  recorder.initialize(toy).record(() => toy.forward(ones([1])));
  expect(first(recorder)).toBe(4);
});

it('does not see a copy of the model, which has hooks of its own', () => {
  const [toy, copy] = [new Toy(), new Toy()];
  tidy(() => copy.loadStateDict(toy.stateDict()));
  const manager = new RecorderManager({ feat: { type: 'ModuleOutputs', source: 'conv2' } }).initialize(toy);
  manager.record(() => {
    copy.forward(ones([1]));
    expect(manager.getRecorder('feat').length).toBe(0);
    toy.forward(ones([1]));
  });
  expect(manager.getRecorder('feat').length).toBe(1);
});

it('leaves what a module was given where it was: an outer scope', () => {
  const toy = new Sequential();
  const recorder = new ModuleOutputsRecorder('').initialize(toy);
  tidy(() => {
    const x = ones([1]).mul(6);
    tidy(() => void recorder.record(() => toy.forward(x)));
    expect(x.item()).toBe(6);
  });
});

it('records in inference mode, where tensors have no version', () => {
  const toy = new Toy();
  const recorder = new ModuleOutputsRecorder('conv2').initialize(toy);
  inferenceMode(() => recorder.record(() => toy.forward(ones([1]))));
  expect(first(recorder)).toBe(3);
});

it('costs no tensors, and leaves no hooks behind', () => {
  const toy = new Toy();
  const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
  const before = memory().tensors;
  for (let i = 0; i < 3; i++) tidy(() => void recorder.record(() => toy.forward(ones([1]))));
  expect(memory().tensors).toBe(before);
});
