// Spectral normalization: a layer computes with its weight divided by the weight's largest singular value.
import { RetortError } from '../errors.ts';
import type { Tensor } from '../torch/index.ts';
import { noGrad, ops, tidy } from '../torch/index.ts';
import { integer } from '../check.ts';
import type { Layer } from './module.ts';
import { Buffer, Parameter } from './parameter.ts';

export interface SpectralNormOptions {
  /** Steps of the power iteration in each training forward. Default 1. */
  nPowerIterations?: number;
  /** The least length that a vector is divided by. Default 1e-12. */
  eps?: number;
}

/** A layer whose weight `(out, ...)` is computed as `weight_orig / sigma`. */
interface Normalized {
  weight_orig: Parameter;
  weight_u: Buffer;
  weight_v: Buffer;
}

/**
 * Makes `layer` compute with `weight / sigma`, where `sigma = u^T W v` estimates the largest singular value of the weight as a
 * matrix `(out, rest)`; each training forward improves `u` and `v` by power iterations. The state dict has `weight_orig`,
 * `weight_u` and `weight_v` in place of `weight`, as PyTorch's `spectral_norm`. Returns the layer.
 * Miyato, Kataoka, Koyama, Yoshida 2018, arXiv 1802.05957.
 * @throws {RetortError} for a layer without a weight.
 */
export function spectralNorm<L extends Layer & { weight: Tensor }>(layer: L, options: SpectralNormOptions = {}): L {
  const { nPowerIterations = 1, eps = 1e-12 } = options;
  integer('spectralNorm: nPowerIterations', nPowerIterations);
  const { weight } = layer;
  if (!(weight instanceof Parameter) || weight.ndim < 2) {
    throw new RetortError(
      `spectralNorm: layer: expected a layer with a weight of two or more dimensions, got ${String(layer)}`,
    );
  }
  const unit = (size: number): Buffer =>
    tidy(() => new Buffer(direction(ops.randn([size]).to(weight.dtype).to({ device: weight.device }), eps)));
  const rows = weight.shape[0]!;
  // `weight` leaves the parameters, and its position among the properties: what is written over it comes after the bias.
  delete (layer as Partial<typeof layer>).weight;
  const made: Normalized = { weight_orig: weight, weight_u: unit(rows), weight_v: unit(weight.numel / rows) };
  const owner = Object.assign(layer, made);
  Object.defineProperty(layer, 'weight', { configurable: true, enumerable: false, get: () => normalized(owner) });
  layer.registerForwardPreHook(() => {
    if (layer.training) improve(owner, nPowerIterations, eps);
  });
  return layer;
}

const matrix = ({ weight_orig }: Normalized): Tensor => weight_orig.flatten(1); // (out, rest)
const direction = (vector: Tensor, eps: number): Tensor => vector.div(vector.norm().clampMin(eps));

function normalized(owner: Normalized): Tensor {
  // Copies: the next forward changes u and v, and the graph of this one may still be needed.
  const [u, v] = [owner.weight_u.clone(), owner.weight_v.clone()];
  return owner.weight_orig.div(u.dot(matrix(owner).mv(v)));
}

function improve(owner: Normalized, steps: number, eps: number): void {
  noGrad(() =>
    tidy(() => {
      const { weight_u: u, weight_v: v } = owner;
      for (let i = 0; i < steps; i++) {
        v.copy_(direction(matrix(owner).t().mv(u), eps));
        u.copy_(direction(matrix(owner).mv(v), eps));
      }
    }),
  );
}
