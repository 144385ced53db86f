// A convolution with norm and activation: brings feature maps to another number of channels, or another size.
import { z } from 'zod';

import { ConvModule } from '../../nn/index.ts';
import type { ActivationConfig, ConvConfig, ConvModuleOptions, NormConfig } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema, count, pair, part } from './connector.ts';
import type { ConnectorOptions } from './connector.ts';
import { requireMap } from './shapes.ts';

/** Options of {@link ConvModule}, and the channels. */
export interface ConvModuleConnectorOptions extends ConnectorOptions, Omit<ConvModuleOptions, 'kernelSize'> {
  /** Channels that come in. */
  inChannel: number;
  /** Channels that go out. */
  outChannel: number;
  /** Default 1. */
  kernelSize?: ConvModuleOptions['kernelSize'];
}

/**
 * {@link ConvModule} on a record: `(N, inChannel, H, W)` to `(N, outChannel, H', W')`. **A ReLU follows by default**: pass
 * `actCfg: null` to compare features as they are.
 *
 * An activation in front never overwrites the record, whatever `inplace` says. Under `compat` it does, and
 * `paddingMode: 'circular'` pads with zeros, as in MMRazor.
 * Romero et al.: FitNets: Hints for Thin Deep Nets, arXiv 1412.6550.
 */
export class ConvModuleConnector extends Connector {
  readonly inChannel: number;
  readonly conv_module: ConvModule;

  /** @throws {RetortError} for what {@link ConvModule} refuses. */
  constructor({ inChannel, outChannel, kernelSize = 1, ...options }: ConvModuleConnectorOptions) {
    super(options);
    this.inChannel = inChannel;
    const changes = this.original ? asOriginal(options) : keepingRecords(options);
    this.conv_module = new ConvModule(inChannel, outChannel, { ...options, kernelSize, ...changes });
    this.initialize(options);
  }

  override forward(x: Tensor): Tensor {
    requireMap('ConvModuleConnector', x, this.inChannel, 'inChannel');
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
  return { inplace: false, ...(actCfg?.['inplace'] === true ? { actCfg: { ...actCfg, inplace: false } } : {}) };
}

export const convModuleConnector = entry(
  connectorSchema({
    inChannel: count,
    outChannel: count,
    kernelSize: pair.exactOptional(),
    stride: pair.exactOptional(),
    padding: pair.exactOptional(),
    dilation: pair.exactOptional(),
    groups: count.exactOptional(),
    bias: z.union([z.boolean(), z.literal('auto')]).exactOptional(),
    convCfg: part<ConvConfig>().nullable().exactOptional(),
    normCfg: part<NormConfig>().nullable().exactOptional(),
    actCfg: part<ActivationConfig>().nullable().exactOptional(),
    inplace: z.boolean().exactOptional(),
    withSpectralNorm: z.boolean().exactOptional(),
    paddingMode: z.enum(['zeros', 'reflect', 'replicate', 'circular']).exactOptional(),
    order: z.array(z.enum(['conv', 'norm', 'act'])).exactOptional(),
  }),
  (options) => new ConvModuleConnector(options),
  {
    summary: 'Convolution with norm and activation: other channels, other sizes.',
    paper: 'Romero et al. 2015, arXiv 1412.6550',
  },
);
