// ConvNeXt under OpenMMLab's names: `downsample_layers`, `stages`, and a norm for each output.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import {
  buildActivation,
  buildNorm,
  Conv2d,
  LayerNorm2d,
  Linear,
  Module,
  ModuleList,
  Parameter,
  Sequential,
} from '../../nn/index.ts';
import type { ActivationConfig, InitOption, Layer, NormConfig } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { initialize } from '../initial-weights.ts';
import { actCfg, count, counts, flag, index, indices, initCfg, normCfg, rate } from '../schema.ts';
import { archNamed } from './backbone-options.ts';
import { dropPath, dropPathRates } from './residual.ts';
import { FreezableBackbone, checkOutIndices } from './training-mode.ts';

/** The size of a {@link ConvNeXt}. */
export interface ConvNeXtSize {
  /** Blocks of each stage. */
  depths: readonly number[];
  /** Channels of each stage. */
  channels: readonly number[];
}

const sizeOf = (depths: readonly number[], first: number): ConvNeXtSize => ({
  depths,
  channels: depths.map((_, i) => first * 2 ** i),
});

const sizes: Readonly<Record<string, ConvNeXtSize>> = {
  atto: sizeOf([2, 2, 6, 2], 40),
  femto: sizeOf([2, 2, 6, 2], 48),
  pico: sizeOf([2, 2, 6, 2], 64),
  nano: sizeOf([2, 2, 8, 2], 80),
  tiny: sizeOf([3, 3, 9, 3], 96),
  small: sizeOf([3, 3, 27, 3], 96),
  base: sizeOf([3, 3, 27, 3], 128),
  large: sizeOf([3, 3, 27, 3], 192),
  xlarge: sizeOf([3, 3, 27, 3], 256),
};

/** Options of {@link ConvNeXt}. */
export interface ConvNeXtOptions {
  /** `'atto'`, `'femto'`, `'pico'`, `'nano'`, `'tiny'`, `'small'`, `'base'`, `'large'`, `'xlarge'`, or the sizes. Default `'tiny'`. */
  arch?: string | ConvNeXtSize;
  /** Default 3. */
  inChannels?: number;
  /** Kernel and stride of the stem. Default 4. */
  stemPatchSize?: number;
  /** Default `{ type: 'LN2d', eps: 1e-6 }`. */
  normCfg?: NormConfig;
  /** Default `{ type: 'GELU' }`. */
  actCfg?: ActivationConfig;
  /** The 1x1 convolutions as linear layers, on maps with their channels last: the same numbers. Default true. */
  linearPwConv?: boolean;
  /** Normalize the responses inside blocks over all places, as ConvNeXt V2 does; set `layerScaleInitValue: 0` with it. Default false. */
  useGrn?: boolean;
  /** The last block's chance to be dropped (see `DropPath`); it grows evenly from 0. Default 0. */
  dropPathRate?: number;
  /** What the scales of blocks begin with; 0 leaves them out. Default 1e-6. */
  layerScaleInitValue?: number;
  /** Which stages' outputs are returned; negative counts from the end. Default -1: the last. */
  outIndices?: number | readonly number[];
  /** How many stages are not trained and stay in evaluation mode, with what is before them; 0 or less: nothing. Default 0. */
  frozenStages?: number;
  /** Give the mean of each map, normed, `(N, C)`, in place of the map, normed, `(N, C, H, W)`. Default true. */
  gapBeforeFinalNorm?: boolean;
  /** Taken for OpenMMLab's configs and without effect: it trades time for memory and changes no result. */
  withCp?: boolean;
  /** Initial weights, in place of the network's own way. */
  initCfg?: InitOption;
}

interface BlockOptions {
  normCfg: NormConfig;
  actCfg: ActivationConfig;
  linearPwConv: boolean;
  useGrn: boolean;
  dropPathRate: number;
  layerScaleInitValue: number;
}

/** `x + gamma conv1x1(act(conv1x1(norm(depthwise7x7(x)))))`, `(N, C, H, W)` to the same shape. Liu et al. 2022, arXiv 2201.03545. */
class ConvNeXtBlock extends Module {
  depthwise_conv: Conv2d;
  norm: Layer;
  pointwise_conv1: Linear | Conv2d;
  act: Layer;
  declare grn?: GlobalResponseNorm;
  pointwise_conv2: Linear | Conv2d;
  /** `(C)`: the scale of the branch. */
  declare gamma?: Parameter;
  drop_path: Layer;
  readonly #channelsLast: boolean;

  constructor(channels: number, options: BlockOptions) {
    super();
    const { layerScaleInitValue, linearPwConv } = options;
    const hidden = 4 * channels;
    const pointwise = (from: number, to: number): Linear | Conv2d =>
      linearPwConv ? new Linear(from, to) : new Conv2d(from, to, { kernelSize: 1 });
    this.#channelsLast = linearPwConv;
    this.depthwise_conv = new Conv2d(channels, channels, { kernelSize: 7, padding: 3, groups: channels });
    this.norm = buildNorm(options.normCfg, channels).layer;
    this.pointwise_conv1 = pointwise(channels, hidden);
    this.act = buildActivation(options.actCfg);
    if (options.useGrn) this.grn = new GlobalResponseNorm(hidden);
    this.pointwise_conv2 = pointwise(hidden, channels);
    if (layerScaleInitValue > 0) {
      this.gamma = tidy(() => new Parameter(ops.full([channels], layerScaleInitValue, { dtype: 'float32' })));
    }
    this.drop_path = dropPath(options.dropPathRate);
  }

  override forward(input: Tensor): Tensor {
    const map = this.depthwise_conv.forward(input);
    let x = this.#channelsLast ? this.#normedLast(map) : this.norm.forward(map);
    x = this.act.forward(this.pointwise_conv1.forward(x));
    if (this.grn !== undefined) x = this.grn.forward(x, this.#channelsLast);
    x = this.pointwise_conv2.forward(x);
    if (this.#channelsLast) x = x.permute([0, 3, 1, 2]);
    if (this.gamma !== undefined) x = x.mul(this.gamma.view([1, -1, 1, 1]));
    return input.add(this.drop_path.forward(x));
  }

  /** `(N, C, H, W)`, normed, as `(N, H, W, C)`. */
  #normedLast(map: Tensor): Tensor {
    const { norm } = this;
    if (norm instanceof LayerNorm2d) return norm.overLast(map.permute([0, 2, 3, 1]));
    return norm.forward(map).permute([0, 2, 3, 1]);
  }
}

/**
 * `gamma x n + beta + x`, where `n` is the norm of a channel over all places, over the mean of all channels' norms.
 * Woo et al. 2023, arXiv 2301.00808.
 */
class GlobalResponseNorm extends Module {
  gamma: Parameter;
  beta: Parameter;

  constructor(channels: number) {
    super();
    const zeros = (): Parameter => tidy(() => new Parameter(ops.zeros([channels])));
    this.gamma = zeros();
    this.beta = zeros();
  }

  override forward(input: Tensor, channelsLast: boolean): Tensor {
    const [places, channels] = channelsLast ? [[1, 2], 3] : [[2, 3], 1];
    const norm = input.square().sum(places, true).sqrt();
    const relative = norm.div(norm.mean(channels, true).add(1e-6));
    const [gamma, beta] = channelsLast
      ? [this.gamma, this.beta]
      : [this.gamma.view([1, -1, 1, 1]), this.beta.view([1, -1, 1, 1])];
    return input.mul(relative).mul(gamma).add(beta).add(input);
  }
}

/**
 * `(N, inChannels, H, W)` to a vector `(N, C)` per entry of `outIndices` (a map without `gapBeforeFinalNorm`): no neck is needed before a
 * `LinearClsHead`. Liu et al. 2022, arXiv 2201.03545.
 *
 * @example
 * ```ts
 * const backbone = new ConvNeXt({ arch: 'tiny' });
 * const [vector] = backbone.forward(randn([1, 3, 64, 64])); // (1, 768)
 * ```
 */
export class ConvNeXt extends FreezableBackbone {
  static readonly schema = z.strictObject({
    arch: z.union([z.string(), z.strictObject({ depths: counts, channels: counts })]).exactOptional(),
    inChannels: count.exactOptional(),
    stemPatchSize: count.exactOptional(),
    normCfg: normCfg.exactOptional(),
    actCfg: actCfg.exactOptional(),
    linearPwConv: flag.exactOptional(),
    useGrn: flag.exactOptional(),
    dropPathRate: rate.exactOptional(),
    layerScaleInitValue: z.number().nonnegative().exactOptional(),
    outIndices: z.union([index, indices]).exactOptional(),
    frozenStages: index.exactOptional(),
    gapBeforeFinalNorm: flag.exactOptional(),
    withCp: flag.exactOptional(),
    initCfg: initCfg.exactOptional(),
  });
  /** The stem, and what stands before each further stage. */
  downsample_layers: ModuleList<Sequential>;
  stages: ModuleList<Sequential>;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: ConvNeXtOptions;
  readonly #outIndices: readonly number[];
  readonly #norms = new Map<number, Layer>();

  /** @throws {RetortError} for an unknown `arch`, lists of different lengths, or stages outside the network. */
  constructor(options: ConvNeXtOptions = {}) {
    checkOptions(ConvNeXt.schema, options, new.target.name);
    super();
    this.#options = options;
    const { arch = 'tiny', inChannels = 3, stemPatchSize = 4, dropPathRate = 0, outIndices = -1 } = options;
    const { normCfg: ofNorm = { type: 'LN2d', eps: 1e-6 } as const, frozenStages = 0 } = options;
    const { depths, channels } = sizeNamed(arch);
    const rates = dropPathRates(
      dropPathRate,
      depths.reduce((sum, n) => sum + n, 0),
    );
    const norm = (width: number): Layer => buildNorm(ofNorm, width).layer;
    const patches = { kernelSize: stemPatchSize, stride: stemPatchSize };
    this.downsample_layers = new ModuleList(
      channels.map((width, i) => {
        if (i === 0) return new Sequential(new Conv2d(inChannels, width, patches), norm(width));
        const before = channels[i - 1]!;
        return new Sequential(norm(before), new Conv2d(before, width, { kernelSize: 2, stride: 2 }));
      }),
    );
    const shared = {
      normCfg: ofNorm,
      actCfg: options.actCfg ?? ({ type: 'GELU' } as const),
      linearPwConv: options.linearPwConv ?? true,
      useGrn: options.useGrn ?? false,
      layerScaleInitValue: options.layerScaleInitValue ?? 1e-6,
    };
    this.stages = new ModuleList(
      channels.map((width, i) => {
        const blocks = rates.splice(0, depths[i]);
        return new Sequential(...blocks.map((one) => new ConvNeXtBlock(width, { ...shared, dropPathRate: one })));
      }),
    );
    const given = typeof outIndices === 'number' ? [outIndices] : outIndices;
    this.#outIndices = given.map((i) => (i < 0 ? channels.length + i : i));
    checkOutIndices('ConvNeXt', this.#outIndices, channels.length - 1);
    for (const i of this.#outIndices) {
      const layer = norm(channels[i]!);
      this.#norms.set(i, layer);
      Object.assign(this, { [`norm${i}`]: layer });
    }
    this.outChannels = this.#outIndices.map((i) => channels[i]!);
    this.keepStill(this.#frozenParts(frozenStages));
    this.initWeights();
    this.train();
  }

  #frozenParts(stages: number): Module[] {
    if (stages > this.stages.length || stages < -1) {
      throw new RetortError(`ConvNeXt: frozenStages: expected -1 to ${this.stages.length}, got ${stages}`);
    }
    const frozen = Math.max(0, stages);
    return [...[...this.downsample_layers].slice(0, frozen), ...[...this.stages].slice(0, frozen)];
  }

  /** `N(0, 0.02^2)`, cut at 2, for convolutions and linear layers; norms start as the identity. */
  initWeights(): void {
    const usual = [
      { type: 'TruncNormal', layer: ['Conv2d', 'Linear'], std: 0.02 },
      { type: 'Constant', layer: ['LayerNorm'], val: 1 },
    ] as const;
    initialize(this, { initCfg: this.#options.initCfg, usual });
  }

  override forward(input: Tensor): Tensor[] {
    const outputs: Tensor[] = [];
    let x = input;
    for (const [i, stage] of [...this.stages].entries()) {
      x = stage.forward(this.downsample_layers.get(i).forward(x));
      const norm = this.#norms.get(i);
      if (norm !== undefined) outputs.push(this.#output(norm, x));
    }
    return outputs;
  }

  #output(norm: Layer, map: Tensor): Tensor {
    if (this.#options.gapBeforeFinalNorm === false) return norm.forward(map);
    return norm.forward(map.mean([2, 3], true)).flatten(1);
  }
}

/** @throws {RetortError} for an unknown name, or lists that do not belong together. */
function sizeNamed(arch: string | ConvNeXtSize): ConvNeXtSize {
  if (typeof arch === 'string') return archNamed('ConvNeXt', sizes, arch);
  const { depths, channels } = arch;
  if (depths.length > 0 && depths.length === channels.length) return arch;
  throw new RetortError(
    `ConvNeXt: arch: expected depths and channels for the same stages, got [${depths.join(', ')}] and [${channels.join(', ')}]`,
  );
}

export const convNeXtEntry = entry(ConvNeXt, {
  summary: 'Convolutions of 7x7 in blocks like those of transformers.',
  paper: 'Liu et al. 2022, arXiv 2201.03545',
});
