// Factor transfer, the teacher's side: an autoencoder whose code is what the student learns.
import { z } from 'zod';

import { BatchNorm2d } from '../../nn/index.ts';
import type { Sequential } from '../../nn/index.ts';
import { aliased, count, entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { noGrad } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { decoder, encoder } from './factor-transfer.ts';
import { requireMap } from './shapes.ts';

const phases = ['pretrain', 'train'] as const;
/** What a {@link Paraphraser} does: reconstruct features, or give factors. */
export type ParaphraserPhase = (typeof phases)[number];

const own = {
  /** Channels of the teacher's features. */
  inChannels: count,
  /** Channels of the factors. */
  outChannels: count,
  /** `'pretrain'` reconstructs the features, `'train'` gives the factors. Default `'pretrain'`. */
  phase: z.enum(phases).default('pretrain'),
  /** Batch norms after the convolutions. Default false. */
  useBn: z.boolean().default(false),
};
/** Options of {@link Paraphraser}. */
export interface ParaphraserOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * `pretrain`: `decoder(encoder(x))`, `(N, inChannels, H, W)` to the same shape, to be compared with x. `train`: `encoder(x)`,
 * `(N, outChannels, H, W)`, frozen: no gradient, and batch norms as in evaluation, with the statistics of the pretraining. Under
 * `compat` they normalize by the batch and go on moving, as in MMRazor.
 *
 * Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, arXiv 1802.04977.
 *
 * @example
 * ```ts
 * const connector = new Paraphraser({ inChannels: 16, outChannels: 8, phase: 'train' });
 * const factors = connector.forward(randn([2, 16, 8, 8])); // (2, 8, 8, 8)
 * ```
 */
export class Paraphraser extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = aliased(connectorSchema(own), {
    inChannel: 'inChannels',
    outChannel: 'outChannels',
  });
  readonly encoder: Sequential;
  readonly decoder: Sequential;
  /** May be changed after pretraining. */
  phase: ParaphraserPhase;

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: ParaphraserOptions) {
    super(options);
    const { inChannels, outChannels, phase, useBn } = this.options;
    this.phase = phase;
    this.encoder = encoder(inChannels, outChannels, useBn);
    this.decoder = decoder(outChannels, inChannels, useBn);
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireMap('Paraphraser', x, this.options.inChannels, 'inChannels');
    if (this.phase === 'pretrain') return this.decoder.forward(this.encoder.forward(x));
    return noGrad(() => this.#factors(x));
  }

  #factors(x: Tensor): Tensor {
    const measuring = this.original
      ? []
      : this.encoder.modules().filter((module) => module instanceof BatchNorm2d && module.training);
    try {
      for (const norm of measuring) norm.training = false;
      return this.encoder.forward(x);
    } finally {
      for (const norm of measuring) norm.training = true;
    }
  }
}

export const paraphraser = entry(Paraphraser, {
  summary: "Factor transfer: an autoencoder of the teacher's features.",
  paper: 'Kim, Park, Kwak 2018, arXiv 1802.04977',
});
