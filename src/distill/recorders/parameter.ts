// Records parameters: the live ones, there from initialize on.
import { RetortError } from '../../errors.ts';
import { Parameter } from '../../nn/index.ts';
import type { Module } from '../../nn/index.ts';
import { findParameters } from './find-targets.ts';
import { Recorder } from './recorder.ts';

/**
 * A parameter: `new ParameterRecorder('head.fc.weight')`, or a parameter itself. It is there after `initialize`, is neither reset
 * by recording nor cleared, and has the values of the moment. A pattern gives several records, in the model's order.
 *
 * @example
 * ```ts
 * const recorder = new ParameterRecorder('head.fc.weight').initialize(model);
 * const weight = recorder.getRecordData(); // the parameter itself
 * ```
 */
export class ParameterRecorder extends Recorder {
  readonly #source: string | Parameter;

  constructor(source: string | Parameter) {
    if (typeof source !== 'string' && !(source instanceof Parameter)) {
      throw new RetortError(
        `${new.target.name}: source: expected a parameter's path or a parameter, got ${String(source)}`,
        {
          help: "name what to record, such as 'head.fc.weight'",
        },
      );
    }
    super(source, `${new.target.name}(${typeof source === 'string' ? JSON.stringify(source) : 'a parameter'})`);
    this.#source = source;
  }

  protected override prepare(model: Module | undefined): void {
    this.fill(findParameters(model, this.#source, this.label));
  }

  protected override attach(): Disposable {
    return { [Symbol.dispose]: () => {} };
  }

  protected override forget(): void {}
}
