// The manager: the tutorial's second step, entering and leaving together, and names.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { memory, ones, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ModuleOutputsRecorder, RecorderManager } from './index.ts';
import { Toy } from './recorder.contract.ts';

/** The tutorial's toy has a method too. */
class ToyWithMethod extends Toy {
  toyFunc(x: Tensor): Tensor {
    return x.add(10);
  }
  override forward(x: Tensor): Tensor {
    return this.toyFunc(super.forward(x));
  }
}

const item = (manager: RecorderManager, name: string, recordIdx?: number, dataIdx?: number): number =>
  (manager.getRecorder(name).getRecordData(recordIdx, dataIdx) as Tensor).item();

it('records several kinds in one forward', () => {
  const toy = new ToyWithMethod();
  const source = { class: ToyWithMethod, method: 'toyFunc' };
  const manager = new RecorderManager({
    conv1Rec: { type: 'ModuleOutputs', source: 'conv1' },
    conv2Rec: { type: 'ModuleOutputs', source: 'conv2' },
    inputRec: { type: 'ModuleInputs', source: '' },
    funcRec: { type: 'MethodOutputs', source },
    argsRec: { type: 'MethodInputs', source },
    gradRec: { type: 'ModuleGradients', source: 'conv2' },
    paramRec: { type: 'Parameter', source: 'conv2.factor' },
  }).initialize(toy);
  tidy(() => {
    const output = manager.record(() => toy.forward(ones([1])));
    output.backward(ones([1]).mul(4));
    const parts = item(manager, 'conv1Rec', 0) + item(manager, 'conv1Rec', 1) + item(manager, 'conv2Rec');
    expect(item(manager, 'argsRec', 0, 0)).toBe(parts);
    expect(item(manager, 'funcRec')).toBe(parts + 10);
    expect(manager.getRecorder('funcRec').getRecordData()).toBe(output);
    expect(item(manager, 'inputRec', 0, 0)).toBe(1);
    expect(item(manager, 'gradRec')).toBe(4);
    expect(manager.getRecorder('paramRec').getRecordData()).toBe(toy.conv2.factor);
    toy.zeroGrad();
  });
});

it('may be empty', () => {
  expect(new RecorderManager().initialize(new Toy()).record(() => 3)).toBe(3);
});

it('unwinds when one cannot begin', () => {
  const toy = new Toy();
  const first = new ModuleOutputsRecorder('conv1').initialize(toy);
  const second = new ModuleOutputsRecorder('conv2').initialize(toy);
  const manager = new RecorderManager({ first, second, bad: new ModuleOutputsRecorder('conv2') });
  expect(() => manager.record()).toThrow(refusal('invalid-state', 'conv2', 'initialize(model)'));
  toy.forward(ones([1]));
  expect([first.length, second.length]).toEqual([0, 0]);
  first.record(() => toy.forward(ones([1])));
  expect(first.length).toBe(2);
});

it('clears all, and names the nearest recorder', () => {
  const toy = new Toy();
  const manager = new RecorderManager({ first: { type: 'ModuleOutputs', source: 'conv1' } }).initialize(toy);
  manager.record(() => toy.forward(ones([1])));
  manager.clear();
  expect(manager.getRecorder('first').length).toBe(0);
  expect(() => manager.getRecorder('frist')).toThrow(refusal('unknown-name', 'frist', 'first'));
  expect(() => new RecorderManager({ x: { type: 'ModuleOutput', source: '' } })).toThrow(
    refusal('unknown-name', 'x', 'ModuleOutput', 'ModuleOutputs'),
  );
  expect(() => new RecorderManager({ x: {} as never })).toThrow(refusal('invalid-argument', 'x', 'type'));
});

it('a step leaves nothing alive, with seven kinds of tap on one model', () => {
  const toy = new ToyWithMethod();
  const manager = new RecorderManager({
    a: { type: 'ModuleOutputs', source: '**' },
    b: { type: 'ModuleInputs', source: '**' },
    c: { type: 'ModuleGradients', source: '**' },
    d: { type: 'MethodOutputs', source: { class: ToyWithMethod, method: 'toyFunc' } },
  }).initialize(toy);
  const before = memory().tensors;
  for (let step = 0; step < 3; step++) {
    tidy(() => manager.record(() => toy.forward(ones([1]))).backward(ones([1])));
    toy.zeroGrad();
  }
  expect(memory().tensors).toBe(before);
});
