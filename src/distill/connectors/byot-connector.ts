// Be your own teacher: a shallow exit of a network, with attention, to features and logits like those of the last one.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { AvgPool2d, BatchNorm2d, Linear, ReLU, SepConv, Sequential, Sigmoid, Upsample } from '../../nn/index.ts';
import { aliased, count, entry, pair } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { requireMap, shown } from './shapes.ts';

const own = {
  /** Channels that come in, divided by `expansion`. */
  inChannels: count,
  /** Channels of the features that go out, divided by `expansion`: `inChannels` times a power of 2. */
  outChannels: count,
  /** Classes of the logits that go out. */
  numClasses: count,
  /** Factor of all channels: that of the network's blocks. Default 4. */
  expansion: count.default(4),
  /** Window of the average pooling; the maps must have shrunk to it. Default 4. */
  poolSize: pair(1).default(4),
  /** Of the separable convolutions, 3 or 5. Default 3. */
  kernelSize: z.literal([3, 5]).default(3),
  /** Of the separable convolutions. Attention, made at `H / stride`, is enlarged twofold: only 2 fits. Default 2. */
  stride: z.literal([1, 2]).optional(),
};
/** Options of {@link BYOTConnector}. */
export interface BYOTConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * `(N, inChannels expansion, H, W)` to `[features, logits]`, `(N, outChannels expansion)` and `(N, numClasses)`:
 * `a = sigmoid(upsample2(ReLU(BN(SepConv(x)))))`, then `x a` through one separable convolution for each doubling of the channels,
 * average pooling, and a linear classifier. H and W even, and `poolSize` after one halving for each doubling.
 *
 * Under `compat` the default stride is 1, as in MMRazor, whose forward then fails: the attention is twice as large as x.
 * Zhang et al.: Be Your Own Teacher, arXiv 1905.08094.
 *
 * @example
 * ```ts
 * const connector = new BYOTConnector({ inChannels: 16, outChannels: 64, numClasses: 10, expansion: 1, poolSize: 2 });
 * const [features, logits] = connector.forward(randn([2, 16, 8, 8])); // (2, 64), (2, 10)
 * ```
 */
export class BYOTConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = aliased(connectorSchema(own), {
    inChannel: 'inChannels',
    outChannel: 'outChannels',
  });
  readonly inChannels: number;
  readonly attention: Sequential;
  readonly scala: Sequential;
  readonly fc: Linear;

  /** @throws {RetortError} unless `outChannels` is `inChannels` times a power of 2, and for another kernel or stride. */
  constructor(options: BYOTConnectorOptions) {
    super(options);
    const { inChannels, outChannels, numClasses, expansion, poolSize, kernelSize } = this.options;
    const { stride = this.original ? 1 : 2 } = this.options;
    const doublings = Math.log2(outChannels / inChannels);
    if (!Number.isInteger(doublings) || doublings < 0) {
      throw new RetortError(
        `BYOTConnector: outChannels: expected inChannels (${inChannels}) times 1, 2, 4, ..., got ${outChannels}`,
      );
    }
    this.inChannels = inChannels * expansion;
    const separable = (from: number, to: number): SepConv =>
      new SepConv(from * expansion, to * expansion, { kernelSize, stride });
    this.attention = new Sequential(
      separable(inChannels, inChannels),
      new BatchNorm2d(this.inChannels),
      new ReLU(),
      new Upsample({ scaleFactor: 2, mode: 'bilinear' }),
      new Sigmoid(),
    );
    const deeper = Array.from({ length: doublings }, (_, i) =>
      separable(inChannels * 2 ** i, inChannels * 2 ** (i + 1)),
    );
    this.scala = new Sequential(...deeper, new AvgPool2d(poolSize));
    this.fc = new Linear(outChannels * expansion, numClasses);
    this.initialize();
  }

  /** @throws {RetortError} when attention and x differ in size (an odd H or W, stride 1), or more than one position is left. */
  override forward(x: Tensor): Tensor[] {
    requireMap('BYOTConnector', x, this.inChannels, 'inChannels * expansion');
    const attention = this.attention.forward(x); // (N, C, 2 ceil(H / stride), 2 ceil(W / stride))
    if (!this.original) requireSameSize(attention, x);
    const pooled = this.scala.forward(attention.mul(x)).flatten(1);
    const { inFeatures } = this.fc;
    if (pooled.shape[1] !== inFeatures) {
      throw new RetortError(
        `BYOTConnector: poolSize: expected ${inFeatures} features for each sample after pooling, got ${shown(pooled.shape)} from x ${shown(x.shape)}`,
        { help: 'poolSize is the height and width that the maps have before it' },
      );
    }
    return [pooled, this.fc.forward(pooled)];
  }
}

function requireSameSize(attention: Tensor, x: Tensor): void {
  if (attention.shape.join() === x.shape.join()) return;
  throw new RetortError(
    `BYOTConnector: x: expected attention of its shape, got ${shown(x.shape)} and attention ${shown(attention.shape)}`,
    { help: 'use stride 2 and features of even height and width' },
  );
}

export const byotConnector = entry(BYOTConnector, {
  summary: 'A shallow exit with attention: features and logits.',
  paper: 'Zhang et al. 2019, arXiv 1905.08094',
});
