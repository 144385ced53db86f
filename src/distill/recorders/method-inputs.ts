// Records what a method of a class is given, one record a call.
import { methodTarget } from '../../intercept/taps.ts';
import type { AddressOptions, MethodReference, TapTarget } from '../../intercept/taps.ts';
import type { Call } from './call.ts';
import { recordCalls } from './call-taps.ts';
import { Recorder } from './recorder.ts';

/** The arguments of a method without `this`, as an array. Sources as in `MethodOutputsRecorder`. */
export class MethodInputsRecorder extends Recorder {
  readonly #target: TapTarget;

  constructor(source: string | MethodReference, options: AddressOptions = {}) {
    const target = methodTarget(source, options);
    super(source, `${new.target.name}("${target.address}")`);
    this.#target = target;
  }

  protected override prepare(): void {}

  protected override attach(begin: () => Call): Disposable {
    return recordCalls(this.#target, begin, 'inputs');
  }
}
