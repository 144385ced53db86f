// A normalization layer: features are compared up to scale and shift.
import { buildNorm, normSchema } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import { count, entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { fitting, requireTensor } from './shapes.ts';

const own = {
  /** Channels of the features (for `LN`: the size of the last dimension). */
  inChannels: count,
  /** The layer, such as `{ type: 'BN', affine: false, trackRunningStats: false }`: each channel of a batch to mean 0, variance 1. */
  normCfg: normSchema,
};
/** Options of {@link NormConnector}. */
export interface NormConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * A norm layer on a record; the shape stays. With standardized channels the mean square error is PKD's distance:
 * Cao et al.: PKD, General Distillation Framework for Object Detectors via Pearson Correlation Coefficient, arXiv 2207.02039.
 *
 * @example
 * ```ts
 * const connector = new NormConnector({ inChannels: 16, normCfg: { type: 'BN', affine: false } });
 * const standardized = connector.forward(randn([2, 16, 8, 8])); // (2, 16, 8, 8)
 * ```
 */
export class NormConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = connectorSchema(own);
  readonly norm: Layer;

  /** @throws {RetortError} for an unknown norm, with the nearest name. */
  constructor(options: NormConnectorOptions) {
    super(options);
    this.norm = buildNorm(this.options.normCfg, this.options.inChannels).layer;
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireTensor('NormConnector', x);
    return fitting('NormConnector', x, () => this.norm.forward(x));
  }
}

export const normConnector = entry(NormConnector, {
  summary: 'A norm layer: compares features up to scale and shift.',
  paper: 'Cao et al. 2022, arXiv 2207.02039',
});
