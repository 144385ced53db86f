// Limits on gradients, to be called between backward and step.
import { RetortError } from '../errors.ts';
import { gradsOf, noGrad, ops, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';

export interface ClipGradNormOptions {
  /** The p of the norm; `Infinity` for the largest entry. Default 2. */
  normType?: number;
  /** Refuse a norm that is infinite or NaN. Default false. */
  errorIfNonfinite?: boolean;
}

/** Scales all gradients together so that their norm is at most `maxNorm`. Returns the norm before, a scalar. */
export function clipGradNorm(
  parameters: readonly Tensor[],
  maxNorm: number,
  options: ClipGradNormOptions = {},
): Tensor {
  const { normType = 2, errorIfNonfinite = false } = options;
  if (!(maxNorm >= 0)) throw new RetortError(`clipGradNorm: maxNorm must be at least 0, got ${maxNorm}`);
  if (!(normType > 0)) throw new RetortError(`clipGradNorm: normType must be above 0, got ${normType}`);
  return noGrad(() =>
    tidy(() => {
      const grads = gradsOf(parameters).filter((grad) => grad !== null);
      if (grads.length === 0) return ops.zeros([]);
      const norms = ops.stack(grads.map((grad) => ops.linalgVectorNorm(grad, normType)));
      const total = ops.linalgVectorNorm(norms, normType);
      if (errorIfNonfinite && !Number.isFinite(total.item())) {
        throw new RetortError(`clipGradNorm: the norm of the gradients is ${total.item()}`);
      }
      const factor = total.add(1e-6).reciprocal().mul(maxNorm).clamp(null, 1);
      for (const grad of grads) grad.mul_(factor);
      return total;
    }),
  );
}

/** Clamps every entry of every gradient to between `-clipValue` and `clipValue`. */
export function clipGradValue(parameters: readonly Tensor[], clipValue: number): void {
  if (!(clipValue >= 0)) throw new RetortError(`clipGradValue: clipValue must be at least 0, got ${clipValue}`);
  noGrad(() =>
    tidy(() => {
      for (const grad of gradsOf(parameters)) grad?.clamp_(-clipValue, clipValue);
    }),
  );
}
