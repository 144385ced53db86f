// A convolution with norm and activation: brings feature maps to another number of channels, or another size.
import { ConvModule, convModuleRule, convModuleShape } from '../../nn/index.ts';
import type { ConvModuleOptions } from '../../nn/index.ts';
import { aliased, count, entry, pair } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { requireMap } from './shapes.ts';

const own = {
  /** Channels that come in. */
  inChannels: count,
  /** Channels that go out. */
  outChannels: count,
  /** Height and width of the kernel. Default 1. */
  kernelSize: pair(1).default(1),
};
/** Options of {@link ConvModule}, and the channels. */
export interface ConvModuleConnectorOptions
  extends ConnectorOptions, Omit<ConvModuleOptions, 'kernelSize'>, OptionsFrom<typeof own> {}

/**
 * {@link ConvModule} on a record: `(N, inChannels, H, W)` to `(N, outChannels, H', W')`. **A ReLU follows by default**: pass
 * `actCfg: null` to compare features as they are.
 *
 * An activation in front never overwrites the record, whatever `inplace` says. Under `compat` it does, and
 * `paddingMode: 'circular'` pads with zeros, as in MMRazor.
 * Romero et al.: FitNets: Hints for Thin Deep Nets, arXiv 1412.6550.
 *
 * @example
 * ```ts
 * const connector = new ConvModuleConnector({ inChannels: 16, outChannels: 64, actCfg: null });
 * const wide = connector.forward(randn([2, 16, 8, 8])); // (2, 64, 8, 8)
 * ```
 */
export class ConvModuleConnector extends Connector<
  ConnectorSettings & SettingsFrom<typeof convModuleShape & typeof own>
> {
  static override readonly schema = aliased(
    connectorSchema({ ...own, ...convModuleShape, ...own }).check(convModuleRule),
    { inChannel: 'inChannels', outChannel: 'outChannels' },
  );
  readonly conv_module: ConvModule;

  /** @throws {RetortError} for what {@link ConvModule} refuses. */
  constructor(options: ConvModuleConnectorOptions) {
    super(options);
    const { inChannels, outChannels, initCfg: _, compat: _compat, ...given } = this.options;
    const changes = this.original ? asOriginal(given) : keepingRecords(given);
    this.conv_module = new ConvModule(inChannels, outChannels, { ...given, ...changes });
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireMap('ConvModuleConnector', x, this.options.inChannels, 'inChannels');
    return this.conv_module.forward(x);
  }
}

type Changes = Partial<ConvModuleOptions>;

/** mmcv hands the padding mode to no one when it is `'circular'`. */
function asOriginal({ paddingMode }: Changes): Changes {
  return paddingMode === 'circular' ? { paddingMode: 'zeros' } : {};
}

/** The record is read by others too: an activation that sees it first makes a new tensor. */
function keepingRecords({ order = ['conv', 'norm', 'act'], normCfg = null, actCfg }: Changes): Changes {
  const first = order.find((one) => one !== 'norm' || normCfg !== null);
  if (first !== 'act') return {};
  const overwrites = typeof actCfg === 'object' && actCfg !== null && 'inplace' in actCfg;
  return { inplace: false, ...(overwrites ? { actCfg: { ...actCfg, inplace: false } } : {}) };
}

export const convModuleConnector = entry(ConvModuleConnector, {
  summary: 'Convolution with norm and activation: other channels, other sizes.',
  paper: 'Romero et al. 2015, arXiv 1412.6550',
});
