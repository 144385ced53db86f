// How a loss becomes one number, and the checks that losses share.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { oneOf } from '../arguments.ts';

/** The loss of each element, their mean, or their sum. */
export type Reduction = 'none' | 'mean' | 'sum';

export interface ReductionOptions {
  /** Default `'mean'`. */
  reduction?: Reduction;
}

const names: readonly Reduction[] = ['none', 'mean', 'sum']; // in libtorch's order: 0, 1, 2

/** libtorch's number of a reduction. @throws {RetortError} for an unknown one; `more` are names the caller knows besides. */
export function reductionNumber(where: string, reduction: Reduction, more: readonly string[] = []): number {
  oneOf(`${where}: reduction`, reduction, [...names, ...more]);
  return names.indexOf(reduction);
}

/** @throws {RetortError} unless both have one shape: libtorch would broadcast and give the loss of other pairs. */
export function requireSameShape(where: string, input: Tensor, target: Tensor): void {
  const [a, b] = [input.shape, target.shape];
  if (a.length === b.length && a.every((size, i) => size === b[i])) return;
  throw new RetortError(`${where}: target: expected the shape of input, [${a.join(', ')}], got [${b.join(', ')}]`, {
    help: 'use reshape, or expand where one is meant to be repeated',
  });
}

/** The terms `(N, ...)` as they are, their mean, their sum, or their sum divided by N. */
export function reduced(terms: Tensor, reduction: Reduction | 'batchmean'): Tensor {
  switch (reduction) {
    case 'none':
      return terms;
    case 'mean':
      return terms.mean();
    case 'sum':
      return terms.sum();
    default:
      return terms.sum().div(terms.shape[0] ?? 1);
  }
}
