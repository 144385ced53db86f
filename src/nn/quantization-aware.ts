// Training that knows of quantization: layers compute with weights and inputs rounded to the integers that they will be stored as, while
// gradients pass as if nothing was rounded. Jacob et al. 2018, arXiv 1712.05877.
import { z } from 'zod';

import { didYouMean, RetortError } from '../errors.ts';
import { checkOptions } from '../registry/index.ts';
import { callOperator, noGrad, ops, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Conv2d, Linear } from './layers/index.ts';
import { setWeightTransform } from './layers/weight-transform.ts';
import { Module } from './module.ts';
import { ModuleDict } from './containers.ts';
import { Buffer } from './parameter.ts';

/** Options of {@link QuantizationAware}. */
export const quantizationAwareOptions = z.strictObject({
  /** Bits of a weight: whole numbers from -(2^(bits-1) - 1) to 2^(bits-1) - 1, one scale for each output channel. Default 8. */
  weightBits: z.number().int().min(2).max(8).default(8),
  /** Bits of an input: 2^bits levels from the least to the greatest, one scale for all. Default 8. */
  activationBits: z.number().int().min(2).max(8).default(8),
  /** How much a batch's least and greatest input count in the running ones. Default 0.01. */
  momentum: z.number().positive().max(1).default(0.01),
  /** Paths of layers that stay as they are, such as the first and the last. Default: none. */
  exclude: z.array(z.string()).readonly().default([]),
});

export type QuantizationAwareOptions = z.input<typeof quantizationAwareOptions>;

/** The range of a layer's inputs, and the rounding to it. */
class InputQuantizer extends Module {
  /** The running least and greatest value, float32 scalars; both 0 before the first batch. */
  least = new Buffer(ops.zeros([]));
  greatest = new Buffer(ops.zeros([]));
  /** int64: batches seen. */
  batches = new Buffer(ops.zeros([], { dtype: 'int64' }));
  readonly #levels: number;
  readonly #momentum: number;

  constructor(bits: number, momentum: number) {
    super();
    this.#levels = 2 ** bits - 1;
    this.#momentum = momentum;
  }

  override runningStatistics(): readonly Tensor[] {
    return [this.least, this.greatest];
  }

  /** Any tensor, rounded to the levels of the running range; as it is before the first training batch. */
  override forward(given: Tensor): Tensor {
    const input = given.to('float32'); // inside autocast it may be of 16 bits, which cannot be rounded; the layer casts again
    if (this.training) this.#observe(input);
    const { least, greatest, batches } = this;
    // Ranges contain 0, so that it is exact (padding). Inputs that have only been 0 so far stay 0.
    const scale = greatest.sub(least).div(this.#levels).clampMin(1e-12);
    const zero = least.neg().div(scale).round().clamp(0, this.#levels).to('int32');
    const rounded = callOperator('fake_quantize_per_tensor_affine', [input, scale, zero, 0, this.#levels]) as Tensor;
    return this.training ? rounded : ops.where(batches.gt(0), rounded, input);
  }

  #observe(input: Tensor): void {
    noGrad(() =>
      tidy(() => {
        const [least, greatest] = [input.min().clampMax(0), input.max().clampMin(0)];
        // The first batch counts alone: `where` keeps the number on the device.
        const share = ops.where(this.batches.eq(0), 1, this.#momentum);
        this.least.add_(least.sub(this.least).mul(share));
        this.greatest.add_(greatest.sub(this.greatest).mul(share));
        this.batches.add_(1);
      }),
    );
  }
}

const attached = new WeakMap<Module, QuantizationAware>();

/** A network that another stage of training made compute in integers computes with floats again. */
export function floatAgain(network: Module): void {
  attached.get(network)?.detach();
  attached.delete(network);
}

/**
 * Makes the convolutions and linear layers of a network compute as they will when it is quantized to integers: static ranges of inputs,
 * one for each layer, weights by output channel. The network's own parameters stay floats, and its state dict what it was; ranges are
 * buffers of this module. Batch norms need not be folded first: the rounding of a channel's weights does not depend on its scale.
 *
 * @example
 * ```ts
 * const quantization = new QuantizationAware(student, { exclude: ['head.fc'] });
 * student.forward(images); // rounded; gradients pass
 * quantization.detach();   // the student computes with floats again
 * ```
 */
export class QuantizationAware extends Module {
  /** By the paths of their layers, with slashes for dots. */
  readonly quantizers: ModuleDict<InputQuantizer>;
  readonly #undo: (() => void)[] = [];

  /** @throws {RetortError} for a network without convolutions and linear layers, and excluded paths that it does not have. */
  constructor(network: Module, options: QuantizationAwareOptions = {}) {
    super();
    floatAgain(network);
    attached.set(network, this);
    const given = checkOptions(quantizationAwareOptions, options, 'quantizationAware');
    const { weightBits, activationBits, momentum, exclude } = given;
    const layers = [...network.namedModules()].filter(
      (one): one is [string, Conv2d | Linear] => one[1] instanceof Conv2d || one[1] instanceof Linear,
    );
    const paths = layers.map(([path]) => path);
    for (const path of exclude) {
      if (paths.includes(path)) continue;
      throw new RetortError(
        `quantizationAware: exclude: no convolution or linear layer "${path}"; ${didYouMean(path, paths)}`,
        {
          code: 'unknown-name',
        },
      );
    }
    const chosen = layers.filter(([path]) => !exclude.includes(path));
    if (chosen.length === 0) {
      throw new RetortError(
        `quantizationAware: expected a network with convolutions or linear layers, got ${network.constructor.name} with none that is not excluded`,
      );
    }
    const most = 2 ** (weightBits - 1) - 1;
    this.quantizers = new ModuleDict(
      Object.fromEntries(chosen.map(([path]) => [keyOf(path), new InputQuantizer(activationBits, momentum)])),
    );
    for (const [path, layer] of chosen) {
      const quantizer = this.quantizers.get(keyOf(path));
      const hook = layer.registerForwardPreHook((_, args) => {
        quantizer.training = layer.training;
        return [quantizer.forward(args[0] as Tensor), ...args.slice(1)];
      });
      setWeightTransform(layer, (weight) => roundedWeight(weight, most));
      this.#undo.push(() => {
        hook.remove();
        setWeightTransform(layer, undefined);
      });
    }
  }

  /** The network computes with floats again. */
  detach(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  /** Computes nothing itself. */
  override forward(): never {
    throw new RetortError('QuantizationAware: it is no network: call the network that it was made for', {
      code: 'unsupported',
    });
  }
}

/** `(out, ...)` rounded to `most` steps on each side of 0 by output channel. */
function roundedWeight(weight: Tensor, most: number): Tensor {
  const channels = weight.shape[0]!;
  const scale = noGrad(() => weight.detach().flatten(1).abs().amax([1]).div(most).clampMin(1e-12).to('float32'));
  const zero = ops.zeros([channels], { dtype: 'int32', device: weight.device });
  return callOperator('fake_quantize_per_channel_affine', [weight, scale, zero, 0, -most, most]) as Tensor;
}

/** The name of a layer's quantizer: names of modules have no dots. */
const keyOf = (path: string): string => (path === '' ? 'itself' : path.replaceAll('.', '/'));
