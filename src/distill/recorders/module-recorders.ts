// The recorders of modules: what they are given and what they return, one record a call. (What flows back: `module-gradients.ts`.)
import { z } from 'zod';

import { Module } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { currentScope } from '../../torch/internal.ts';
import type { Call } from './call.ts';
import { findModules } from './find-targets.ts';
import { Recorder } from './recorder.ts';

/** The modules that a source means, and the hooks that see their calls. */
export abstract class ModuleRecorder extends Recorder {
  /** What it may be told, in configs as in code. */
  static readonly schema = z.strictObject({
    source: z
      .custom<string | Module>(
        (value) => typeof value === 'string' || value instanceof Module,
        "expected a module's path ('' is the whole model) or a module",
      )
      .describe("A module's path such as 'backbone.layer4.1.conv2', a pattern, or a module; '' is the whole model."),
  });
  readonly #source: string | Module;
  #model: Module | undefined;
  #modules: Module[] = [];

  /** @throws {RetortError} for a source that is neither a path nor a module. */
  constructor(source: string | Module) {
    const kind = new.target.name;
    checkOptions(ModuleRecorder.schema, { source }, kind);
    super(source, `${kind}(${typeof source === 'string' ? JSON.stringify(source) : source.constructor.name})`);
    this.#source = source;
  }

  /** Before a module's forward. */
  protected before(_call: Call, _args: readonly unknown[]): void {}
  /** After it: here the call must take its record, if it has none yet. */
  protected abstract after(call: Call, args: readonly unknown[], output: unknown): void;

  protected override prepare(model: Module | undefined): void {
    this.#modules = findModules(model, this.#source, this.label);
    this.#model = model;
  }

  /** @internal */
  override get targets(): readonly Module[] {
    return this.#modules;
  }

  /** Hooks on all modules. The scope of a module's call pairs what comes before and after it. */
  protected override attach(begin: () => Call): Disposable {
    const running = new Map<number, Call>();
    const handles = this.#modules.flatMap((module) => [
      module.registerForwardPreHook((_module, args) => {
        const call = begin();
        running.set(currentScope(), call);
        this.before(call, args);
      }),
      module.registerForwardHook((_module, args, output) => {
        const scope = currentScope();
        const call = running.get(scope);
        if (call === undefined) return; // it began before the recording did
        running.delete(scope);
        this.after(call, args, output);
        call.done();
      }),
    ]);
    return {
      [Symbol.dispose]: () => {
        for (const handle of handles) handle.remove();
      },
    };
  }

  /** Says so when the model has other modules under this name by now. */
  protected override whyNotCalled(): string | undefined {
    if (this.#model === undefined) return undefined;
    try {
      const now = findModules(this.#model, this.#source, this.label);
      if (now.every((module) => this.#modules.includes(module))) return undefined;
    } catch {
      // it is gone
    }
    return 'the module was replaced after initialize(model): call that again';
  }
}

/**
 * The outputs of a module: `new ModuleOutputsRecorder('backbone.layer4.1.conv2')`; `''` is the whole model. A pattern such as
 * `'backbone.layer*.*.conv2'` records all that match into one row.
 *
 * @example
 * ```ts
 * const recorder = new ModuleOutputsRecorder('backbone.layer4').initialize(model);
 * recorder.record(() => model.forward(images));
 * const data = recorder.getRecordData(); // the output of the first call
 * ```
 */
export class ModuleOutputsRecorder extends ModuleRecorder {
  protected override after(call: Call, _args: readonly unknown[], output: unknown): void {
    call.take(output);
  }
}

/**
 * The arguments of a module's forward, as an array: `getRecordData(0, 1)` is the second argument of the first call. Arguments
 * that the module itself overwrites in place are refused when read. Sources as in {@link ModuleOutputsRecorder}.
 *
 * @example
 * ```ts
 * const recorder = new ModuleInputsRecorder('head.fc').initialize(model);
 * recorder.record(() => model.forward(images));
 * const data = recorder.getRecordData(); // the arguments of the first call
 * ```
 */
export class ModuleInputsRecorder extends ModuleRecorder {
  protected override before(call: Call, args: readonly unknown[]): void {
    call.take(args);
  }

  protected override after(call: Call, args: readonly unknown[]): void {
    if (args !== call.held?.data) call.take(args); // another hook replaced them
  }
}
