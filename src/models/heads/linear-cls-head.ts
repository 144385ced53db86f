// A linear classifier with its loss.
import { RetortError } from '../../errors.ts';
import { init, Linear, Module } from '../../nn/index.ts';
import type { DataSample } from '../../nn/index.ts';
import { tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { CrossEntropyLoss } from './cross-entropy-loss.ts';
import type { CrossEntropyLossOptions } from './cross-entropy-loss.ts';

export interface LinearClsHeadOptions {
  numClasses: number;
  inChannels: number;
  loss?: CrossEntropyLossOptions;
}

export class LinearClsHead extends Module {
  fc: Linear;
  loss_module: CrossEntropyLoss;
  readonly numClasses: number;

  constructor({ numClasses, inChannels, loss }: LinearClsHeadOptions) {
    super();
    this.numClasses = numClasses;
    this.fc = new Linear(inChannels, numClasses);
    this.loss_module = new CrossEntropyLoss(loss);
    init.normal_(this.fc.weight, { std: 0.01 });
    if (this.fc.bias !== null) init.zeros_(this.fc.bias);
  }

  /** The last of the features, `(N, inChannels)`, to scores `(N, numClasses)`. */
  override forward(features: readonly Tensor[]): Tensor {
    return this.fc.forward(features.at(-1)!);
  }

  /** Losses by name. @throws {RetortError} when a label is no class, naming the sample. */
  loss(features: readonly Tensor[], dataSamples: readonly DataSample[]): Record<string, Tensor> {
    const scores = this.forward(features);
    return { loss: this.loss_module.forward(scores, this.#labels(dataSamples, scores.shape[0]!)) };
  }

  #labels(dataSamples: readonly DataSample[], images: number): Tensor {
    if (dataSamples.length !== images) {
      throw new RetortError(`LinearClsHead: there are ${images} images and ${dataSamples.length} data samples`);
    }
    const labels = dataSamples.map(({ gtLabel }, i) => {
      if (Number.isInteger(gtLabel) && gtLabel >= 0 && gtLabel < this.numClasses) return BigInt(gtLabel);
      throw new RetortError(
        `LinearClsHead: sample ${i} of the batch has gtLabel ${gtLabel}, classes are 0 to ${this.numClasses - 1}`,
        {
          help: 'set numClasses to the number of classes of the data set',
        },
      );
    });
    return tensor(BigInt64Array.from(labels));
  }
}
