// A classifier of images: backbone, neck, head, under OpenMMLab's names.
import { didYouMean, RetortError } from '../../errors.ts';
import { Module, targetsOf } from '../../nn/index.ts';
import type {
  ForwardMode,
  GivenTargets,
  InitOption,
  LearnedBatch,
  LoadOptions,
  LoadReport,
  LossModel,
  Outputs,
} from '../../nn/index.ts';
import { Tensor, tidy } from '../../torch/index.ts';
import type { RandomBatchMixingOptions } from '../augments/index.ts';
import { initialize, isPretrained } from '../initial-weights.ts';
import type { Backbone, Feature, Head, Neck } from '../parts.ts';
import { ClsDataPreprocessor } from './cls-data-preprocessor.ts';
import type { ClsDataPreprocessorOptions } from './cls-data-preprocessor.ts';

/** What an {@link ImageClassifier} is made of. */
export interface ImageClassifierParts<O extends Outputs = Tensor> {
  backbone: Backbone;
  neck?: Neck | null;
  /** From features to scores, or to outputs of several levels. */
  head: Head<O>;
  /** A safetensors file of the whole network's state dict: short for `initCfg: { type: 'Pretrained', checkpoint }`. */
  pretrained?: string | null;
  /** How training batches are mixed: in place of the preprocessor's `batchAugments`. */
  trainCfg?: {
    augments?: RandomBatchMixingOptions['augments'] | undefined;
    probs?: RandomBatchMixingOptions['probs'] | undefined;
  } | null;
  /** What is done to images and batches. Default: nothing. */
  dataPreprocessor?: (ClsDataPreprocessorOptions & { type?: 'ClsDataPreprocessor' }) | null;
  /** Initial weights of all parts; what a part does to itself comes after, as in OpenMMLab. */
  initCfg?: InitOption;
}

const modes: readonly ForwardMode[] = ['loss', 'tensor', 'predict'];

/** How far features come: out of the backbone, of the neck, or before the head's last layer. */
export type FeatureStage = 'backbone' | 'neck' | 'pre_logits';

/**
 * Backbone, neck and head: images `(N, C, H, W)` to what the head gives, scores `(N, K)` as a rule.
 *
 * @example
 * ```ts
 * const net = buildModel({
 *   type: 'ImageClassifier',
 *   backbone: { type: 'ResNet_CIFAR', depth: 18 },
 *   neck: { type: 'GlobalAveragePooling' },
 *   head: { type: 'LinearClsHead', numClasses: 10, inChannels: 512 },
 * });
 * const scores = net.forward(randn([2, 3, 32, 32])); // (2, 10)
 * ```
 */
export class ImageClassifier<O extends Outputs = Tensor> extends Module implements LossModel<O> {
  backbone: Backbone;
  declare neck?: Neck;
  head: Head<O>;
  /** What it does to images itself, for a comparison with other networks; `''` for nothing. */
  readonly preprocessing: string;
  readonly #preprocessor: ClsDataPreprocessor | undefined;

  /** @throws {RetortError} for unknown initial weights, or a checkpoint that is not there. */
  constructor(parts: ImageClassifierParts<O>) {
    super();
    const { backbone, neck, head, pretrained, trainCfg, dataPreprocessor } = parts;
    this.backbone = backbone;
    if (neck !== undefined && neck !== null) this.neck = neck;
    this.head = head;
    const { type: _type, ...options } = dataPreprocessor ?? {};
    const { batchAugments: _mixing, ...ofImages } = options;
    this.preprocessing = Object.keys(ofImages).length === 0 ? '' : JSON.stringify(ofImages);
    const augments = trainCfg?.augments === undefined ? {} : { batchAugments: trainCfg as RandomBatchMixingOptions };
    const asked = { ...options, ...augments };
    if (Object.keys(asked).length > 0) this.#preprocessor = new ClsDataPreprocessor(asked);
    const initCfg: InitOption | undefined =
      typeof pretrained === 'string' ? { type: 'Pretrained', checkpoint: pretrained } : parts.initCfg;
    if (initCfg === undefined || initCfg === null) return;
    initialize(this, { initCfg, usual: null });
    if (!isPretrained(initCfg)) for (const part of [backbone, neck, head]) part?.initWeights?.();
  }

  /** Whether training batches are mixed. */
  get mixes(): boolean {
    return this.#preprocessor?.mixes === true;
  }

  /**
   * A training batch as the network is to learn from it: images mixed, where `trainCfg` or the preprocessor says so. In evaluation
   * mode, and where nothing is asked for, the batch as it is. The training loop calls it once, so that a teacher sees the same images.
   */
  preprocess<B extends LearnedBatch>(batch: B): B {
    if (!this.training || this.#preprocessor === undefined) return batch;
    return this.#preprocessor.augment(batch, this.head.numClasses);
  }

  /** Features of `(N, C, H, W)` images. @param stage default `'neck'` @throws {RetortError} for another stage. */
  extractFeat(inputs: Tensor, stage?: 'backbone' | 'neck'): readonly Feature[];
  extractFeat(inputs: Tensor, stage: FeatureStage): readonly Feature[] | Tensor;
  extractFeat(inputs: Tensor, stage: FeatureStage = 'neck'): readonly Feature[] | Tensor {
    const stages = ['backbone', 'neck', 'pre_logits'];
    if (!stages.includes(stage)) {
      throw new RetortError(`ImageClassifier.extractFeat: unknown stage "${stage}"; ${didYouMean(stage, stages)}`, {
        code: 'unknown-name',
      });
    }
    const maps = this.backbone.forward(this.#preprocessor?.normalize(inputs) ?? inputs);
    if (stage === 'backbone') return maps;
    const features = this.neck?.forward(maps) ?? maps;
    if (stage === 'neck') return features;
    if (this.head.preLogits !== undefined) return this.head.preLogits(features);
    throw new RetortError(`ImageClassifier.extractFeat: ${this.head.constructor.name} has no "pre_logits"`, {
      code: 'unsupported',
    });
  }

  /**
   * @param inputs images `(N, C, H, W)`
   * @param targets of mode `'loss'`: `labels` or `scores`, or a list of data samples
   * @param mode `'loss'`: losses by name; `'tensor'` (default): what the head gives; `'predict'`: probabilities
   * @throws {RetortError} for another mode, or no targets where losses are asked for.
   */
  override forward(inputs: Tensor, targets: GivenTargets, mode: 'loss'): Record<string, Tensor>;
  override forward(inputs: Tensor, targets?: GivenTargets, mode?: 'tensor' | 'predict'): O;
  override forward(inputs: Tensor, targets?: GivenTargets, mode: ForwardMode = 'tensor'): O | Record<string, Tensor> {
    if (!modes.includes(mode)) {
      throw new RetortError(
        `ImageClassifier.forward: unknown mode "${String(mode)}"; ${didYouMean(String(mode), modes)}`,
        { code: 'unknown-name' },
      );
    }
    if (mode === 'loss') {
      if (targets === undefined) {
        throw new RetortError(
          'ImageClassifier.forward: targets: expected labels or scores in mode "loss", got nothing',
        );
      }
      const packed = targetsOf(targets);
      if (packed.scores === undefined) this.#requireUnmixed();
      return this.head.loss(this.extractFeat(inputs), packed);
    }
    const outputs = this.head.forward(this.extractFeat(inputs));
    if (mode === 'tensor') return outputs;
    if (outputs instanceof Tensor) return outputs.softmax(1) as O;
    throw new RetortError(
      'ImageClassifier.forward: mode "predict" expects scores (N, K), and the head returns several tensors',
      {
        code: 'unsupported',
        help: 'call it in mode "tensor"',
      },
    );
  }

  /** Where batches are to be mixed it must have been done. */
  #requireUnmixed(): void {
    if (!this.training || !this.mixes) return;
    throw new RetortError('ImageClassifier.forward: targets: expected scores, as trainCfg mixes batches, got none', {
      help: 'pass batches through model.preprocess(batch) first, once for teacher and student',
    });
  }

  /** As every module's; the backbone may adapt what it knows how to, such as position embeddings of another resolution. */
  override loadStateDict(state: Readonly<Record<string, Tensor>>, options: LoadOptions = {}): LoadReport {
    const { backbone } = this;
    return tidy(() => super.loadStateDict(backbone.adaptState?.(state, 'backbone.') ?? state, options));
  }
}
