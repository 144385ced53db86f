// Squeeze and excitation: each channel is weighted by what the means of all channels say. One layer, in the names of OpenMMLab and of timm.
import { AdaptiveAvgPool2d, Conv2d, ConvModule, Module, ReLU, Sigmoid } from '../../nn/index.ts';
import type { ActivationConfig, Layer } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { makeDivisible } from './widths.ts';

/**
 * `x gates(x)`, the gates `(N, C, 1, 1)` being what the layers make of `x` one after the other, under the names they are given:
 * `(N, C, H, W)` to the same. Hu, Shen, Albanie, Sun, Wu 2018, arXiv 1709.01507.
 */
export class SqueezeExcitation extends Module {
  readonly #layers: readonly Layer[];

  constructor(layers: Readonly<Record<string, Layer>>) {
    super();
    Object.assign(this, layers);
    this.#layers = Object.values(layers);
  }

  override forward(input: Tensor): Tensor {
    let gates = input;
    for (const layer of this.#layers) gates = layer.forward(gates);
    return input.mul(gates);
  }
}

/** Options of {@link seLayer}. */
export interface SELayerOptions {
  /** The channels between both convolutions are `channels / ratio`, rounded. Default 16. */
  ratio?: number;
  /** What they are rounded to a multiple of. Default 8. */
  divisor?: number;
  /** After the first convolution, and after the second. Default ReLU and sigmoid. */
  actCfg?: readonly [ActivationConfig, ActivationConfig];
}

/** In OpenMMLab's names: `conv1.conv`, `conv2.conv`. */
export function seLayer(channels: number, options: SELayerOptions = {}): SqueezeExcitation {
  const { ratio = 16, divisor = 8, actCfg = [{ type: 'ReLU' }, { type: 'Sigmoid' }] } = options;
  const squeezed = makeDivisible(Math.floor(channels / ratio), divisor);
  return new SqueezeExcitation({
    global_avgpool: new AdaptiveAvgPool2d(1),
    conv1: new ConvModule(channels, squeezed, { kernelSize: 1, actCfg: actCfg[0] }),
    conv2: new ConvModule(squeezed, channels, { kernelSize: 1, actCfg: actCfg[1] }),
  });
}

/** In timm's names: `fc1`, `fc2`. @param squeezed channels between both. */
export function timmSE(channels: number, squeezed: number): SqueezeExcitation {
  return new SqueezeExcitation({
    avg: new AdaptiveAvgPool2d(1),
    fc1: new Conv2d(channels, squeezed, { kernelSize: 1 }),
    act: new ReLU(),
    fc2: new Conv2d(squeezed, channels, { kernelSize: 1 }),
    gate: new Sigmoid(),
  });
}
