// Vision transformers under OpenMMLab's names: an image is a row of patches, with a class token before them.
import { RetortError } from '../../../errors.ts';
import { buildNorm, Dropout, Identity, init, ModuleList, Parameter } from '../../../nn/index.ts';
import type { Layer, LoadOptions, LoadReport, Module } from '../../../nn/index.ts';
import { checkOptions, entry } from '../../../registry/index.ts';
import { ops, tidy } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { initialize } from '../../initial-weights.ts';
import type { Feature } from '../../parts.ts';
import { addNorm } from '../layers.ts';
import { dropPathRates } from '../residual.ts';
import { FreezableBackbone } from '../training-mode.ts';
import { TransformerEncoderLayer } from './encoder-layer.ts';
import { sizeNamed, visionTransformerOptions } from './options.ts';
import type { VisionTransformerOptions } from './options.ts';
import { PatchEmbed } from './patch-embed.ts';
import type { Resolution } from './patch-embed.ts';
import { resizePositionEmbedding } from './position-embedding.ts';

/**
 * `(N, inChannels, H, W)` to `[patches (N, embedDims, h, w), clsToken (N, embedDims)]` for each of `outIndices`, or to the patches
 * alone without `outputClsToken`. Dosovitskiy et al. 2020, arXiv 2010.11929; sizes of DeiT: Touvron et al., arXiv 2012.12877.
 *
 * @example
 * ```ts
 * const backbone = new VisionTransformer({ arch: 'deit-tiny', imgSize: 32 });
 * const [features] = backbone.forward(randn([1, 3, 32, 32]));
 * ```
 */
export class VisionTransformer extends FreezableBackbone {
  static readonly schema = visionTransformerOptions;
  declare patch_embed: PatchEmbed;
  /** `(1, 1, embedDims)`, at first 0. */
  declare cls_token: Parameter;
  /** `(1, tokens before the patches + h w, embedDims)`. */
  declare pos_embed: Parameter;
  declare drop_after_pos: Dropout;
  declare layers: ModuleList<TransformerEncoderLayer>;
  declare pre_norm: Layer;
  readonly embedDims: number;
  readonly #options: VisionTransformerOptions;
  readonly #tokens: readonly Parameter[];
  readonly #outIndices: readonly number[];
  readonly #norm1: Layer | undefined;
  readonly #norm2: Layer | undefined;

  /**
   * @param tokenNames the tokens before the patches, as state dicts call them. Default `['cls_token']`.
   * @throws {RetortError} for an unknown `arch`, layers outside the network, or `outputClsToken` without `withClsToken`.
   */
  constructor(options: VisionTransformerOptions = {}, tokenNames: readonly string[] = ['cls_token']) {
    checkOptions(new.target.schema, options, new.target.name);
    super();
    const size = sizeNamed(options.arch ?? 'base');
    const { embedDims, numLayers } = size;
    const { imgSize = 224, patchSize = 16, inChannels = 3, dropRate = 0, preNorm = false } = options;
    const { normCfg = { type: 'LN', eps: 1e-6 }, withClsToken = true, outputClsToken = true } = options;
    if (outputClsToken && !withClsToken) {
      throw new RetortError(
        `${this.constructor.name}: outputClsToken: expected withClsToken: true beside it, got false`,
        {
          help: 'set outputClsToken: false',
        },
      );
    }
    this.#options = options;
    this.embedDims = embedDims;
    const { convType: _convType, ...patchCfg } = options.patchCfg ?? {};
    const usual = { inChannels, inputSize: imgSize, kernelSize: patchSize, stride: patchSize, bias: !preNorm };
    this.patch_embed = new PatchEmbed(embedDims, { ...usual, ...patchCfg });
    this.#tokens = tokenNames.map((name) => {
      const token = zeros([1, 1, embedDims]);
      Object.assign(this, { [name]: token });
      return token;
    });
    const [height, width] = this.patch_embed.initOutSize;
    this.pos_embed = zeros([1, tokenNames.length + height * width, embedDims]);
    this.drop_after_pos = new Dropout({ p: dropRate });
    this.#outIndices = layersNamed(this.constructor.name, options.outIndices ?? -1, numLayers);
    const rates = dropPathRates(options.dropPathRate ?? 0, numLayers);
    const { numHeads, feedforwardChannels } = size;
    const { qkvBias = true, layerCfgs = {} } = options;
    this.layers = new ModuleList(
      rates.map((dropPathRate, i) => {
        const shared = { numHeads, feedforwardChannels, dropRate, dropPathRate, qkvBias, normCfg };
        return new TransformerEncoderLayer(embedDims, {
          ...shared,
          ...(Array.isArray(layerCfgs) ? layerCfgs[i] : layerCfgs),
        });
      }),
    );
    this.pre_norm = preNorm ? buildNorm(normCfg, embedDims).layer : new Identity();
    this.#norm1 = options.finalNorm === false ? undefined : addNorm(this, normCfg, embedDims, 1);
    this.#norm2 = options.avgToken === true ? addNorm(this, normCfg, embedDims, 2) : undefined;
    this.keepStill(this.#frozenParts(options.frozenStages ?? -1));
    this.initWeights();
    this.train();
  }

  #frozenParts(stages: number): (Module | Parameter)[] {
    if (!Number.isInteger(stages) || stages > this.layers.length) {
      throw new RetortError(
        `${this.constructor.name}: frozenStages: expected at most ${this.layers.length}, got ${stages}`,
      );
    }
    if (stages <= 0) return [];
    const last = stages === this.layers.length && this.#norm1 !== undefined ? [this.#norm1] : [];
    const embeddings = [this.pos_embed, ...this.#tokens, this.patch_embed, this.drop_after_pos];
    return [...embeddings, ...[...this.layers].slice(0, stages), ...last];
  }

  /** `N(0, 0.02^2)`, cut at 2, for position embeddings and all tokens but the class token; Xavier for feed-forward networks. */
  initWeights(): void {
    const after = (): void => {
      for (const layer of this.layers) layer.ffn.initWeights();
      for (const embedding of [this.pos_embed, ...this.#tokens.slice(1)]) init.truncNormal_(embedding, { std: 0.02 });
    };
    initialize(this, { initCfg: this.#options.initCfg, usual: null, after });
  }

  /** A state dict whose position embeddings fit this network: those of another (square) resolution are interpolated. */
  adaptState(state: Readonly<Record<string, Tensor>>, prefix = ''): Record<string, Tensor> {
    const name = `${prefix}pos_embed`;
    const given = Object.hasOwn(state, name) ? state[name] : undefined;
    if (given === undefined || given.shape.join() === this.pos_embed.shape.join()) return { ...state };
    const side = Math.floor(Math.sqrt((given.shape[1] ?? 0) - this.#tokens.length));
    return { ...state, [name]: this.#resized(given, [side, side], this.patch_embed.initOutSize) };
  }

  /** As every module's; position embeddings of another resolution are interpolated. */
  override loadStateDict(state: Readonly<Record<string, Tensor>>, options: LoadOptions = {}): LoadReport {
    return tidy(() => super.loadStateDict(this.adaptState(state), options));
  }

  #resized(embedding: Tensor, from: Resolution, to: Resolution): Tensor {
    const mode = this.#options.interpolateMode ?? 'bicubic';
    return resizePositionEmbedding(embedding, { from, to, mode, extraTokens: this.#tokens.length });
  }

  override forward(input: Tensor): Feature[] {
    const [patches, resolution] = this.patch_embed.forward(input);
    const n = input.shape[0] ?? 0;
    const extra = this.#tokens.length;
    const withTokens = ops.cat([...this.#tokens.map((token) => token.expand([n, -1, -1])), patches], 1);
    const positions = this.#resized(this.pos_embed, this.patch_embed.initOutSize, resolution);
    let x = this.pre_norm.forward(this.drop_after_pos.forward(withTokens.add(positions)));
    const seen = this.#options.withClsToken !== false;
    if (!seen) x = x.narrow(1, extra, x.shape[1]! - extra);
    const outputs: Feature[] = [];
    for (const [i, layer] of [...this.layers].entries()) {
      x = layer.forward(x);
      if (i === this.layers.length - 1 && this.#norm1 !== undefined) x = this.#norm1.forward(x);
      if (this.#outIndices.includes(i)) outputs.push(this.#output(x, resolution, seen ? extra : 0));
    }
    return outputs;
  }

  /** Tokens `(N, extra + h w, C)` to what is returned. */
  #output(x: Tensor, [height, width]: Resolution, extra: number): Feature {
    const tokens = x.narrow(1, extra, height * width);
    const patches =
      this.#norm2 === undefined
        ? tokens.transpose(1, 2).reshape([x.shape[0]!, this.embedDims, height, width])
        : this.#norm2.forward(tokens.mean(1));
    if (this.#options.outputClsToken === false) return patches;
    return [patches, ...this.#tokens.map((_, i) => x.select(1, i))];
  }
}

function zeros(shape: readonly number[]): Parameter {
  return tidy(() => new Parameter(ops.zeros(shape)));
}

/** Layers counted from 0. @throws {RetortError} for one outside the network. */
function layersNamed(name: string, outIndices: number | readonly number[], numLayers: number): number[] {
  const given = typeof outIndices === 'number' ? [outIndices] : outIndices;
  const counted = given.map((i) => (i < 0 ? numLayers + i : i));
  if (counted.length > 0 && counted.every((i) => Number.isInteger(i) && i >= 0 && i < numLayers)) return counted;
  throw new RetortError(
    `${name}: outIndices: expected layers ${-numLayers} to ${numLayers - 1}, got [${given.join(', ')}]`,
  );
}

export const visionTransformerEntry = entry(VisionTransformer, {
  summary: 'Transformer on the patches of an image.',
  paper: 'Dosovitskiy et al. 2020, arXiv 2010.11929',
});
