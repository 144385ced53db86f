// Records the gradients that flow back through what modules return, one record a call.
import { RetortError } from '../../errors.ts';
import { mapLeaves, Tensor } from '../../torch/index.ts';
import type { HookHandle } from '../../torch/index.ts';
import { hold } from '../held.ts';
import type { Held } from '../held.ts';
import type { Call } from './call.ts';
import { ModuleRecorder } from './module-recorders.ts';

/** The place of one tensor of an output, to which its gradient comes. */
class Place {
  readonly requiresGrad: boolean;
  gradient: Held | undefined;
  constructor(requiresGrad: boolean) {
    this.requiresGrad = requiresGrad;
  }
}

/**
 * The gradient of a module's output, readable after `backward`: of the shape of the output or, where that is an array, a plain
 * object or a Map, the same structure of gradients, null where none came. After another backward it is the last one's.
 * Sources as in `ModuleOutputsRecorder`. Backward may run after the recording has ended; it adds up to the next recording or
 * `clear()`, which take the hooks off.
 */
export class ModuleGradientsRecorder extends ModuleRecorder {
  #hooks: HookHandle[] = [];

  protected override after(call: Call, _args: readonly unknown[], output: unknown): void {
    call.take(mapLeaves(output, (leaf) => (leaf instanceof Tensor ? this.#watch(leaf, call.scope) : leaf)));
  }

  /** A place for the gradient of a tensor. The hook refers to it weakly, and to the tensor not at all: it keeps nothing alive. */
  #watch(tensor: Tensor, scope: number): Place {
    const place = new Place(tensor.requiresGrad);
    if (place.requiresGrad) {
      const weak = new WeakRef(place);
      this.#hooks.push(
        tensor.registerHook((gradient) => {
          const found = weak.deref();
          // Where the scope of the recording has ended (that of an algorithm's forward), it stays in the one of backward.
          if (found !== undefined) found.gradient = hold(gradient, scope);
        }),
      );
    }
    return place;
  }

  protected override forget(): void {
    for (const hook of this.#hooks) hook.remove();
    this.#hooks = [];
    super.forget();
  }

  protected override resolve(held: Held): Held {
    const places: Place[] = [];
    const data = mapLeaves(held.data, (leaf) => {
      if (!(leaf instanceof Place)) return leaf;
      places.push(leaf);
      return leaf.gradient?.data ?? null;
    });
    if (places.every((place) => place.gradient === undefined)) {
      const tracked = places.some((place) => place.requiresGrad);
      throw new RetortError(`${this.label}: no gradient has come back through this output`, {
        help: tracked
          ? 'read it after backward(); if that ran, the loss does not depend on this output'
          : 'the output required no gradient: was the forward inside noGrad, or everything before it frozen?',
      });
    }
    return { data, versions: new Map(places.flatMap((place) => [...(place.gradient?.versions ?? [])])) };
  }
}
