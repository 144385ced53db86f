// The loss of a classification head, as a module of its own so that recorders can see what it is given.
import { functional, Module } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

export interface CrossEntropyLossOptions {
  /** Default 1. */
  lossWeight?: number;
  /** How much of each label is spread over all classes, 0 to 1. Default 0. */
  labelSmoothing?: number;
}

/** `lossWeight * mean_i(-log softmax(clsScore_i)[target_i])` */
export class CrossEntropyLoss extends Module {
  readonly lossWeight: number;
  readonly labelSmoothing: number;

  constructor({ lossWeight = 1, labelSmoothing = 0 }: CrossEntropyLossOptions = {}) {
    super();
    this.lossWeight = lossWeight;
    this.labelSmoothing = labelSmoothing;
  }

  /** @param clsScore `(N, K)` @param target int64 `(N)` */
  override forward(clsScore: Tensor, target: Tensor): Tensor {
    const loss = functional.crossEntropy(clsScore, target, { labelSmoothing: this.labelSmoothing });
    return this.lossWeight === 1 ? loss : loss.mul(this.lossWeight);
  }
}
