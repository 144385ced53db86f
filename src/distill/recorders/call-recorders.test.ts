// The recorders of functions and methods: the contract, asynchronous and nested calls, and the two sides of a distillation.
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { ones, tensor, tidy, tidyAsync } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildRecorder, MethodInputsRecorder, MethodOutputsRecorder, RecorderManager } from './index.ts';
import { describeRecorder, publish } from './recorder.contract.ts';

/** A class with one method, new for each test. */
function makeClass() {
  return class Target {
    factor = 2;
    run(x: Tensor): Tensor {
      if (x.item() < 0) throw new Error('negative');
      return x.mul(this.factor);
    }
  };
}
const makeMethod = () => {
  const Target = makeClass();
  return { source: { class: Target, method: 'run' }, call: (x: Tensor) => tidy(() => new Target().run(x.add(0))) };
};

/** A function in a module, new for each test. */
const makeFunction = () => {
  const { source, call } = publish((x: Tensor): Tensor => {
    if (x.item() < 0) throw new Error('negative');
    return x.mul(2);
  });
  return { source, call: (x: Tensor) => tidy(() => call(x.add(0))) };
};
const outputs = { expected: (x: number) => 2 * x };
const inputs = { expected: (x: number) => x, tensorOf: (record: unknown) => (record as Tensor[])[0]! };

describe('MethodOutputs', () => {
  describeRecorder('MethodOutputs', { make: makeMethod, wrong: 3, ...outputs });
});
describe('MethodInputs', () => {
  describeRecorder('MethodInputs', { make: makeMethod, wrong: { class: Object }, ...inputs });
});
describe('FunctionOutputs', () => {
  describeRecorder('FunctionOutputs', { make: makeFunction, wrong: 3, ...outputs });
});
describe('FunctionInputs', () => {
  describeRecorder('FunctionInputs', { make: makeFunction, wrong: null, ...inputs });
});

it('finds functions and methods by address, with a folder or prefixes too', () => {
  const { address, call } = publish((x: number) => 2 * x);
  const path = fileURLToPath(address.replace('#target', ''));
  for (const config of [
    { source: address },
    { source: `${basename(path)}#target`, folder: dirname(path) },
    { source: 'toys.target', prefixes: { toys: path } },
  ]) {
    const recorder = buildRecorder({ type: 'FunctionOutputs', ...config }).initialize();
    expect(recorder.label).toBe(`FunctionOutputsRecorder("${config.source}")`);
    recorder.record(() => call(4));
    expect(recorder.getRecordData()).toBe(8);
  }
  expect(() => buildRecorder({ type: 'FunctionOutputs', source: `${address}s` })).toThrow(
    refusal('not-found', 'targets', '"target"'),
  );
});

class Head {
  async later(x: number, wait: number): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (x < 0) throw new Error('negative');
    return 10 * x;
  }
  depth(n: number): number {
    return n === 0 ? 0 : this.depth(n - 1) + 1;
  }
  inplace(x: Tensor, ...rest: unknown[]): Tensor {
    return x.add_(rest.length);
  }
}

it('records the values of promises in the order of the calls; reading one that is not there says to await', async () => {
  const recorder = new MethodOutputsRecorder({ class: Head, method: 'later' }).initialize();
  const inputs = new MethodInputsRecorder({ class: Head, method: 'later' }).initialize();
  const head = new Head();
  using recording = recorder.record();
  using alongside = inputs.record();
  const calls = [head.later(1, 6), head.later(-1, 3), head.later(2, 1)];
  recording.end();
  alongside.end();
  expect(recorder.length).toBe(3);
  expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'MethodOutputsRecorder', 0));
  const results = await Promise.allSettled(calls);
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect([recorder.getRecordData(0), recorder.getRecordData(1), recorder.length]).toEqual([10, 20, 2]);
  expect([inputs.getRecordData(0), inputs.getRecordData(-1), inputs.length]).toEqual([[1, 6], [2, 1], 2]);
});

it('records what promises of other classes give, too', async () => {
  class Lazy {
    run(): unknown {
      // oxlint-disable-next-line unicorn/no-thenable
      return { then: (done: (value: number) => void) => done(7) };
    }
  }
  const recorder = new MethodOutputsRecorder({ class: Lazy, method: 'run' }).initialize();
  expect(await recorder.record(() => new Lazy().run())).toBe(7);
  expect(recorder.getRecordData()).toBe(7);
});

it('a call that ends after the records were forgotten is forgotten too', async () => {
  const recorder = new MethodOutputsRecorder({ class: Head, method: 'later' }).initialize();
  const first = recorder.record(() => new Head().later(1, 1));
  recorder.clear();
  expect(await first).toBe(10);
  expect(recorder.length).toBe(0);
});

it('keeps what an asynchronous scope made until that ends', async () => {
  class Slow {
    async run(x: Tensor): Promise<Tensor> {
      await Promise.resolve();
      return x.mul(2);
    }
  }
  const recorder = new MethodOutputsRecorder({ class: Slow, method: 'run' }).initialize();
  await tidyAsync(async () => {
    await recorder.record(() => new Slow().run(tensor([2])));
    expect(recorder.getRecordData()).toBeAllClose([4]);
  });
  expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'freed'));
});

it('records nested calls in the order in which they began', () => {
  const recorder = new MethodInputsRecorder({ class: Head, method: 'depth' }).initialize();
  const results = new MethodOutputsRecorder({ class: Head, method: 'depth' }).initialize();
  recorder.record(() => results.record(() => new Head().depth(2)));
  const all = [0, 1, 2].map((i) => [recorder.getRecordData(i, 0), results.getRecordData(i)]);
  expect(all).toEqual([
    [2, 2],
    [1, 1],
    [0, 0],
  ]);
});

it('records all arguments without `this`, and refuses those that were overwritten', () => {
  const recorder = new MethodInputsRecorder({ class: Head, method: 'inplace' }).initialize();
  const x = ones([1]);
  recorder.record(() => new Head().inplace(x, 'a', 'b'));
  expect(recorder.getRecordData(0, 1)).toBe('a');
  expect(recorder.getRecordData(0, -1)).toBe('b');
  expect(() => recorder.getRecordData(0, 0)).toThrow(refusal('invalid-state', 'overwritten', 'inplace'));
});

it('nothing stays patched, in whatever order several taps come off', () => {
  const original = Object.getOwnPropertyDescriptor(Head.prototype, 'depth');
  const { source, call, current } = publish((x: number) => x);
  const method = { class: Head, method: 'depth' };
  const manager = new RecorderManager({
    a: { type: 'FunctionOutputs', source },
    b: { type: 'FunctionOutputs', source },
    c: { type: 'MethodOutputs', source: method },
    d: { type: 'MethodInputs', source: method },
  }).initialize();
  const other = new MethodOutputsRecorder(method).initialize().record();
  const recording = manager.record();
  expect(current()).not.toBe(source);
  expect(Object.getOwnPropertyDescriptor(Head.prototype, 'depth')).not.toEqual(original);
  other.end();
  recording.end();
  expect(current()).toBe(source);
  expect(Object.getOwnPropertyDescriptor(Head.prototype, 'depth')).toEqual(original);
  expect(call(1)).toBe(1);
  expect(manager.getRecorder('a').length).toBe(0);
});

it('two recorders on one method, one inside the other, as a network that is its own teacher has them', () => {
  const source = { class: Head, method: 'depth' };
  const [student, teacher] = [new MethodOutputsRecorder(source), new MethodOutputsRecorder(source)];
  student.initialize();
  teacher.initialize();
  teacher.record(() => student.record(() => new Head().depth(0)));
  expect([student.length, teacher.length]).toEqual([1, 1]);
  const [outer, inner] = [teacher.record(), student.record()];
  outer.end(); // not in reverse
  new Head().depth(0);
  inner.end();
  new Head().depth(0);
  expect([student.length, teacher.length]).toEqual([1, 0]);
});

it('checks options in code as in configs', () => {
  const options = { foldr: '/' } as never;
  expect(() => new MethodOutputsRecorder({ class: Object, method: 'toString' }, options)).toThrow(
    refusal('unknown-option', 'MethodOutputsRecorder', 'foldr', 'folder'),
  );
  expect(() => buildRecorder({ type: 'MethodOutputs', source: 'a.ts#A.b', foldr: '/' })).toThrow(
    refusal('unknown-option', 'MethodOutputs', 'foldr', 'folder'),
  );
  expect(() => new MethodInputsRecorder(3 as never)).toThrow(
    refusal('invalid-argument', 'MethodInputsRecorder', 'source', 'address', 3),
  );
});
