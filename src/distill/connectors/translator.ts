// Factor transfer, the student's side: convolutions that translate its features to the teacher's factors.
import { z } from 'zod';

import type { Sequential } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema, count } from './connector.ts';
import type { ConnectorOptions } from './connector.ts';
import { encoder } from './factor-transfer.ts';
import { requireMap } from './shapes.ts';

export interface TranslatorOptions extends ConnectorOptions {
  /** Channels of the student's features. */
  inChannel: number;
  /** Channels of the factors. */
  outChannel: number;
  /** Batch norms after the convolutions. Default true. */
  useBn?: boolean;
}

/**
 * Three times 3x3 convolution, batch norm and leaky ReLU (slope 0.1): `(N, inChannel, H, W)` to `(N, outChannel, H, W)`.
 *
 * Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, arXiv 1802.04977.
 */
export class Translator extends Connector {
  readonly inChannel: number;
  readonly encoder: Sequential;

  constructor({ inChannel, outChannel, useBn = true, ...options }: TranslatorOptions) {
    super(options);
    this.inChannel = inChannel;
    this.encoder = encoder(inChannel, outChannel, useBn);
    this.initialize(options);
  }

  override forward(x: Tensor): Tensor {
    requireMap('Translator', x, this.inChannel, 'inChannel');
    return this.encoder.forward(x);
  }
}

export const translator = entry(
  connectorSchema({ inChannel: count, outChannel: count, useBn: z.boolean().exactOptional() }),
  (options) => new Translator(options),
  {
    summary: "Factor transfer: the student's features to the teacher's factors.",
    paper: 'Kim, Park, Kwak 2018, arXiv 1802.04977',
  },
);
