// Parameter: the live one, there from initialize on, whatever is recorded or cleared.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { Module, Parameter } from '../../nn/index.ts';
import { noGrad, ones, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildRecorder, ParameterRecorder, recorders } from './index.ts';
import { Toy } from './recorder.contract.ts';

it('is there after initialize, the same one after recording, clearing and a step of an optimizer', () => {
  const toy = new Toy();
  const recorder = buildRecorder({ type: 'Parameter', source: 'conv1.factor' });
  expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'recordIdx 0', '0 records'));
  recorder.initialize(toy).initialize(toy);
  expect(recorder.length).toBe(1);
  recorder.record(() => toy.forward(ones([1])));
  noGrad(() => toy.conv1.factor.add_(1));
  recorder.clear();
  expect(recorder.getRecordData()).toBe(toy.conv1.factor);
  expect(() => recorder.getRecordData(1)).toThrow(refusal('invalid-argument', 'recordIdx 1', '1 record'));
});

it('is registered, and refuses wrong sources', () => {
  expect(recorders.get('Parameter').summary).toMatch(/parameter/);
  expect(() => buildRecorder({ type: 'Parameter', source: 1 })).toThrow(refusal('invalid-argument', 'source'));
  expect(() => new ParameterRecorder(1 as never)).toThrow(refusal('invalid-argument', 'source', 'got 1'));
  expect(() => new ParameterRecorder('conv1.facter').initialize(new Toy())).toThrow(
    refusal('unknown-name', 'conv1.factor'),
  );
  expect(() => new ParameterRecorder('conv1.factor').initialize()).toThrow(
    refusal('invalid-state', 'initialize(model)'),
  );
  expect(() => new ParameterRecorder('conv1.factor').record()).toThrow(refusal('invalid-state', 'initialize(model)'));
});

it('finds tied parameters under every name, several by a pattern, and one by itself', () => {
  class Tied extends Module {
    weight = new Parameter(tensor(2));
    alias = this.weight;
    bias = new Parameter(tensor(3));
    override forward(x: Tensor): Tensor {
      return x.mul(this.weight).add(this.bias);
    }
  }
  const model = new Tied();
  for (const source of ['weight', 'alias', model.weight]) {
    const recorder = new ParameterRecorder(source).initialize(model);
    expect(recorder.getRecordData()).toBe(model.weight);
  }
  const all = new ParameterRecorder('*').initialize(model);
  expect([all.getRecordData(0), all.getRecordData(1), all.length]).toEqual([model.weight, model.bias, 2]);
  expect(() => new ParameterRecorder(new Parameter(tensor(1))).initialize(model)).toThrow(
    refusal('mismatch', 'parameter', 'Tied'),
  );
});
