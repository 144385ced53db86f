// How linear layers and convolutions begin, as in PyTorch.
import { ops, tidy } from '../../torch/index.ts';
import { fanInAndFanOut, kaimingUniform_, uniform_ } from '../init.ts';
import { Parameter } from '../parameter.ts';

/**
 * A weight of `shape`, `(out, in, ...kernel)`, and a bias of `biasSize` numbers (0: null), both `U(-x, x)` with `x = 1 / sqrt(fanIn)`;
 * the weight is drawn first.
 */
export function defaultWeights(
  shape: readonly number[],
  biasSize: number,
): { weight: Parameter; bias: Parameter | null } {
  return tidy(() => {
    const weight = kaimingUniform_(ops.empty(shape), { a: Math.sqrt(5) });
    const bound = 1 / Math.sqrt(fanInAndFanOut(weight).fanIn);
    const bias = biasSize === 0 ? null : uniform_(ops.empty([biasSize]), { a: -bound, b: bound });
    return { weight: new Parameter(weight), bias: bias === null ? null : new Parameter(bias) };
  });
}

/** Ones for a scale and zeros for a shift, of `shape`; null for both where a normalization is not affine. */
export function scaleAndShift(
  shape: readonly number[],
  affine: boolean,
): { weight: Parameter | null; bias: Parameter | null } {
  if (!affine) return { weight: null, bias: null };
  return tidy(() => ({ weight: new Parameter(ops.ones(shape)), bias: new Parameter(ops.zeros(shape)) }));
}
