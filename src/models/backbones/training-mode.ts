// Stages that are not trained, and batch norms that stay still.
import { RetortError } from '../../errors.ts';
import { BatchNorm, Module } from '../../nn/index.ts';
import type { Parameter } from '../../nn/index.ts';

export interface Still {
  /** Not trained, and in evaluation mode. */
  frozen: readonly (Module | Parameter)[];
  /** Keep all batch norms in evaluation mode. */
  normEval: boolean;
}

/** Called after a backbone's mode was set to `mode`: puts back what stays as it is. */
export function keepStill(backbone: Module, mode: boolean, { frozen, normEval }: Still): void {
  for (const part of frozen) {
    part.requiresGrad_(false);
    if (part instanceof Module) part.eval();
  }
  if (!mode || !normEval) return;
  for (const module of backbone.modules()) if (module instanceof BatchNorm) module.eval();
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
