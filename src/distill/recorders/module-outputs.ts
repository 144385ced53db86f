// Records what a module returns, one record a call.
import type { Module } from '../../nn/index.ts';
import { findModule } from './find-module.ts';
import { Recorder } from './recorder.ts';

/** `new ModuleOutputsRecorder('backbone.layer4.1.conv2')`: the outputs of that module; `''` is the whole model. */
export class ModuleOutputsRecorder extends Recorder {
  #target: Module | undefined;

  protected override prepare(model: Module): void {
    this.#target = findModule(model, this.source, this.label);
  }

  protected override attach(add: (data: unknown) => void): Disposable {
    return this.#target!.registerForwardHook((_module, _args, output) => {
      add(output);
    });
  }
}
