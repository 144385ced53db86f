// Residual networks for large images: a stem of 7x7 with pooling, four stages, under OpenMMLab's names.
import { z } from 'zod';

import { ConvModule, MaxPool2d, ReLU, runLayers, Sequential } from '../../nn/index.ts';
import type { Conv2d, Layer, Module, NormConfig } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { convolutional, initialize } from '../initial-weights.ts';
import { count, flag } from '../schema.ts';
import { addNorm, plainConv } from './layers.ts';
import { addStages, dropPathRates, residualStage, runStages, zeroLastNorms } from './residual.ts';
import { planResNet, resnetShape } from './resnet-options.ts';
import type { ResNetOptions, ResNetPlan } from './resnet-options.ts';
import { FreezableBackbone, frozenParts } from './training-mode.ts';

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. He, Zhang, Ren, Sun, arXiv 1512.03385.
 *
 * @example
 * ```ts
 * const backbone = new ResNet({ depth: 18 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 512, 2, 2)
 * ```
 */
export class ResNet extends FreezableBackbone {
  static readonly schema: z.ZodType = z.strictObject({ depth: count, deepStem: flag.exactOptional(), ...resnetShape });
  declare conv1?: Conv2d;
  declare relu?: ReLU;
  /** The stem as three convolutions. */
  declare stem?: Sequential;
  declare maxpool?: MaxPool2d;
  // Stages, as many as asked for; named like this in every checkpoint.
  declare layer1: Sequential;
  declare layer2?: Sequential;
  declare layer3?: Sequential;
  declare layer4?: Sequential;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: ResNetOptions;
  readonly #stem: readonly Layer[];
  readonly #stages: readonly Sequential[];
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for an unknown depth, or counts that do not fit together. */
  constructor(options: ResNetOptions) {
    checkOptions(ResNet.schema, options, new.target.name);
    super();
    const plan = planResNet(this.constructor.name, options);
    this.#options = options;
    this.#stem = this.addStem(options, plan.stemChannels);
    this.#stages = makeStages(options, plan);
    addStages(this, this.#stages);
    this.#outIndices = plan.outIndices;
    this.outChannels = plan.outIndices.map((i) => plan.baseChannels * 2 ** i * plan.expansion);
    this.keepStill(
      frozenParts(this.constructor.name, options.frozenStages ?? -1, this.#stem, this.#stages),
      options.normEval,
    );
    this.initWeights();
    this.train();
  }

  /** Adds the stem's layers, and returns those that are run, in order. */
  protected addStem(options: ResNetOptions, channels: number): Layer[] {
    const { inChannels = 3, deepStem = false, convCfg = null, normCfg = { type: 'BN' } } = options;
    const pool = new MaxPool2d(3, { stride: 2, padding: 1 });
    if (!deepStem) {
      const conv = plainConv([inChannels, channels], { kernelSize: 7, stride: 2, padding: 3 }, convCfg);
      const layers = addConvStem(this, conv, normCfg);
      this.maxpool = pool;
      return [...layers, pool];
    }
    const half = Math.floor(channels / 2);
    const third = { kernelSize: 3, padding: 1, convCfg, normCfg };
    this.stem = new Sequential(
      new ConvModule(inChannels, half, { ...third, stride: 2 }),
      new ConvModule(half, half, third),
      new ConvModule(half, channels, third),
    );
    this.maxpool = pool;
    return [this.stem, pool];
  }

  /** Kaiming normal (fan out) for convolutions; norms start as the identity, the last ones of blocks at zero. */
  initWeights(): void {
    const { initCfg, zeroInitResidual = true } = this.#options;
    const after = (): void => {
      if (zeroInitResidual) zeroLastNorms(this.#stages);
    };
    initialize(this, { initCfg, usual: convolutional, after });
  }

  override forward(input: Tensor): Tensor[] {
    return runStages(this.#stages, runLayers(this.#stem, input), this.#outIndices);
  }
}

/** Adds `conv1`, its norm and `relu` to a network, and returns them. */
export function addConvStem(owner: Module & { conv1?: Conv2d; relu?: ReLU }, conv: Conv2d, norm: NormConfig): Layer[] {
  owner.conv1 = conv;
  const layer = addNorm(owner, norm, conv.outChannels, 1);
  owner.relu = new ReLU();
  return [conv, layer, owner.relu];
}

function makeStages(options: ResNetOptions, plan: ResNetPlan): Sequential[] {
  const { style = 'pytorch', avgDown = false, dropPathRate = 0, convCfg = null, normCfg = { type: 'BN' } } = options;
  const { block, stageBlocks, baseChannels, expansion, groups } = plan;
  const rates = dropPathRates(
    dropPathRate,
    stageBlocks.reduce((sum, n) => sum + n, 0),
  );
  let inChannels = plan.stemChannels;
  return stageBlocks.map((blocks, i) => {
    const width = baseChannels * 2 ** i;
    const channels = width * expansion;
    const stage = residualStage(block, {
      ...{ blocks, inChannels, channels, expansion, style, avgDown, convCfg, normCfg, groups },
      midChannels: plan.width * 2 ** i,
      seRatio: options.seRatio,
      stride: plan.strides[i]!,
      dilation: plan.dilations[i]!,
      dropPathRates: rates.splice(0, blocks),
    });
    inChannels = channels;
    return stage;
  });
}

export const resnetEntry = entry(ResNet, {
  summary: 'Residual network.',
  paper: 'He, Zhang, Ren, Sun 2016, arXiv 1512.03385',
});
