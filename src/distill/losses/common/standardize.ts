// Logits without their mean and spread: what is left is what the student should imitate, whatever its scale.
import type { Tensor } from '../../../torch/index.ts';

export interface StandardizeOptions {
  /** Temperature: what the standard deviation is multiplied with. Default 1. */
  tau?: number;
  /** Added to the variance, so that a constant row becomes zeros with a finite gradient. Default 1e-7. */
  eps?: number;
  /** The axis of the classes. Default 1. */
  dim?: number;
}

/**
 * `(z - mean) / (tau sqrt(variance + eps))` along `dim`, the classes; the shape stays. The variance
 * is biased, as in the paper (the authors' code takes the unbiased one, and adds eps to the root). A class that is ruled out
 * (-Infinity) stays so; mean and variance are those of the others.
 *
 * Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, arXiv 2403.01731.
 */
export function standardize(logits: Tensor, { tau = 1, eps = 1e-7, dim = 1 }: StandardizeOptions = {}): Tensor {
  const none = logits.eq(-Infinity);
  const count = none.logicalNot().sum(dim, true).clampMin(1).to(logits.dtype);
  const mean = logits.maskedFill(none, 0).sum(dim, true).div(count);
  const centered = logits.sub(mean).maskedFill(none, 0);
  const variance = centered.square().sum(dim, true).div(count);
  return centered.mul(variance.add(eps).rsqrt()).div(tau).maskedFill(none, -Infinity);
}
