// The recorders of functions and methods, which see calls through a tap: what is given (without `this`) or what is returned, one record
// a call.
import { z } from 'zod';

import { functionTarget, methodTarget } from '../../intercept/taps.ts';
import type { AddressOptions, MethodReference, TapTarget } from '../../intercept/taps.ts';
import { checkOptions } from '../../registry/index.ts';
import { addressOptions, functionSource, methodSource } from '../sources.ts';
import type { Call } from './call.ts';
import { Recorder } from './recorder.ts';
import type { RecorderSource } from './recorder.ts';

/** What a recorder of a function may be told, in configs as in code. */
const ofFunction = z.strictObject({ source: functionSource, ...addressOptions });
/** What a recorder of a method may be told, in configs as in code. */
const ofMethod = z.strictObject({ source: methodSource, ...addressOptions });

/** The target of a call recorder, once its options are checked. */
function checked<S>(
  schema: z.ZodType,
  find: (source: S, options: AddressOptions) => TapTarget,
  { name, source, options }: { name: string; source: S; options: AddressOptions },
): TapTarget {
  checkOptions(schema, { ...options, source }, name);
  return find(source, options);
}

abstract class CallRecorder extends Recorder {
  readonly #target: TapTarget;
  readonly #what: 'inputs' | 'outputs';

  constructor(source: RecorderSource, target: TapTarget, what: 'inputs' | 'outputs') {
    super(source, `${new.target.name}("${target.address}")`);
    this.#target = target;
    this.#what = what;
  }

  protected override prepare(): void {}

  protected override attach(begin: () => Call): Disposable {
    return this.#target.tap(({ args }, next) => {
      const call = begin();
      if (this.#what === 'inputs') call.take([...args]);
      return call.settle(next(), (result) => {
        if (this.#what === 'outputs') call.take(result);
      });
    }, 'observe');
  }
}

/**
 * The results of a function, its promises' values too: `new FunctionOutputsRecorder('src/ops.ts#attention')`, or the function itself.
 *
 * @example
 * ```ts
 * const recorder = new FunctionOutputsRecorder('src/ops.ts#attention').initialize();
 * recorder.record(() => model.forward(images));
 * const data = recorder.getRecordData(); // what the first call returned
 * ```
 */
export class FunctionOutputsRecorder extends CallRecorder {
  static readonly schema = ofFunction;

  /** @throws {RetortError} for a source or an option that is none, and a function or method that there is not. */
  constructor(source: string | ((...args: never[]) => unknown), options: AddressOptions = {}) {
    super(source, checked(ofFunction, functionTarget, { name: new.target.name, source, options }), 'outputs');
  }
}

/**
 * The arguments of a function, as an array; those it overwrites in place are refused when read. Sources as in {@link FunctionOutputsRecorder}.
 *
 * @example
 * ```ts
 * const recorder = new FunctionInputsRecorder('src/ops.ts#attention').initialize();
 * recorder.record(() => model.forward(images));
 * const data = recorder.getRecordData(); // the arguments of the first call
 * ```
 */
export class FunctionInputsRecorder extends CallRecorder {
  static readonly schema = ofFunction;

  /** @throws {RetortError} for a source or an option that is none, and a function or method that there is not. */
  constructor(source: string | ((...args: never[]) => unknown), options: AddressOptions = {}) {
    super(source, checked(ofFunction, functionTarget, { name: new.target.name, source, options }), 'inputs');
  }
}

/**
 * The results of a method, of all instances: `new MethodOutputsRecorder({ class: Head, method: 'getTargets' })`, or `'src/head.ts#Head.getTargets'`.
 *
 * @example
 * ```ts
 * const recorder = new MethodOutputsRecorder({ class: Head, method: 'getTargets' }).initialize();
 * recorder.record(() => model.forward(images));
 * const data = recorder.getRecordData(); // what the first call returned
 * ```
 */
export class MethodOutputsRecorder extends CallRecorder {
  static readonly schema = ofMethod;

  /** @throws {RetortError} for a source or an option that is none, and a function or method that there is not. */
  constructor(source: string | MethodReference, options: AddressOptions = {}) {
    super(source, checked(ofMethod, methodTarget, { name: new.target.name, source, options }), 'outputs');
  }
}

/**
 * The arguments of a method without `this`, as an array. Sources as in {@link MethodOutputsRecorder}.
 *
 * @example
 * ```ts
 * const recorder = new MethodInputsRecorder({ class: Head, method: 'getTargets' }).initialize();
 * recorder.record(() => model.forward(images));
 * const data = recorder.getRecordData(); // the arguments of the first call
 * ```
 */
export class MethodInputsRecorder extends CallRecorder {
  static readonly schema = ofMethod;

  /** @throws {RetortError} for a source or an option that is none, and a function or method that there is not. */
  constructor(source: string | MethodReference, options: AddressOptions = {}) {
    super(source, checked(ofMethod, methodTarget, { name: new.target.name, source, options }), 'inputs');
  }
}
