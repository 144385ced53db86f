// Records what a function is given, one record a call.
import { functionTarget } from '../../intercept/taps.ts';
import type { AddressOptions, TapTarget } from '../../intercept/taps.ts';
import type { Call } from './call.ts';
import { recordCalls } from './call-taps.ts';
import { Recorder } from './recorder.ts';

/** The arguments of a function, as an array; those it overwrites in place are refused when read. Sources as in `FunctionOutputsRecorder`. */
export class FunctionInputsRecorder extends Recorder {
  readonly #target: TapTarget;

  constructor(source: string | ((...args: never[]) => unknown), options: AddressOptions = {}) {
    const target = functionTarget(source, options);
    super(source, `${new.target.name}("${target.address}")`);
    this.#target = target;
  }

  protected override prepare(): void {}

  protected override attach(begin: () => Call): Disposable {
    return recordCalls(this.#target, begin, 'inputs');
  }
}
