// ModuleInputs: the arguments of a module.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { Module } from '../../nn/index.ts';
import { ones, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ModuleInputsRecorder } from './index.ts';
import { describeRecorder, Toy } from './recorder.contract.ts';

describeRecorder('ModuleInputs', {
  make: () => {
    const model = new Toy();
    // The input is made inside: one from outside lives as long as its own scope.
    return { source: 'conv1', model, call: (x) => tidy(() => model.conv1.forward(x.mul(1))) };
  },
  wrong: { class: Toy, method: 'forward' },
  expected: (x) => x,
  tensorOf: (record) => (record as Tensor[])[0]!,
});

class Loss extends Module {
  override forward(x: Tensor, labels: readonly number[], inplace = false): Tensor {
    return inplace ? x.relu_() : x.mul(labels.length);
  }
}

it('records all arguments, tensors or not', () => {
  const model = new Loss();
  const recorder = new ModuleInputsRecorder('').initialize(model);
  const labels = [3, 4];
  const x = ones([1]);
  recorder.record(() => model.forward(x, labels));
  expect(recorder.getRecordData(0, 0)).toBe(x);
  expect(recorder.getRecordData(0, 1)).toBe(labels);
  expect(() => recorder.getRecordData(0, 2)).toThrow(refusal('invalid-argument', 'dataIdx', 2));
});

it('refuses an argument that the module overwrote', () => {
  const model = new Loss();
  const recorder = new ModuleInputsRecorder('').initialize(model);
  recorder.record(() => model.forward(ones([1]), [1], true));
  expect(() => recorder.getRecordData(0, 0)).toThrow(refusal('invalid-state', 'overwritten', 'inplace'));
  expect(recorder.getRecordData(0, 1)).toEqual([1]);
});

it('records what the module got, when another hook replaced it', () => {
  const model = new Loss();
  const recorder = new ModuleInputsRecorder('').initialize(model);
  recorder.record(() => {
    using hook = model.registerForwardPreHook((_module, [x]) => [(x as Tensor).add(1), [1]]);
    void hook;
    model.forward(ones([1]), [1, 2, 3]);
  });
  expect(recorder.getRecordData(0, 0)).toBeAllClose([2]);
  expect(recorder.getRecordData(0, 1)).toEqual([1]);
});

it("leaves the caller's tensors in the caller's scope", () => {
  const model = new Loss();
  const recorder = new ModuleInputsRecorder('').initialize(model);
  tidy(() => {
    const x = ones([1]).mul(7);
    tidy(() => void recorder.record(() => model.forward(x, [1])));
    expect(x.item()).toBe(7);
  });
});
