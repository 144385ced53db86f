// Records what a function returns, one record a call.
import { functionTarget } from '../../intercept/taps.ts';
import type { AddressOptions, TapTarget } from '../../intercept/taps.ts';
import type { Call } from './call.ts';
import { recordCalls } from './call-taps.ts';
import { Recorder } from './recorder.ts';

/** The results of a function, its promises' values too: `new FunctionOutputsRecorder('src/ops.ts#attention')`, or the function itself. */
export class FunctionOutputsRecorder extends Recorder {
  readonly #target: TapTarget;

  constructor(source: string | ((...args: never[]) => unknown), options: AddressOptions = {}) {
    const target = functionTarget(source, options);
    super(source, `${new.target.name}("${target.address}")`);
    this.#target = target;
  }

  protected override prepare(): void {}

  protected override attach(begin: () => Call): Disposable {
    return recordCalls(this.#target, begin, 'outputs');
  }
}
