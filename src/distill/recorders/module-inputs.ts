// Records what modules are given, one record a call.
import type { Module } from '../../nn/index.ts';
import type { Call } from './call.ts';
import { ModuleSource } from './module-source.ts';
import { Recorder } from './recorder.ts';

/**
 * The arguments of a module's forward, as an array: `getRecordData(0, 1)` is the second argument of the first call. Arguments
 * that the module itself overwrites in place are refused when read. Sources as in `ModuleOutputsRecorder`.
 */
export class ModuleInputsRecorder extends Recorder {
  readonly #target: ModuleSource;

  constructor(source: string | Module) {
    const target = new ModuleSource(source, new.target.name);
    super(source, target.label);
    this.#target = target;
  }

  protected override prepare(model: Module | undefined): void {
    this.#target.find(model);
  }

  protected override attach(begin: () => Call): Disposable {
    return this.#target.attach(begin, {
      before: (call, args) => call.take(args),
      after: (call, args) => {
        if (args !== call.held?.data) call.take(args); // another hook replaced them
      },
    });
  }

  protected override whyNotCalled(): string | undefined {
    return this.#target.whyNotCalled();
  }
}
