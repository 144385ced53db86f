// What the recorders of modules have in common: the modules that a source means, and the hooks that see their calls.
import { RetortError } from '../../errors.ts';
import { Module } from '../../nn/index.ts';
import { currentScope } from '../../torch/index.ts';
import type { Call } from './call.ts';
import { findModules } from './find-targets.ts';

export interface ModuleTap {
  /** Before a module's forward. */
  before?(call: Call, args: readonly unknown[]): void;
  /** After it: here the call must have taken its record. */
  after(call: Call, args: readonly unknown[], output: unknown): void;
}

export class ModuleSource {
  readonly label: string;
  readonly #source: string | Module;
  #model: Module | undefined;
  #modules: Module[] = [];

  constructor(source: string | Module, kind: string) {
    if (typeof source !== 'string' && !(source instanceof Module)) {
      throw new RetortError(`${kind}: source must be a module's path or a module, got ${String(source)}`, {
        help: "name what to record, such as 'backbone.layer4.1.conv2'; '' is the whole model",
      });
    }
    this.#source = source;
    this.label = `${kind}(${typeof source === 'string' ? JSON.stringify(source) : source.constructor.name})`;
  }

  find(model: Module | undefined): void {
    this.#modules = findModules(model, this.#source, this.label);
    this.#model = model;
  }

  /** Hooks on all modules, until disposed. The scope of a module's call pairs what comes before and after it. */
  attach(begin: () => Call, tap: ModuleTap): Disposable {
    const running = new Map<number, Call>();
    const handles = this.#modules.flatMap((module) => [
      module.registerForwardPreHook((_module, args) => {
        const call = begin();
        running.set(currentScope(), call);
        tap.before?.(call, args);
      }),
      module.registerForwardHook((_module, args, output) => {
        const scope = currentScope();
        const call = running.get(scope);
        if (call === undefined) return; // it began before the recording did
        running.delete(scope);
        tap.after(call, args, output);
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
  whyNotCalled(): string | undefined {
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
