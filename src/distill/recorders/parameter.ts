// Records parameters: the live ones, there from initialize on.
import { z } from 'zod';

import { Parameter } from '../../nn/index.ts';
import type { Module } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
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
  static readonly schema = z.strictObject({
    source: z
      .custom<string | Parameter>(
        (value) => typeof value === 'string' || value instanceof Parameter,
        "expected a parameter's path or a parameter",
      )
      .describe("A parameter's path such as 'head.fc.weight', a pattern, or a parameter."),
  });
  readonly #source: string | Parameter;
  #parameters: Parameter[] = [];

  /** @throws {RetortError} for a source that is neither a path nor a parameter. */
  constructor(source: string | Parameter) {
    checkOptions(ParameterRecorder.schema, { source }, new.target.name);
    super(source, `${new.target.name}(${typeof source === 'string' ? JSON.stringify(source) : 'a parameter'})`);
    this.#source = source;
  }

  protected override prepare(model: Module | undefined): void {
    this.#parameters = findParameters(model, this.#source, this.label);
    this.fill(this.#parameters);
  }

  /** @internal */
  override get targets(): readonly Parameter[] {
    return this.#parameters;
  }

  protected override attach(): Disposable {
    return { [Symbol.dispose]: () => {} };
  }

  protected override forget(): void {}
}
