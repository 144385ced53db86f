// Records the gradients that flow back through what modules return, one record a call.
import { RetortError } from '../../errors.ts';
import { mapLeaves, Tensor } from '../../torch/index.ts';
import type { HookHandle } from '../../torch/index.ts';
import { hold } from '../held.ts';
import type { Held } from '../held.ts';
import type { Call } from './call.ts';
import { ModuleRecorder } from './module-recorders.ts';

/** Stands for one tensor of an output, and takes its gradient. */
class GradientSlot {
  readonly requiresGrad: boolean;
  gradient: Held | undefined;
  constructor(requiresGrad: boolean) {
    this.requiresGrad = requiresGrad;
  }
}

/**
 * The gradient of a module's output, readable after `backward`: of the shape of the output or, where that is an array, a plain
 * object or a Map, the same structure of gradients, null where a tensor got none. After another backward it is the last one's.
 * Sources as in `ModuleOutputsRecorder`. Backward may run after the recording has ended; it adds up to the next recording or
 * `clear()`, which take the hooks off.
 *
 * @example
 * ```ts
 * const recorder = new ModuleGradientsRecorder('backbone.layer4').initialize(model);
 * recorder.record(() => model.forward(images)).sum().backward();
 * const gradient = recorder.getRecordData(); // of the shape of the output
 * ```
 */
export class ModuleGradientsRecorder extends ModuleRecorder {
  #hooks: HookHandle[] = [];

  protected override after(call: Call, _args: readonly unknown[], output: unknown): void {
    call.take(mapLeaves(output, (leaf) => (leaf instanceof Tensor ? this.#watch(leaf, call.scope) : leaf)));
  }

  /** A slot for the gradient of a tensor. The hook refers to it weakly, and to the tensor not at all: it keeps nothing alive. */
  #watch(tensor: Tensor, scope: number): GradientSlot {
    const slot = new GradientSlot(tensor.requiresGrad);
    if (slot.requiresGrad) {
      const weak = new WeakRef(slot);
      this.#hooks.push(
        tensor.registerHook((gradient) => {
          const found = weak.deref();
          // Where the scope of the recording has ended (that of an algorithm's forward), it stays in the one of backward.
          if (found !== undefined) found.gradient = hold(gradient, scope);
        }),
      );
    }
    return slot;
  }

  protected override forget(): void {
    for (const hook of this.#hooks) hook.remove();
    this.#hooks = [];
    super.forget();
  }

  protected override resolve(held: Held): Held {
    const slots: GradientSlot[] = [];
    const data = mapLeaves(held.data, (leaf) => {
      if (!(leaf instanceof GradientSlot)) return leaf;
      slots.push(leaf);
      return leaf.gradient?.data ?? null;
    });
    if (slots.every(({ gradient }) => gradient === undefined)) {
      const tracked = slots.some(({ requiresGrad }) => requiresGrad);
      throw new RetortError(`${this.label}: no gradient reached this output`, {
        code: 'invalid-state',
        help: tracked
          ? 'read it after backward(); if that ran, the loss does not depend on this output'
          : 'the output required no gradient: was the forward inside noGrad, or everything before it frozen?',
      });
    }
    return { data, versions: new Map(slots.flatMap(({ gradient }) => [...(gradient?.versions ?? [])])) };
  }
}
