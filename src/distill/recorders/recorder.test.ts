// Recorders: what is recorded, when, for how long, and the errors of wrong names, indices and in-place changes.
import { describe, expect, it } from 'vitest';

import { Buffer, Module, Parameter, Sequential } from '../../nn/index.ts';
import { memory, ones, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildRecorder, ModuleOutputsRecorder, RecorderManager } from './index.ts';

class Scale extends Module {
  factor: Parameter;
  constructor(factor: number) {
    super();
    this.factor = new Parameter(tensor(factor));
  }
  override forward(x: Tensor): Tensor {
    return x.mul(this.factor);
  }
}

/** The toy of the tutorial: conv1 twice, conv2 once. */
class Toy extends Module {
  conv1 = new Scale(2);
  conv2 = new Scale(3);
  count = new Buffer(tensor(0));
  override forward(x: Tensor): Tensor {
    return this.conv1
      .forward(x)
      .add(this.conv1.forward(x.add(1)))
      .add(this.conv2.forward(x));
  }
}

describe('ModuleOutputsRecorder', () => {
  it('records each call in order, with gradients, readable after the block and reset by the next', () => {
    const toy = new Toy();
    const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
    const x = ones([2]);
    {
      using recording = recorder.record();
      void recording;
      toy.forward(x);
    }
    expect(recorder.length).toBe(2);
    expect(recorder.getRecordData(0) as Tensor).toBeAllClose([2, 2]);
    expect(recorder.getRecordData(1) as Tensor).toBeAllClose([4, 4]);
    expect((recorder.getRecordData(-1) as Tensor).requiresGrad).toBe(true);
    toy.forward(x);
    expect(recorder.length).toBe(2);
    recorder.record(() => toy.conv1.forward(x));
    expect(recorder.length).toBe(1);
  });

  it('records the whole model under the empty path', () => {
    const toy = new Toy();
    const recorder = new ModuleOutputsRecorder('').initialize(toy);
    const output = recorder.record(() => toy.forward(ones([1])));
    expect(recorder.getRecordData()).toBe(output);
  });

  it('frees its records with the scope in which recording began', () => {
    const toy = new Toy();
    const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
    const before = memory().tensors;
    tidy(() => {
      recorder.record(() => toy.forward(ones([1])));
      expect((recorder.getRecordData() as Tensor).item()).toBe(2);
    });
    expect(memory().tensors).toBe(before);
  });

  it('is clear about a wrong path, no initialize, and wrong indices', () => {
    const toy = new Toy();
    expect(() => new ModuleOutputsRecorder('conv11').initialize(toy)).toThrow(
      /"conv11" is not in Toy\n {2}help: did you mean "conv1"/,
    );
    expect(() => new ModuleOutputsRecorder('conv1').record()).toThrow(/was not initialised/);
    expect(() => new ModuleOutputsRecorder(3 as never)).toThrow(/source must be a string, got 3/);
    const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
    expect(() => recorder.getRecordData()).toThrow(/there are 0 records\n {2}help: the target was not called/);
    recorder.record(() => toy.forward(ones([1])));
    expect(() => recorder.getRecordData(2)).toThrow(/recordIdx 2 does not exist, there are 2 records/);
    expect(() => recorder.getRecordData(0, 0)).toThrow(/the record is no array/);
    expect(() => buildRecorder({ type: 'ModuleOutput', source: '' })).toThrow(/did you mean "ModuleOutputs"/);
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
    expect(() => recorder.getRecordData()).toThrow(/overwritten in place/);
  });

  it('leaves nothing attached, also when the body throws', () => {
    const toy = new Toy();
    const recorder = new ModuleOutputsRecorder('conv1').initialize(toy);
    expect(() =>
      recorder.record(() => {
        toy.conv1.forward(ones([1]));
        throw new Error('inside');
      }),
    ).toThrow('inside');
    toy.forward(ones([1]));
    expect(recorder.length).toBe(1);
  });

  it('nests: an inner block of the same recorder goes on with the outer one', () => {
    const toy = new Toy();
    const recorder = new ModuleOutputsRecorder('conv2').initialize(toy);
    recorder.record(() => {
      toy.forward(ones([1]));
      recorder.record(() => toy.forward(ones([1])));
      toy.forward(ones([1]));
    });
    expect(recorder.length).toBe(3);
  });
});

describe('RecorderManager', () => {
  const configs = {
    first: { type: 'ModuleOutputs', source: 'conv1' },
    same: { type: 'ModuleOutputs', source: 'conv1' },
    second: { type: 'ModuleOutputs', source: 'conv2' },
  };

  it('records with all, two on one target included', () => {
    const toy = new Toy();
    const manager = new RecorderManager(configs).initialize(toy);
    manager.record(() => toy.forward(ones([1])));
    const values = ['first', 'same', 'second'].map((name) => manager.getRecorder(name).getRecordData());
    expect((values[0] as Tensor).item()).toBe(2);
    expect(values[1]).toBe(values[0]);
    expect((values[2] as Tensor).item()).toBe(3);
  });

  it('unwinds when one cannot begin, and names the nearest recorder', () => {
    const toy = new Toy();
    const first = new ModuleOutputsRecorder('conv1').initialize(toy);
    const manager = new RecorderManager({ first, bad: new ModuleOutputsRecorder('conv2') });
    expect(() => manager.record()).toThrow(/conv2.*was not initialised/);
    toy.forward(ones([1]));
    expect(first.length).toBe(0);
    expect(() => manager.getRecorder('frist')).toThrow(/did you mean "first"/);
  });
});
