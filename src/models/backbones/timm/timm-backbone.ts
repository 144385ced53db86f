// Backbones of timm by their names there, under `timm_model.`, as OpenMMLab wraps them.
import { z } from 'zod';

import { didYouMean, RetortError } from '../../../errors.ts';
import { Module } from '../../../nn/index.ts';
import type { InitOption } from '../../../nn/index.ts';
import { checkOptions, entry, pathTo } from '../../../registry/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { initialize } from '../../initial-weights.ts';
import { count, flag, initCfg, rate } from '../../schema.ts';
import { TimmRegNet } from './regnet.ts';
import { timmRegNets } from './regnet-sizes.ts';

/** Options of {@link TIMMBackbone}. */
export interface TIMMBackboneOptions {
  /** `'regnetx_002'` to `'regnetx_320'`, `'regnety_002'` to `'regnety_320'`. */
  modelName: string;
  /** Return the maps of stem and stages. Default false: the last one. */
  featuresOnly?: boolean;
  /** Needs `checkpointPath`: nothing is downloaded. Default false. */
  pretrained?: boolean;
  /** A safetensors file of the network's state dict, under timm's own names. Default none. */
  checkpointPath?: string;
  /** Default 3. */
  inChannels?: number;
  /** The last block's chance to be dropped (see `DropPath`); it grows evenly from 0. Default 0. */
  dropPathRate?: number;
  /** Initial weights, in place of the network's own way. */
  initCfg?: InitOption;
}

/**
 * `(N, inChannels, H, W)` to `[map]`, or with `featuresOnly` to the maps of stem and stages.
 * RegNet: Radosavovic et al. 2020, arXiv 2003.13678.
 *
 * @example
 * ```ts
 * const backbone = new TIMMBackbone({ modelName: 'regnety_002' });
 * const [map] = backbone.forward(randn([1, 3, 64, 64]));
 * ```
 */
export class TIMMBackbone extends Module {
  static readonly schema = z.strictObject({
    modelName: z.string(),
    featuresOnly: flag.exactOptional(),
    pretrained: flag.exactOptional(),
    checkpointPath: pathTo('checkpoint').exactOptional(),
    inChannels: count.exactOptional(),
    dropPathRate: rate.exactOptional(),
    initCfg: initCfg.exactOptional(),
  });
  timm_model: TimmRegNet;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: TIMMBackboneOptions;

  /** @throws {RetortError} for an unknown name, or weights that are not there. */
  constructor(options: TIMMBackboneOptions) {
    checkOptions(TIMMBackbone.schema, options, new.target.name);
    super();
    const { modelName, featuresOnly = false, inChannels = 3, dropPathRate = 0 } = options;
    if (!Object.hasOwn(timmRegNets, modelName)) {
      throw new RetortError(
        `TIMMBackbone: unknown modelName "${modelName}"; ${didYouMean(modelName, Object.keys(timmRegNets))}`,
        { code: 'unknown-name' },
      );
    }
    if (options.pretrained === true && (options.checkpointPath ?? '') === '') {
      throw new RetortError('TIMMBackbone: pretrained: weights are not downloaded', {
        code: 'unsupported',
        help: `save the state dict of timm's ${modelName} as safetensors and set checkpointPath, or load the whole network`,
      });
    }
    this.#options = options;
    const seRatio = modelName.startsWith('regnety') ? 0.25 : 0;
    this.timm_model = new TimmRegNet({ arch: timmRegNets[modelName]!, seRatio, inChannels, dropPathRate });
    this.outChannels = featuresOnly ? this.timm_model.outChannels : this.timm_model.outChannels.slice(-1);
    this.initWeights();
  }

  /** See `TimmRegNet.initWeights`; then the checkpoint, where there is one. */
  initWeights(): void {
    const { initCfg, checkpointPath: checkpoint = '' } = this.#options;
    initialize(this, { initCfg, usual: null, after: () => this.timm_model.initWeights() });
    if (checkpoint === '') return;
    initialize(this.timm_model, { initCfg: { type: 'Pretrained', checkpoint }, usual: null });
  }

  override forward(input: Tensor): Tensor[] {
    const maps = this.timm_model.forward(input);
    return this.#options.featuresOnly === true ? maps : maps.slice(-1);
  }
}

export const timmBackboneEntry = entry(TIMMBackbone, {
  summary: "timm's RegNets by name.",
  paper: 'Radosavovic et al. 2020, arXiv 2003.13678',
});
