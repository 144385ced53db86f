// Stages that are not trained, and batch norms that stay still.
import { RetortError } from '../../errors.ts';
import { BatchNorm, Module } from '../../nn/index.ts';
import type { Parameter } from '../../nn/index.ts';

/** A backbone of which parts can stay as they are while the rest is trained. */
export abstract class FreezableBackbone extends Module {
  #frozen: readonly (Module | Parameter)[] = [];
  #normEval = false;

  /**
   * Says what stays still, from the next {@link train} on: a constructor calls both at its end.
   * @param frozen not trained, and in evaluation mode
   * @param normEval keep all batch norms in evaluation mode
   */
  protected keepStill(frozen: readonly (Module | Parameter)[], normEval = false): void {
    this.#frozen = frozen;
    this.#normEval = normEval;
  }

  override train(mode = true): this {
    super.train(mode);
    for (const part of this.#frozen) {
      part.requiresGrad_(false);
      if (part instanceof Module) part.eval();
    }
    if (!mode || !this.#normEval) return this;
    for (const module of this.modules()) if (module instanceof BatchNorm) module.eval();
    return this;
  }
}

/**
 * The parts that `frozenStages` freezes: nothing for -1, the stem for 0, then stage by stage.
 * @throws {RetortError} for another number.
 */
export function frozenParts<T>(name: string, frozenStages: number, stem: readonly T[], stages: readonly T[]): T[] {
  if (!Number.isInteger(frozenStages) || frozenStages < -1 || frozenStages > stages.length) {
    throw new RetortError(`${name}: frozenStages: expected -1 to ${stages.length}, got ${frozenStages}`);
  }
  return frozenStages < 0 ? [] : [...stem, ...stages.slice(0, frozenStages)];
}

/** @throws {RetortError} unless `outIndices` names stages 0 to `last`. */
export function checkOutIndices(name: string, outIndices: readonly number[], last: number): void {
  if (outIndices.length > 0 && outIndices.every((i) => Number.isInteger(i) && i >= 0 && i <= last)) return;
  throw new RetortError(`${name}: outIndices: expected stages 0 to ${last}, got [${outIndices.join(', ')}]`);
}
