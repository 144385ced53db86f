// ModuleGradients: what flows back through a module's output, in the structure of that output.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { Linear, Module, Sequential } from '../../nn/index.ts';
import { grad, memory, noGrad, ones, randn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { leaksSince, alive } from '../../../test/leaks.ts';
import { ModuleGradientsRecorder } from './index.ts';
import { describeRecorder, Toy } from './recorder.contract.ts';

describeRecorder('ModuleGradients', {
  make: () => {
    const model = new Toy();
    return {
      source: 'conv1',
      model,
      call: (x) => {
        const output = model.conv1.forward(x);
        output.backward(x.mul(5));
        return output;
      },
    };
  },
  wrong: ['conv1'],
  expected: (x) => 5 * x,
});

/** One branch of the output is not used by the loss, one has no gradient at all. */
class Branches extends Module {
  fc = new Linear(2, 2);
  override forward(x: Tensor): { used: Tensor[]; unused: Tensor; constant: Tensor; name: string } {
    const y = this.fc.forward(x);
    return { used: [y.mul(1), y.mul(2)], unused: y.add(1), constant: x.mul(1), name: 'branches' };
  }
}

it('is there after a backward that runs when the recording has ended', () => {
  const model = new Sequential({ a: new Linear(3, 4), b: new Linear(4, 1) });
  const recorder = new ModuleGradientsRecorder('a').initialize(model);
  tidy(() => {
    const output = recorder.record(() => model.forward(randn([2, 3])));
    expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'backward()'));
    output.sum().backward();
    const [weight] = (model.get('b') as Linear).parameters();
    expect(recorder.getRecordData()).toBeAllClose(weight!.detach().expand([2, 4]));
  });
  model.zeroGrad();
});

it('has the structure of the output, with null where no gradient came', () => {
  const model = new Branches();
  const recorder = new ModuleGradientsRecorder('').initialize(model);
  tidy(() => {
    const { used } = recorder.record(() => model.forward(ones([1, 2])));
    used[0]!.mul(3).add(used[1]!.mul(4)).sum().backward();
    const record = recorder.getRecordData() as Record<string, unknown>;
    expect(Object.keys(record)).toEqual(['used', 'unused', 'constant', 'name']);
    expect(record['unused']).toBe(null);
    expect(record['constant']).toBe(null);
    expect(record['name']).toBe('branches');
    const gradients = recorder.getRecordData(0, 'used') as Tensor[];
    expect(gradients[0]).toBeAllClose([[3, 3]]);
    expect(gradients[1]).toBeAllClose([[4, 4]]);
  });
  model.zeroGrad();
});

it('says that an output required no gradient', () => {
  const model = new Branches();
  const recorder = new ModuleGradientsRecorder('').initialize(model);
  recorder.record(() => noGrad(() => model.forward(ones([1, 2]))));
  expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'noGrad'));
});

it('goes on when the scope of the recording ended before backward: then the scope of backward counts', () => {
  const model = new Toy();
  const recorder = new ModuleGradientsRecorder('conv2').initialize(model);
  const before = memory().tensors;
  tidy(() => {
    const output = tidy(() => recorder.record(() => model.forward(ones([1]))));
    output.backward(ones([1]).mul(7));
    expect(recorder.getRecordData()).toBeAllClose([7]);
  });
  model.zeroGrad();
  expect(memory().tensors).toBe(before);
  expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'freed'));
});

it('takes its hooks off with the next recording and with clear', () => {
  const model = new Toy();
  const recorder = new ModuleGradientsRecorder('conv2').initialize(model);
  tidy(() => {
    const first = recorder.record(() => model.forward(ones([1])));
    const second = recorder.record(() => model.forward(ones([1])));
    first.backward(ones([1]));
    expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'backward()'));
    second.backward(ones([1]).mul(2), { retainGraph: true });
    second.backward(ones([1]).mul(3));
    expect(recorder.getRecordData()).toBeAllClose([3]);
    const third = recorder.record(() => model.forward(ones([1])));
    recorder.clear();
    third.backward(ones([1]));
    expect(recorder.length).toBe(0);
  });
  model.zeroGrad();
});

it('keeps no graph alive, also outside of scopes and with gradients of gradients', async () => {
  const before = alive();
  const run = (): void => {
    const model = new Toy();
    const recorder = new ModuleGradientsRecorder('conv1').initialize(model);
    const output = recorder.record(() => model.forward(ones([1])));
    const [gradient] = grad([output.mul(output)], [model.conv1.factor], { createGraph: true });
    expect(recorder.getRecordData()).toBeAllClose([2 * output.item()]);
    expect(gradient!.requiresGrad).toBe(true);
  };
  run();
  expect(await leaksSince(before)).toBe(undefined);
});
