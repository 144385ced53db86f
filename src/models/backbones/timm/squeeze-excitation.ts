// Squeeze and excitation: each channel is weighted by what the means of all channels say.
import { Conv2d, Module, ReLU } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';

/** `x sigmoid(fc2(relu(fc1(mean(x)))))`, the mean over positions: `(N, C, H, W)` to the same. Hu et al. 2018, arXiv 1709.01507. */
export class SqueezeExcitation extends Module {
  fc1: Conv2d;
  act = new ReLU();
  fc2: Conv2d;

  /** @param reduced channels between the two layers. */
  constructor(channels: number, reduced: number) {
    super();
    this.fc1 = new Conv2d(channels, reduced, { kernelSize: 1 });
    this.fc2 = new Conv2d(reduced, channels, { kernelSize: 1 });
  }

  override forward(input: Tensor): Tensor {
    const means = input.mean([2, 3], true); // (N, C, 1, 1)
    return input.mul(this.fc2.forward(this.act.forward(this.fc1.forward(means))).sigmoid());
  }
}
