// MobileNetV3 under OpenMMLab's names: `layer0` is the stem, then one layer for each block, the last one a 1x1 convolution.
import { z } from 'zod';

import { ConvModule } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { convolutional, initialize } from '../initial-weights.ts';
import { count, indices } from '../schema.ts';
import { archNamed, backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { MBConv } from './mbconv.ts';
import { runStages } from './residual.ts';
import { checkOutIndices, FreezableBackbone, frozenParts } from './training-mode.ts';

/** Options of {@link MobileNetV3}. */
export interface MobileNetV3Options extends Omit<BackboneOptions, 'normCfg'> {
  /** `'small'`, `'large'`, or the small one with fewer channels: `'small_075'`, `'small_050'`. Default `'small'`. */
  arch?: string;
  /** Default 3. */
  inChannels?: number;
  /**
   * Which layers' outputs are returned: 0 for the stem, then one for each block (11 in `small`, 15 in `large`), and one more for the
   * last convolution. Default: the last.
   */
  outIndices?: readonly number[];
  /** Default `{ type: 'BN', eps: 0.001, momentum: 0.01 }`. */
  normCfg?: BackboneOptions['normCfg'];
}

/** Kernel size, channels inside, channels, whether there is squeeze and excitation, activation, stride. */
type Row = readonly [number, number, number, boolean, 'ReLU' | 'HSwish', number];

/** The small network with so many channels inside and out in each of its blocks. */
function small(channels: readonly (readonly [inside: number, out: number])[]): Row[] {
  const strides = [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1];
  return channels.map(([inside, out], i) => {
    const early = i < 3;
    return [early ? 3 : 5, inside, out, i === 0 || !early, early ? 'ReLU' : 'HSwish', strides[i]!];
  });
}

const archs: Readonly<Record<string, readonly Row[]>> = {
  small: small([
    [16, 16],
    [72, 24],
    [88, 24],
    [96, 40],
    [240, 40],
    [240, 40],
    [120, 48],
    [144, 48],
    [288, 96],
    [576, 96],
    [576, 96],
  ]),
  small_075: small([
    [16, 16],
    [72, 24],
    [88, 24],
    [96, 32],
    [192, 32],
    [192, 32],
    [96, 40],
    [120, 40],
    [240, 72],
    [432, 72],
    [432, 72],
  ]),
  small_050: small([
    [16, 8],
    [40, 16],
    [56, 16],
    [64, 24],
    [144, 24],
    [144, 24],
    [72, 24],
    [72, 24],
    [144, 48],
    [288, 48],
    [288, 48],
  ]),
  large: [
    [3, 16, 16, false, 'ReLU', 1],
    [3, 64, 24, false, 'ReLU', 2],
    [3, 72, 24, false, 'ReLU', 1],
    [5, 72, 40, true, 'ReLU', 2],
    [5, 120, 40, true, 'ReLU', 1],
    [5, 120, 40, true, 'ReLU', 1],
    [3, 240, 80, false, 'HSwish', 2],
    [3, 200, 80, false, 'HSwish', 1],
    [3, 184, 80, false, 'HSwish', 1],
    [3, 184, 80, false, 'HSwish', 1],
    [3, 480, 112, true, 'HSwish', 1],
    [3, 672, 112, true, 'HSwish', 1],
    [5, 672, 160, true, 'HSwish', 2],
    [5, 960, 160, true, 'HSwish', 1],
    [5, 960, 160, true, 'HSwish', 1],
  ],
};
const stemChannels = 16;

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. Its usual head is a `StackedLinearClsHead` with a hidden layer
 * of 1024 (`small`) or 1280 channels (`large`), `actCfg: { type: 'HSwish' }` and `dropoutRate: 0.2`.
 * Howard et al. 2019, arXiv 1905.02244.
 *
 * @example
 * ```ts
 * const backbone = new MobileNetV3({ arch: 'small' });
 * const [map] = backbone.forward(randn([2, 3, 64, 64])); // (2, 576, 2, 2)
 * ```
 */
export class MobileNetV3 extends FreezableBackbone {
  static readonly schema = z.strictObject({
    arch: z.string().exactOptional(),
    inChannels: count.exactOptional(),
    outIndices: indices.exactOptional(),
    ...backboneOptions,
  });
  declare layer0: ConvModule;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: MobileNetV3Options;
  readonly #layers: readonly Layer[];
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for an unknown `arch`, or layers outside the network. */
  constructor(options: MobileNetV3Options = {}) {
    checkOptions(MobileNetV3.schema, options, new.target.name);
    super();
    this.#options = options;
    const { inChannels: images = 3, convCfg = null } = options;
    const { normCfg = { type: 'BN', eps: 0.001, momentum: 0.01 } } = options;
    const rows = archNamed('MobileNetV3', archs, options.arch ?? 'small');
    const { outIndices = [rows.length + 1] } = options;
    checkOutIndices('MobileNetV3', outIndices, rows.length + 1);
    const hswish = { convCfg, normCfg, actCfg: { type: 'HSwish' } } as const;
    const stem = new ConvModule(images, stemChannels, { kernelSize: 3, stride: 2, padding: 1, ...hswish });
    const widths = [stemChannels, ...rows.map(([, , channels]) => channels)];
    const blocks = rows.map(([kernelSize, midChannels, channels, squeezed, act, stride], i) => {
      const se = squeezed ? ({ ratio: 4, actCfg: [{ type: 'ReLU' }, { type: 'HSigmoid' }] } as const) : null;
      const configs = { convCfg, normCfg, actCfg: { type: act } };
      return new MBConv(widths[i]!, channels, { kernelSize, midChannels, stride, se, ...configs });
    });
    widths.push(rows.at(-1)![1]);
    const last = new ConvModule(widths.at(-2)!, widths.at(-1)!, { kernelSize: 1, ...hswish });
    this.#layers = [stem, ...blocks, last];
    this.#layers.forEach((layer, i) => Object.assign(this, { [`layer${i}`]: layer }));
    this.#outIndices = outIndices;
    this.outChannels = outIndices.map((i) => widths[i]!);
    this.keepStill(
      frozenParts('MobileNetV3', options.frozenStages ?? -1, [stem] as Layer[], [...blocks, last]),
      options.normEval,
    );
    this.initWeights();
    this.train();
  }

  /** Kaiming normal (fan out) for convolutions; norms start as the identity. */
  initWeights(): void {
    initialize(this, { initCfg: this.#options.initCfg, usual: convolutional });
  }

  override forward(input: Tensor): Tensor[] {
    return runStages(this.#layers, input, this.#outIndices);
  }
}

export const mobileNetV3Entry = entry(MobileNetV3, {
  summary: 'Inverted residuals with squeeze and excitation, small or large.',
  paper: 'Howard et al. 2019, arXiv 1905.02244',
});
