// Limits on gradients, to be called between backward and step.
import { RetortError } from '../errors.ts';
import { callOperator, gradsOf, noGrad, ops, tidy } from '../torch/index.ts';
import type { DType, Tensor } from '../torch/index.ts';

export interface GradNormOptions {
  /** The p of the norm; `Infinity` for the largest entry. Default 2. */
  normType?: number;
  /** In which norms are computed. Default: that of the gradients. */
  dtype?: DType;
}

export interface ClipGradNormOptions extends Pick<GradNormOptions, 'normType'> {
  /** Refuse a norm that is infinite or NaN. Default false. */
  errorIfNonfinite?: boolean;
}

const gradients = (parameters: readonly Tensor[]): Tensor[] =>
  gradsOf(parameters).filter((gradient) => gradient !== null);

/** The norm of all gradients together, a scalar: infinite or NaN where one of them is. One reduction over each. */
export function gradNorm(parameters: readonly Tensor[], { normType = 2, dtype }: GradNormOptions = {}): Tensor {
  return noGrad(() =>
    tidy(() => {
      const given = gradients(parameters);
      if (given.length === 0) return ops.zeros([]);
      const each = dtype === undefined ? given : given.map((gradient) => gradient.to(dtype));
      const norms = ops.stack(callOperator('_foreach_norm', [each, normType]) as Tensor[]);
      return ops.linalgVectorNorm(norms, normType);
    }),
  );
}

/** Scales all gradients together so that their norm, which is `norm`, is at most `maxNorm`. */
export function limitGradNorm(parameters: readonly Tensor[], norm: Tensor, maxNorm: number): void {
  noGrad(() =>
    tidy(() => {
      const factor = norm.add(1e-6).reciprocal().mul(maxNorm).clamp(null, 1);
      for (const gradient of gradients(parameters)) gradient.mul_(factor);
    }),
  );
}

/** Scales all gradients together so that their norm is at most `maxNorm`. Returns the norm before, a scalar. */
export function clipGradNorm(
  parameters: readonly Tensor[],
  maxNorm: number,
  options: ClipGradNormOptions = {},
): Tensor {
  const { normType = 2, errorIfNonfinite = false } = options;
  if (!(maxNorm >= 0)) throw new RetortError(`clipGradNorm: maxNorm: expected a number of at least 0, got ${maxNorm}`);
  if (!(normType > 0)) throw new RetortError(`clipGradNorm: normType: expected a number above 0, got ${normType}`);
  const norm = gradNorm(parameters, { normType });
  if (errorIfNonfinite && !Number.isFinite(norm.item())) {
    throw new RetortError(`clipGradNorm: the norm of the gradients is ${norm.item()}`, { code: 'not-finite' });
  }
  limitGradNorm(parameters, norm, maxNorm);
  return norm;
}

/** Clamps every entry of every gradient to between `-clipValue` and `clipValue`. */
export function clipGradValue(parameters: readonly Tensor[], clipValue: number): void {
  if (!(clipValue >= 0))
    throw new RetortError(`clipGradValue: clipValue: expected a number of at least 0, got ${clipValue}`);
  noGrad(() =>
    tidy(() => {
      for (const grad of gradsOf(parameters)) grad?.clamp_(-clipValue, clipValue);
    }),
  );
}
