// What every distillation loss is: a module whose forward takes one object of named arguments and gives one tensor.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { Module } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** The names of a loss's arguments in their order, for the check of mappings before the first step. */
export interface LossArguments {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
}

/** What every loss may be told. */
export interface LossOptions {
  /** Factor of the whole loss; with 0 a distiller does not compute it at all. Default 1. */
  lossWeight?: number;
  /**
   * `'mmrazor'` gives the numbers of MMRazor where it differs from the paper or from what its options say; docs/differences.md
   * lists each case. Default: the right ones.
   */
  compat?: Compat;
}

export type Compat = 'mmrazor';

/** The schema of a loss's options: its own, and those of {@link LossOptions}. Unknown ones are refused. */
export function lossSchema<S extends z.ZodRawShape>(own: S) {
  return z.strictObject({ ...commonShape, ...own });
}
const commonShape = { lossWeight: z.number().exactOptional(), compat: z.literal('mmrazor').exactOptional() };

export abstract class DistillLoss extends Module {
  /** The arguments of {@link forward}. */
  abstract readonly inputs: LossArguments;
  readonly lossWeight: number;
  /** Whether the numbers of MMRazor are asked for. */
  protected readonly original: boolean;

  constructor({ lossWeight = 1, compat }: LossOptions = {}) {
    super();
    if (!Number.isFinite(lossWeight)) {
      throw new RetortError(`${new.target.name}: lossWeight must be a finite number, got ${String(lossWeight)}`);
    }
    this.lossWeight = lossWeight;
    this.original = compat === 'mmrazor';
  }

  /** The loss, already weighted: a scalar, unless the reduction is `'none'`. */
  abstract override forward(args: never): Tensor;

  /** `lossWeight * factor * loss` */
  protected weigh(loss: Tensor, factor = 1): Tensor {
    const weight = this.lossWeight * factor;
    return weight === 1 ? loss : loss.mul(weight);
  }
}
