// Contrastive representation distillation: an embedding on the unit sphere.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional, Linear } from '../../nn/index.ts';
import { count, entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { requireTensor, shown } from './shapes.ts';

const own = {
  /** Numbers of each sample, all dimensions after the first together. Default 1024. */
  dimIn: count.default(1024),
  /** Size of the embedding. Default 128. */
  dimOut: count.default(128),
  /** The least length that a row is divided by. Default 1e-12; `compat` has none: a zero row becomes NaN. */
  eps: z.number().positive().default(1e-12),
};
/** Options of {@link CRDConnector}. */
export interface CRDConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * `y / max(||y||, eps)`, `y = W x + b`: `(N, ...)` with `dimIn` numbers for each sample to `(N, dimOut)`.
 *
 * Tian, Krishnan, Isola: Contrastive Representation Distillation, arXiv 1910.10699.
 *
 * @example
 * ```ts
 * const connector = new CRDConnector({ dimIn: 64, dimOut: 32 });
 * const embedding = connector.forward(randn([2, 64])); // (2, 32), each row of length 1
 * ```
 */
export class CRDConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = connectorSchema(own);
  readonly linear: Linear;

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CRDConnectorOptions = {}) {
    super(options);
    this.linear = new Linear(this.options.dimIn, this.options.dimOut);
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireTensor('CRDConnector', x);
    const { shape } = x;
    const { inFeatures } = this.linear;
    const size = shape.slice(1).reduce((product, length) => product * length, 1);
    if (shape.length < 2 || size !== inFeatures) {
      throw new RetortError(
        `CRDConnector: x: expected shape [N, ${inFeatures}] (or more dimensions of that product), got ${shown(shape)}`,
        shape.length < 2 ? {} : { help: `set dimIn: ${size}, or record another module` },
      );
    }
    const y = this.linear.forward(x.flatten(1));
    if (!this.original) return functional.normalize(y, { eps: this.options.eps });
    return y.div(y.pow(2).sum([1], true).sqrt());
  }
}

export const crdConnector = entry(CRDConnector, {
  summary: 'An embedding on the unit sphere.',
  paper: 'Tian, Krishnan, Isola 2020, arXiv 1910.10699',
});
