// RegNet under OpenMMLab's names: a ResNet of bottlenecks with groups, whose widths come from a formula.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Conv2d, Layer, ReLU, Sequential } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { initialize } from '../initial-weights.ts';
import { count } from '../schema.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { archNamed } from './backbone-options.ts';
import { Bottleneck } from './bottleneck.ts';
import { plainConv } from './layers.ts';
import { regnetStages } from './regnet-widths.ts';
import type { RegNetArch } from './regnet-widths.ts';
import { addStages, residualStage, runStages, zeroLastNorms } from './residual.ts';
import type { ResNetStyle } from './residual.ts';
import { addConvStem } from './resnet.ts';
import { resnetShape } from './resnet-options.ts';
import { checkOutIndices, FreezableBackbone, frozenParts } from './training-mode.ts';

const named: Readonly<Record<string, RegNetArch>> = {
  regnetx_400mf: { w0: 24, wa: 24.48, wm: 2.54, groupW: 16, depth: 22 },
  regnetx_800mf: { w0: 56, wa: 35.73, wm: 2.28, groupW: 16, depth: 16 },
  'regnetx_1.6gf': { w0: 80, wa: 34.01, wm: 2.25, groupW: 24, depth: 18 },
  'regnetx_3.2gf': { w0: 88, wa: 26.31, wm: 2.25, groupW: 48, depth: 25 },
  'regnetx_4.0gf': { w0: 96, wa: 38.65, wm: 2.43, groupW: 40, depth: 23 },
  'regnetx_6.4gf': { w0: 184, wa: 60.83, wm: 2.07, groupW: 56, depth: 17 },
  'regnetx_8.0gf': { w0: 80, wa: 49.56, wm: 2.88, groupW: 120, depth: 23 },
  regnetx_12gf: { w0: 168, wa: 73.36, wm: 2.37, groupW: 112, depth: 19 },
};

/** Options of {@link RegNet}. */
export interface RegNetOptions extends BackboneOptions {
  /** A name such as `'regnetx_3.2gf'`, or the numbers of the formula. */
  arch: string | RegNetArch;
  /** Default 3. */
  inChannels?: number;
  /** Channels after the stem. Default 32. */
  stemChannels?: number;
  /** Taken for OpenMMLab's configs and without effect: widths follow from `arch`. */
  baseChannels?: number;
  /** Of each stage. Default all 2. */
  strides?: readonly number[];
  /** Of each stage. Default all 1. */
  dilations?: readonly number[];
  /** Which stages' outputs are returned, counted from 0. Default: the last. */
  outIndices?: readonly number[];
  /** Default `'pytorch'`. */
  style?: ResNetStyle;
  /** Average pooling in place of strides on the ways around blocks. Default false. */
  avgDown?: boolean;
  /** Start every block as the identity. Default true. */
  zeroInitResidual?: boolean;
}

const shared = z.strictObject(resnetShape).omit({
  stageBlocks: true,
  expansion: true,
  numStages: true,
  dropPathRate: true,
  groups: true,
  widthPerGroup: true,
  seRatio: true,
});

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. Radosavovic et al. 2020, arXiv 2003.13678.
 *
 * @example
 * ```ts
 * const backbone = new RegNet({ arch: 'regnetx_400mf' });
 * const [map] = backbone.forward(randn([2, 3, 64, 64]));
 * ```
 */
export class RegNet extends FreezableBackbone {
  static readonly schema = z.strictObject({
    arch: z.union([
      z.string(),
      z.strictObject({
        w0: count,
        wa: z.number(),
        wm: z.number(),
        groupW: count,
        depth: count,
        botMul: z.number().positive().exactOptional(),
      }),
    ]),
    ...shared.shape,
  });
  declare conv1: Conv2d;
  declare relu: ReLU;
  declare layer1: Sequential;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: RegNetOptions;
  readonly #stem: readonly Layer[];
  readonly #stages: readonly Sequential[];
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for an unknown `arch`, or lists that do not fit the number of stages. */
  constructor(options: RegNetOptions) {
    super();
    checkOptions(RegNet.schema, options, new.target.name);
    this.#options = options;
    const { inChannels = 3, stemChannels = 32, style = 'pytorch', avgDown = false, convCfg = null } = options;
    const { normCfg = { type: 'BN' } } = options;
    const plan = regnetStages('RegNet', archOf(options.arch));
    const { strides = plan.map(() => 2), dilations = plan.map(() => 1), outIndices = [plan.length - 1] } = options;
    for (const [name, list] of Object.entries({ strides, dilations })) {
      if (list.length >= plan.length) continue;
      throw new RetortError(
        `RegNet: ${name}: expected one for each of ${plan.length} stages, got [${list.join(', ')}]`,
      );
    }
    checkOutIndices('RegNet', outIndices, plan.length - 1);
    const conv = plainConv([inChannels, stemChannels], { kernelSize: 3, stride: 2, padding: 1 }, convCfg);
    this.#stem = addConvStem(this, conv, normCfg);
    this.#stages = plan.map(({ blocks, width, midWidth, groups }, i) =>
      residualStage(Bottleneck, {
        ...{ blocks, groups, style, avgDown, convCfg, normCfg, channels: width, expansion: 1 },
        inChannels: i === 0 ? stemChannels : plan[i - 1]!.width,
        midChannels: groups === 1 ? width : midWidth,
        stride: strides[i]!,
        dilation: dilations[i]!,
      }),
    );
    addStages(this, this.#stages);
    this.#outIndices = outIndices;
    this.outChannels = outIndices.map((i) => plan[i]!.width);
    this.keepStill(frozenParts('RegNet', options.frozenStages ?? -1, this.#stem, this.#stages), options.normEval);
    this.initWeights();
    this.train();
  }

  /** The last norms of blocks start at zero; all else as layers do. */
  initWeights(): void {
    const { initCfg, zeroInitResidual = true } = this.#options;
    const after = (): void => {
      if (zeroInitResidual) zeroLastNorms(this.#stages);
    };
    initialize(this, { initCfg, usual: null, after });
  }

  override forward(input: Tensor): Tensor[] {
    let x = input;
    for (const layer of this.#stem) x = layer.forward(x);
    return runStages(this.#stages, x, this.#outIndices);
  }
}

function archOf(arch: string | RegNetArch): RegNetArch {
  if (typeof arch !== 'string') return arch;
  return archNamed('RegNet', named, arch);
}

export const regnetEntry = entry(
  RegNet.schema.extend({ deepStem: z.literal(false).exactOptional() }),
  ({ deepStem: _deepStem, ...options }) => new RegNet(options),
  {
    summary: 'RegNet: bottlenecks with groups, widths from a formula.',
    paper: 'Radosavovic et al. 2020, arXiv 2003.13678',
  },
);
