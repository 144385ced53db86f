// Overhaul of feature distillation: the teacher's features before their ReLU, cut below at a margin for each channel.
import { RetortError } from '../../errors.ts';
import { BatchNorm2d, Buffer } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import { noGrad, Tensor, tidy, where } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions } from './connector.ts';
import { requireMap, requireTensor, shown } from './shapes.ts';

/**
 * `max(x, margin)`, `(N, C, H, W)` to the same shape, no gradient. The margin is the mean of a channel's negative values, as
 * {@link initMargin} finds it in the batch norm that made x.
 *
 * It is a buffer and stands in the state dict once it is known; one that has it may be loaded before, and one that lacks it
 * after. Under `compat` it
 * is neither saved nor expected, as in MMRazor.
 * Heo et al.: A Comprehensive Overhaul of Feature Distillation, arXiv 1904.01866.
 *
 * @example
 * ```ts
 * const connector = new OFDTeacherConnector();
 * connector.initMargin(new BatchNorm2d(16));
 * const cut = connector.forward(randn([2, 16, 8, 8])); // (2, 16, 8, 8), nothing below the margin
 * ```
 */
export class OFDTeacherConnector extends Connector {
  static override readonly schema = connectorSchema({});
  /** `(1, C, 1, 1)`; null until {@link initMargin}, or until a state dict that has it is loaded. */
  margin: Buffer | null = null;

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: ConnectorOptions = {}) {
    super(options);
    this.initialize();
  }

  /**
   * Sets the margin: {@link marginOf} a batch norm, or margins that are known, `(C)` or `(1, C, 1, 1)`.
   * @throws {RetortError} for another layer, one without scale and shift, or margins of another shape.
   */
  initMargin(from: BatchNorm2d | Tensor): void {
    this.#setMargin(() => {
      const margins = from instanceof Tensor ? requireMargins(from) : marginOf(from).to(from.weight!.dtype);
      return margins.view([1, margins.numel, 1, 1]).to(this.original ? 'float32' : margins.dtype);
    });
  }

  #setMargin(make: () => Tensor): void {
    const margin = tidy(() => new Buffer(make(), { persistent: !this.original, required: false }));
    this.margin?.dispose();
    this.margin = margin;
  }

  override forward(x: Tensor): Tensor {
    requireTensor('OFDTeacherConnector', x);
    const { margin } = this;
    if (margin === null) {
      throw new RetortError('OFDTeacherConnector: margin: it is not initialized', {
        code: 'invalid-state',
        help: 'call initMargin(the batch norm that is recorded), or use the distiller OFDDistiller, which does',
      });
    }
    requireMap('OFDTeacherConnector', x, margin.shape[1]!, 'the margin (initMargin)');
    return x.detach().maximum(margin.to(x.dtype).to({ device: x.device }));
  }

  /** Takes the shape of a margin that a state dict is about to bring. */
  override expectState(given: (name: string) => Tensor | undefined): void {
    const margin = given('margin');
    if (this.margin !== null || this.original || !(margin instanceof Tensor)) return;
    if (margin.shape.join() === `1,${margin.numel},1,1`) this.#setMargin(() => margin.clone());
  }
}

function requireMargins(margins: Tensor): Tensor {
  const { shape } = margins;
  const channels = shape.length === 1 ? shape[0] : shape[1];
  if (shape.join() === `${channels}` || shape.join() === `1,${channels},1,1`) return margins.detach().clone();
  throw new RetortError(
    `OFDTeacherConnector.initMargin: from: expected margins [C] or [1, C, 1, 1], got ${shown(shape)}`,
  );
}

/**
 * The mean of the negative values that a batch norm gives to a channel, `N(beta, gamma^2)` taken for them: with `s = |gamma|` and
 * the normal distribution function Phi, `margin = beta - s exp(-(beta / s)^2 / 2) / sqrt(2 pi) / Phi(-beta / s)`, and `-3 s` where
 * hardly any is negative, `Phi(-beta / s) <= 0.001`. For `gamma = 0` all values are beta: `min(beta, 0)`, the limit of both.
 * @returns `(C)`, float64
 * @throws {RetortError} for a layer that is not a BatchNorm2d, or has no scale and shift.
 */
export function marginOf(norm: BatchNorm2d): Tensor {
  if (!(norm instanceof BatchNorm2d) || norm.weight === null || norm.bias === null) {
    const given = (norm as unknown) instanceof BatchNorm2d ? 'one without (affine: false)' : String(norm);
    throw new RetortError(
      `OFDTeacherConnector.initMargin: from: expected a BatchNorm2d with scale and shift, got ${given}`,
      {
        help: 'record the batch norm in front of a ReLU, such as backbone.layer3.0.bn1',
      },
    );
  }
  const { weight, bias } = norm;
  return noGrad(() =>
    tidy(() => {
      const s = weight.detach().to('float64').abs();
      const beta = bias.detach().to('float64');
      const z = beta.div(s);
      const negative = z.neg().specialNdtr(); // the share of negative values
      const density = z
        .square()
        .div(-2)
        .exp()
        .div(Math.sqrt(2 * Math.PI));
      const mean = beta.sub(s.mul(density).div(negative));
      const margin = where(negative.gt(0.001), mean, s.mul(-3));
      return where(s.eq(0), beta.clampMax(0), margin);
    }),
  );
}

export const ofdTeacherConnector = entry(OFDTeacherConnector, {
  summary: "The teacher's features, cut below at a margin.",
  paper: 'Heo et al. 2019, arXiv 1904.01866',
});
