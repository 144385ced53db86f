// Records what modules return, one record a call.
import type { Module } from '../../nn/index.ts';
import type { Call } from './call.ts';
import { ModuleSource } from './module-source.ts';
import { Recorder } from './recorder.ts';

/**
 * The outputs of a module: `new ModuleOutputsRecorder('backbone.layer4.1.conv2')`; `''` is the whole model. A pattern such as
 * `'backbone.layer*.*.conv2'` records all that match into one row.
 */
export class ModuleOutputsRecorder extends Recorder {
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
    return this.#target.attach(begin, { after: (call, _args, output) => call.take(output) });
  }

  protected override whyNotCalled(): string | undefined {
    return this.#target.whyNotCalled();
  }
}
