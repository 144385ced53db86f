// Any one layer, users' own included.
import { buildLayer, Module } from '../../nn/index.ts';
import type { Layer, LayerConfig } from '../../nn/index.ts';
import { entry, typedOf } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { fitting, requireTensor } from './shapes.ts';

const own = {
  /** The layer, such as `{ type: 'Linear', inFeatures: 64, outFeatures: 10 }`; `retort list layers` has the names. */
  layer: typedOf<LayerConfig | Layer>('layer'),
};
/** Options of {@link LayerConnector}. */
export interface LayerConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * A layer of `retort-kd/nn`, or one of your own, on a record. State dict: `layer.*`. A layer that overwrites its input (`inplace`)
 * overwrites the record, which others read too.
 *
 * @example
 * ```ts
 * const connector = new LayerConnector({ layer: { type: 'Linear', inFeatures: 64, outFeatures: 10 } });
 * const logits = connector.forward(randn([2, 64])); // (2, 10)
 * ```
 */
export class LayerConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = connectorSchema(own);
  readonly layer: Layer;

  /** @throws {RetortError} for a type that is not a layer, with the nearest name, and options that it does not take. */
  constructor(options: LayerConnectorOptions) {
    super(options);
    const { layer } = this.options;
    this.layer = layer instanceof Module ? layer : buildLayer(layer);
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireTensor('LayerConnector', x);
    return fitting('LayerConnector', x, () => this.layer.forward(x));
  }
}

export const layerConnector = entry(LayerConnector, { summary: 'One layer of any kind, also one of your own.' });
