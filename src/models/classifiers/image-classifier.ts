// A classifier of images: backbone, neck, head, under OpenMMLab's names.
import { didYouMean, RetortError } from '../../errors.ts';
import { Module } from '../../nn/index.ts';
import type { DataSample, ForwardMode, LossModel } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** Images to feature maps. */
export type Backbone = Module & { forward(input: Tensor): Tensor[] };
/** Feature maps to features. */
export type Neck = Module & { forward(input: readonly Tensor[]): Tensor[] };
/** Features to scores, and to losses. */
export type Head = Module & {
  forward(features: readonly Tensor[]): Tensor;
  loss(features: readonly Tensor[], dataSamples: readonly DataSample[]): Record<string, Tensor>;
};

export interface ImageClassifierParts {
  backbone: Backbone;
  neck?: Neck;
  head: Head;
}

const modes: readonly ForwardMode[] = ['loss', 'tensor', 'predict'];

export class ImageClassifier extends Module implements LossModel {
  backbone: Backbone;
  declare neck?: Neck;
  head: Head;

  constructor({ backbone, neck, head }: ImageClassifierParts) {
    super();
    this.backbone = backbone;
    if (neck !== undefined) this.neck = neck;
    this.head = head;
  }

  /** Features of `(N, C, H, W)` images, from backbone and neck. */
  extractFeat(inputs: Tensor): readonly Tensor[] {
    const maps = this.backbone.forward(inputs);
    return this.neck?.forward(maps) ?? maps;
  }

  override forward(inputs: Tensor, dataSamples: readonly DataSample[], mode: 'loss'): Record<string, Tensor>;
  override forward(inputs: Tensor, dataSamples?: readonly DataSample[], mode?: 'tensor' | 'predict'): Tensor;
  override forward(
    inputs: Tensor,
    dataSamples?: readonly DataSample[],
    mode: ForwardMode = 'tensor',
  ): Tensor | Record<string, Tensor> {
    if (!modes.includes(mode)) {
      throw new RetortError(
        `ImageClassifier.forward: "${String(mode)}" is no mode; ${didYouMean(String(mode), modes)}`,
      );
    }
    const features = this.extractFeat(inputs);
    if (mode === 'loss') {
      if (dataSamples === undefined) throw new RetortError('ImageClassifier.forward: mode "loss" needs dataSamples');
      return this.head.loss(features, dataSamples);
    }
    const scores = this.head.forward(features);
    return mode === 'tensor' ? scores : scores.softmax(1);
  }
}
