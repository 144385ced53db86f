// Plain training on labels, without a teacher: the baseline that a distilled student is compared with.
import type { DataSample } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Algorithm, algorithmSchema } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';

export class Supervised extends Algorithm {
  static override readonly schema = algorithmSchema({});

  override loss(inputs: Tensor, dataSamples: readonly DataSample[]): LossRecord {
    return this.architecture.forward(inputs, dataSamples, 'loss');
  }
}
