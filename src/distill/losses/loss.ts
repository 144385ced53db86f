// What every distillation loss is: a module whose forward takes one object of named arguments and gives one tensor.
import { RetortError } from '../../errors.ts';
import { Module } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** The names of a loss's arguments, for the check of mappings before the first step. */
export interface LossArguments {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
}

export abstract class DistillLoss extends Module {
  /** The arguments of {@link forward}. */
  abstract readonly inputs: LossArguments;

  /** The loss, already weighted: a scalar, unless the reduction is `'none'`. */
  abstract override forward(args: never): Tensor;
}

/** Refuses shapes that would silently broadcast. @throws {RetortError} naming the loss, both arguments and both shapes. */
export function requireSameShape(loss: string, a: [string, Tensor], b: [string, Tensor]): void {
  const [left, right] = [a[1].shape, b[1].shape];
  if (left.length === right.length && left.every((size, i) => size === right[i])) return;
  throw new RetortError(
    `${loss}: ${a[0]} and ${b[0]} must have one shape, got [${left.join(', ')}] and [${right.join(', ')}]`,
    { help: `bring ${a[0]} to the shape of ${b[0]} with a connector` },
  );
}
