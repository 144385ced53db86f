// DenseNet under OpenMMLab's names: `stem`, `stages.0.block.0`, ..., `transitions`; the last transition is a norm and an activation.
import { z } from 'zod';

import { AvgPool2d, buildActivation, buildConv, buildNorm, MaxPool2d, ModuleList, Sequential } from '../../nn/index.ts';
import type { ActivationConfig, Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { initialize } from '../initial-weights.ts';
import { actCfg, count, counts, flag, index, indices } from '../schema.ts';
import { archNamed, backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { DenseBlock } from './dense-block.ts';
import { checkOutIndices, FreezableBackbone, frozenParts } from './training-mode.ts';

/** The numbers of a DenseNet. */
export interface DenseNetArch {
  /** Channels that each layer adds. */
  growthRate: number;
  /** Layers of each stage. */
  depths: readonly number[];
  /** Channels after the stem. */
  initChannels: number;
}

/** Options of {@link DenseNet}. */
export interface DenseNetOptions extends BackboneOptions {
  /** `'121'`, `'161'`, `'169'`, `'201'`, or numbers of your own. Default `'121'`. */
  arch?: string | DenseNetArch;
  /** Default 3. */
  inChannels?: number;
  /** Channels inside a layer as a multiple of `growthRate`. Default 4. */
  bnSize?: number;
  /** Chance of each number that a layer adds to be dropped in training. Default 0. */
  dropRate?: number;
  /** Channels that a transition leaves, as a share of those that come in. Default 0.5. */
  compressionFactor?: number;
  /** Taken for OpenMMLab's configs and without effect: it trades time for memory and changes no result. */
  memoryEfficient?: boolean;
  /** Which stages' outputs are returned, counted from 0 or, negative, from the end: one, or a list. Default -1. */
  outIndices?: number | readonly number[];
  /** Default `{ type: 'ReLU' }`. */
  actCfg?: ActivationConfig;
}

const archs: Readonly<Record<string, DenseNetArch>> = {
  121: { growthRate: 32, depths: [6, 12, 24, 16], initChannels: 64 },
  161: { growthRate: 48, depths: [6, 12, 36, 24], initChannels: 96 },
  169: { growthRate: 32, depths: [6, 12, 32, 32], initChannels: 64 },
  201: { growthRate: 32, depths: [6, 12, 48, 32], initChannels: 64 },
};

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. A stage's output comes behind its transition, so all but the
 * last have half the height and width of the stage. Huang, Liu, van der Maaten, Weinberger 2017, arXiv 1608.06993.
 *
 * @example
 * ```ts
 * const backbone = new DenseNet({ arch: '121' });
 * const [map] = backbone.forward(randn([2, 3, 64, 64])); // (2, 1024, 2, 2)
 * ```
 */
export class DenseNet extends FreezableBackbone {
  static readonly schema = z.strictObject({
    arch: z
      .union([z.string(), z.strictObject({ growthRate: count, depths: counts, initChannels: count })])
      .exactOptional(),
    inChannels: count.exactOptional(),
    bnSize: count.exactOptional(),
    dropRate: z.number().min(0).lt(1).exactOptional(),
    compressionFactor: z.number().positive().max(1).exactOptional(),
    memoryEfficient: flag.exactOptional(),
    actCfg: actCfg.exactOptional(),
    ...backboneOptions,
    outIndices: z.union([index, indices]).exactOptional(),
  });
  stem: Sequential;
  stages: ModuleList;
  transitions: ModuleList;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: DenseNetOptions;
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for an unknown `arch`, or stages outside the network. */
  constructor(options: DenseNetOptions = {}) {
    checkOptions(DenseNet.schema, options, new.target.name);
    super();
    this.#options = options;
    const { growthRate, depths, initChannels } = archOf(options.arch ?? '121');
    const { inChannels = 3, bnSize = 4, dropRate = 0, compressionFactor = 0.5, convCfg = null } = options;
    const { normCfg = { type: 'BN' }, actCfg = { type: 'ReLU' }, outIndices = -1 } = options;
    this.#outIndices = [outIndices].flat().map((i) => (i < 0 ? depths.length + i : i));
    checkOutIndices('DenseNet', this.#outIndices, depths.length - 1);
    const norm = (width: number): Layer => buildNorm(normCfg, width).layer;
    const act = (): Layer => buildActivation(actCfg);
    this.stem = new Sequential(
      buildConv([inChannels, initChannels], { kernelSize: 7, stride: 2, padding: 3, bias: false }, convCfg),
      norm(initChannels),
      act(),
      new MaxPool2d(3, { stride: 2, padding: 1 }),
    );
    const widths: number[] = [];
    const [stages, transitions]: [Layer[], Layer[]] = [[], []];
    let channels = initChannels;
    for (const [i, layers] of depths.entries()) {
      stages.push(new DenseBlock(channels, layers, { growthRate, bnSize, dropRate, convCfg, normCfg, actCfg }));
      channels += layers * growthRate;
      if (i === depths.length - 1) transitions.push(new Sequential(norm(channels), act()));
      else {
        const fewer = Math.floor(channels * compressionFactor);
        const conv = buildConv([channels, fewer], { kernelSize: 1, bias: false }, convCfg);
        transitions.push(new Sequential({ norm: norm(channels), act: act(), conv, pool: new AvgPool2d(2) }));
        channels = fewer;
      }
      widths.push(channels);
    }
    this.stages = new ModuleList(stages);
    this.transitions = new ModuleList(transitions);
    this.outChannels = this.#outIndices.map((i) => widths[i]!);
    const parts = stages.map((stage, i) => [stage, transitions[i]!]);
    this.keepStill(
      frozenParts('DenseNet', options.frozenStages ?? -1, [[this.stem as Layer]], parts).flat(),
      options.normEval,
    );
    this.initWeights();
    this.train();
  }

  /** As layers begin. */
  initWeights(): void {
    initialize(this, { initCfg: this.#options.initCfg, usual: null });
  }

  override forward(input: Tensor): Tensor[] {
    const outputs: Tensor[] = [];
    let x = this.stem.forward(input);
    for (const [i, stage] of [...this.stages].entries()) {
      x = this.transitions.get(i).forward(stage.forward(x));
      if (this.#outIndices.includes(i)) outputs.push(x);
    }
    return outputs;
  }
}

function archOf(arch: string | DenseNetArch): DenseNetArch {
  if (typeof arch !== 'string') return arch;
  return archNamed('DenseNet', archs, arch);
}

export const denseNetEntry = entry(DenseNet, {
  summary: 'Every layer sees what all layers before it gave.',
  paper: 'Huang et al. 2017, arXiv 1608.06993',
});
