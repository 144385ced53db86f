// Factor transfer, the student's side: convolutions that translate its features to the teacher's factors.
import { z } from 'zod';

import type { Sequential } from '../../nn/index.ts';
import { aliased, count, entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { encoder } from './factor-transfer.ts';
import { requireMap } from './shapes.ts';

const own = {
  /** Channels of the student's features. */
  inChannels: count,
  /** Channels of the factors. */
  outChannels: count,
  /** Batch norms after the convolutions. Default true. */
  useBn: z.boolean().default(true),
};
/** Options of {@link Translator}. */
export interface TranslatorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * Three times 3x3 convolution, batch norm and leaky ReLU (slope 0.1): `(N, inChannels, H, W)` to `(N, outChannels, H, W)`.
 *
 * Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, arXiv 1802.04977.
 *
 * @example
 * ```ts
 * const connector = new Translator({ inChannels: 16, outChannels: 8 });
 * const factors = connector.forward(randn([2, 16, 8, 8])); // (2, 8, 8, 8)
 * ```
 */
export class Translator extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = aliased(connectorSchema(own), {
    inChannel: 'inChannels',
    outChannel: 'outChannels',
  });
  readonly encoder: Sequential;

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: TranslatorOptions) {
    super(options);
    const { inChannels, outChannels, useBn } = this.options;
    this.encoder = encoder(inChannels, outChannels, useBn);
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireMap('Translator', x, this.options.inChannels, 'inChannels');
    return this.encoder.forward(x);
  }
}

export const translator = entry(Translator, {
  summary: "Factor transfer: the student's features to the teacher's factors.",
  paper: 'Kim, Park, Kwak 2018, arXiv 1802.04977',
});
