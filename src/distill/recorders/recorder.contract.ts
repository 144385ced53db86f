// What holds for every recorder; each kind's test runs it on a target of its own. The toys they share are here too.
import { afterEach, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { Buffer, Module, Parameter } from '../../nn/index.ts';
import { memory, ones, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildRecorder, RecorderManager, recorders } from './index.ts';
import type { Recorder, RecorderSource } from './index.ts';

/** `factor * x`; negative numbers are refused. */
export class Scale extends Module {
  factor: Parameter;
  constructor(factor: number) {
    super();
    this.factor = new Parameter(tensor(factor));
  }
  override forward(x: Tensor): Tensor {
    if (Number(x.data()[0]) < 0) throw new Error('negative');
    return x.mul(this.factor);
  }
}

/** The toy of the tutorial: conv1 twice, conv2 once. */
export class Toy extends Module {
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

const unpublish: (() => void)[] = [];
afterEach(() => {
  for (const remove of unpublish.splice(0)) remove();
});

/**
 * A function in a binding that may be tapped, as the load hook publishes those of modules; no longer when the test has finished.
 * `source` is the function, `address` names it, `current` gives what is in the binding and `call` calls that.
 */
export function publish<F extends (...args: never[]) => unknown>(
  source: F,
): { source: F; address: string; current: () => F; call: (...args: Parameters<F>) => ReturnType<F> } {
  let target = source;
  const bindings = [['target', () => target, (value: F) => void (target = value)]];
  const published = ((globalThis as { [key: symbol]: object[] | undefined })[Symbol.for('retort-kd.taps')] ??= []);
  const module = { key: import.meta.url.replace(/\?.*/, ''), bindings, exports: [['target', 'target']] };
  published.push(module);
  unpublish.push(() => void published.splice(published.indexOf(module), 1));
  const call = (...args: Parameters<F>): ReturnType<F> => target(...args) as ReturnType<F>;
  return { source, address: `${module.key}#target`, current: () => target, call };
}

export interface RecorderCase {
  /** What is recorded. */
  source: RecorderSource;
  /** Where it is found; none for functions and methods. */
  model?: Module;
  /** Calls the target once, for a gradient with a backward. */
  call(x: Tensor): unknown;
}

export interface RecorderContract {
  /** A fresh target. */
  make(): RecorderCase;
  /** A source that the constructor refuses. */
  wrong: unknown;
  /** What the tensor of a record is, for a call with `x`. */
  expected(x: number): number;
  /** The tensor in a record. Default: the record itself. */
  tensorOf?(record: unknown): Tensor;
}

/** Runs the contract on a kind that records calls; `call(-1)` must throw. */
export function describeRecorder(type: string, contract: RecorderContract): void {
  const { make, wrong, expected, tensorOf = (record) => record as Tensor } = contract;
  const build = ({ source }: RecorderCase): Recorder => buildRecorder({ type, source });
  const ready = (target: RecorderCase): Recorder => build(target).initialize(target.model);
  const values = (recorder: Recorder): number[] =>
    Array.from({ length: recorder.length }, (_, i) => Number(tensorOf(recorder.getRecordData(i)).item()));
  const run = (target: RecorderCase, x: number): void => void target.call(ones([1]).mul(x));

  it('contract: is registered with a summary, refuses unknown options and wrong sources', () => {
    expect(recorders.get(type).summary.length).toBeGreaterThan(10);
    const target = make();
    expect(build(target).label).toContain(`${type}Recorder(`);
    expect(() => buildRecorder({ type, source: target.source, sorce: 1 })).toThrow(refusal('unknown-option', 'sorce'));
    expect(() => buildRecorder({ type, source: wrong })).toThrow(refusal('invalid-argument', 'source'));
    expect(() => buildRecorder({ type })).toThrow(refusal('invalid-argument', 'source'));
  });

  it('contract: must be initialized; twice is once, and not while recording', () => {
    const target = make();
    const recorder = build(target);
    expect(() => recorder.record()).toThrow(refusal('invalid-state', 'initialize(model)'));
    recorder.initialize(target.model).initialize(target.model);
    recorder.record(() => {
      tidy(() => run(target, 1));
      expect(() => recorder.initialize(target.model)).toThrow(refusal('invalid-state', 'initialize'));
    });
    expect(recorder.length).toBe(1);
  });

  it('contract: one record a call in their order, readable after the block, reset by the next, nothing outside', () => {
    const target = make();
    const recorder = ready(target);
    expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'recordIdx 0', '0 records', 'record()'));
    tidy(() => {
      {
        using recording = recorder.record();
        run(target, 1);
        run(target, 2);
        recording.end();
        run(target, 3);
      }
      run(target, 4);
      expect(values(recorder)).toEqual([expected(1), expected(2)]);
      recorder.record(() => run(target, 5));
      expect(values(recorder)).toEqual([expected(5)]);
      recorder.record(() => {});
      expect(() => recorder.getRecordData()).toThrow(
        refusal('invalid-state', 'recordIdx 0', '0 records', 'not called'),
      );
    });
  });

  it('contract: records by reference, negative indices, errors with counts', () => {
    const target = make();
    const recorder = ready(target);
    tidy(() => {
      recorder.record(() => {
        run(target, 1);
        run(target, 2);
      });
      expect(tensorOf(recorder.getRecordData(-1)).item()).toBe(expected(2));
      expect(tensorOf(recorder.getRecordData(0))).toBe(tensorOf(recorder.getRecordData(-2)));
      for (const index of [2, -3, 0.5, Number.NaN]) {
        expect(() => recorder.getRecordData(index)).toThrow(
          refusal('invalid-argument', 'recordIdx', '2 records', '0 to 1', -1),
        );
      }
    });
  });

  it('contract: inside itself it goes on with the same records, in whatever order the blocks end', () => {
    const target = make();
    const recorder = ready(target);
    tidy(() => {
      recorder.record(() => {
        run(target, 1);
        recorder.record(() => run(target, 2));
        run(target, 3);
      });
      expect(values(recorder)).toEqual([1, 2, 3].map(expected));
      const [first, second] = [recorder.record(), recorder.record()];
      first.end();
      run(target, 4);
      second.end();
      run(target, 5);
      expect(values(recorder)).toEqual([expected(4)]);
    });
  });

  it('contract: two recorders on one target each see every call, in one manager and in each other', () => {
    const target = make();
    const { source } = target;
    const manager = new RecorderManager({ first: { type, source }, second: { type, source }, built: build(target) });
    manager.initialize(target.model);
    const other = ready(target);
    tidy(() => {
      manager.record(() => {
        run(target, 1);
        other.record(() => run(target, 2));
      });
      run(target, 3);
      for (const name of ['first', 'second', 'built']) {
        expect(values(manager.getRecorder(name))).toEqual([expected(1), expected(2)]);
      }
      expect(values(other)).toEqual([expected(2)]);
    });
  });

  it('contract: a call that throws leaves no record, a body that throws leaves the target as it was', () => {
    const target = make();
    const recorder = ready(target);
    tidy(() => {
      recorder.record(() => {
        expect(() => run(target, -1)).toThrow('negative');
        run(target, 2);
        expect(values(recorder)).toEqual([expected(2)]);
      });
      expect(() =>
        recorder.record(() => {
          run(target, 1);
          run(target, -1);
        }),
      ).toThrow('negative');
      run(target, 3);
      expect(values(recorder)).toEqual([expected(1)]);
    });
  });

  it('contract: records until the promise of an asynchronous body settles', async () => {
    const target = make();
    const recorder = ready(target);
    await recorder.record(async () => {
      await Promise.resolve();
      run(target, 1);
    });
    expect(values(recorder)).toEqual([expected(1)]);
    const failed = recorder.record(() => Promise.reject(new Error('later')));
    expect(await failed.catch((error: unknown) => String(error))).toBe('Error: later');
    run(target, 2);
    expect(recorder.length).toBe(0);
  });

  it('contract: records are freed with the scope in which recording began, and reading them then says so', () => {
    const target = make();
    const recorder = ready(target);
    const before = memory().tensors;
    tidy(() => {
      recorder.record(() => tidy(() => run(target, 1)));
      expect(values(recorder)).toEqual([expected(1)]);
    });
    target.model?.zeroGrad();
    expect(memory().tensors).toBe(before);
    expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', 'record 0', 'freed'));
  });

  it('contract: clear forgets them, and reading them then says so', () => {
    const target = make();
    const recorder = ready(target);
    tidy(() => {
      recorder.record(() => run(target, 1));
      recorder.clear();
      recorder.clear();
      expect(recorder.length).toBe(0);
      expect(() => recorder.getRecordData()).toThrow(refusal('invalid-state', '0 records', 'clear()'));
    });
  });
}
