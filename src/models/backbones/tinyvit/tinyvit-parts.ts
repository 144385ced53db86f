// The parts of TinyViT: convolutions with their norms, the convolutional blocks of the first stage, attention in windows.
import { RetortError } from '../../../errors.ts';
import {
  BatchNorm2d,
  Buffer,
  buildActivation,
  Conv2d,
  Dropout,
  functional,
  init,
  LayerNorm,
  Linear,
  Module,
  Parameter,
} from '../../../nn/index.ts';
import type { ActivationConfig, Conv2dOptions, Layer } from '../../../nn/index.ts';
import { ops, tensor, tidy } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { dropPath } from '../residual.ts';

type Geometry = Partial<Pick<Conv2dOptions, 'stride' | 'groups'>> & { kernelSize?: number };

/** A convolution without bias and its batch norm. */
export class ConvBN2d extends Module {
  conv2d: Conv2d;
  bn2d: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, { kernelSize = 1, ...rest }: Geometry = {}) {
    super();
    const padding = Math.floor(kernelSize / 2);
    this.conv2d = new Conv2d(inChannels, outChannels, { kernelSize, padding, bias: false, ...rest });
    this.bn2d = new BatchNorm2d(outChannels);
  }

  override forward(input: Tensor): Tensor {
    return this.bn2d.forward(this.conv2d.forward(input));
  }
}

/** `conv3(act(depthwise(act(conv1(x)))))`: the three convolutions of a block and of what stands between stages. */
class Bottle extends Module {
  conv1: ConvBN2d;
  conv2: ConvBN2d;
  conv3: ConvBN2d;
  act: Layer;

  constructor(channels: readonly [from: number, inside: number, to: number], stride: number, act: ActivationConfig) {
    super();
    const [from, inside, to] = channels;
    this.act = buildActivation(act);
    this.conv1 = new ConvBN2d(from, inside);
    this.conv2 = new ConvBN2d(inside, inside, { kernelSize: 3, stride, groups: inside });
    this.conv3 = new ConvBN2d(inside, to);
  }

  override forward(input: Tensor): Tensor {
    const inside = this.act.forward(this.conv2.forward(this.act.forward(this.conv1.forward(input))));
    return this.conv3.forward(inside);
  }
}

/** What halves the map between two stages: `(N, inChannels, H, W)` to `(N, outChannels, H / 2, W / 2)`. */
export class TinyViTMerging extends Bottle {
  constructor(inChannels: number, outChannels: number, act: ActivationConfig) {
    super([inChannels, outChannels, outChannels], 2, act);
  }
}

/** `act(x + bottle(x))`, with a depthwise convolution inside: `(N, C, H, W)` to the same shape. */
export class MBConvBlock extends Bottle {
  drop_path: Layer;

  constructor(channels: number, options: { expandRatio: number; dropPathRate: number; actCfg: ActivationConfig }) {
    super([channels, Math.floor(channels * options.expandRatio), channels], 1, options.actCfg);
    init.zeros_(this.conv3.bn2d.weight!);
    this.drop_path = dropPath(options.dropPathRate);
  }

  override forward(input: Tensor): Tensor {
    return this.act.forward(input.add(this.drop_path.forward(super.forward(input))));
  }
}

/**
 * `proj(softmax(q k^T / sqrt(d) + B) v)` of the normed input: `(windows, L, C)` to the same shape, where `B` is a learned bias for each
 * pair of distances, whatever their direction. Graham et al. 2021, arXiv 2104.01136.
 */
class LeAttention extends Module {
  norm: LayerNorm;
  qkv: Linear;
  proj: Linear;
  /** `(numHeads, L)`: for each pair of distances, rows first. */
  attention_biases: Parameter;
  /** `(L, L)`, int64: the bias of each pair of places. */
  attention_bias_idxs: Buffer;
  readonly #numHeads: number;

  constructor(channels: number, numHeads: number, windowSize: number) {
    super();
    if (channels % numHeads !== 0) {
      throw new RetortError(`TinyViT: numHeads: expected a divisor of ${channels} channels, got ${numHeads}`);
    }
    this.#numHeads = numHeads;
    this.norm = new LayerNorm(channels);
    this.qkv = new Linear(channels, 3 * channels);
    this.proj = new Linear(channels, channels);
    this.attention_biases = tidy(() => new Parameter(ops.zeros([numHeads, windowSize ** 2])));
    const places = windowSize ** 2;
    this.attention_bias_idxs = tidy(() => {
      return new Buffer(tensor(distancesIn(windowSize), { shape: [places, places] }), { persistent: false });
    });
  }

  override forward(input: Tensor): Tensor {
    const [n = 0, places = 0, channels = 0] = input.shape;
    const heads = this.#numHeads;
    const size = channels / heads;
    const qkv = this.qkv
      .forward(this.norm.forward(input))
      .reshape([n, places, heads, 3, size])
      .permute([3, 0, 2, 1, 4]);
    const [q, k, v] = qkv.unbind(0); // (windows, heads, L, d) each
    const biases = this.attention_biases.indexSelect(1, this.attention_bias_idxs.reshape([-1]));
    const weights = q!
      .mul(size ** -0.5)
      .matmul(k!.transpose(-2, -1))
      .add(biases.reshape([heads, places, places]));
    return this.proj.forward(weights.softmax(-1).matmul(v!).transpose(1, 2).reshape([n, places, channels]));
  }
}

/** For each pair of places in a window, row by row, the number of their two distances, in the order in which the first place meets them. */
function distancesIn(windowSize: number): BigInt64Array {
  const places = windowSize ** 2;
  return BigInt64Array.from({ length: places ** 2 }, (_, pair) => {
    const [one, other] = [Math.floor(pair / places), pair % places];
    const down = Math.abs(Math.floor(one / windowSize) - Math.floor(other / windowSize));
    const right = Math.abs((one % windowSize) - (other % windowSize));
    return BigInt(down * windowSize + right);
  });
}

/** `fc2(act(fc1(norm(x))))`: `(N, L, C)` to the same shape. */
class MLP extends Module {
  norm: LayerNorm;
  fc1: Linear;
  fc2: Linear;
  act: Layer;
  drop: Dropout;

  constructor(channels: number, hidden: number, { dropRate, actCfg }: { dropRate: number; actCfg: ActivationConfig }) {
    super();
    this.norm = new LayerNorm(channels);
    this.fc1 = new Linear(channels, hidden);
    this.fc2 = new Linear(hidden, channels);
    this.act = buildActivation(actCfg);
    this.drop = new Dropout({ p: dropRate });
  }

  override forward(input: Tensor): Tensor {
    const hidden = this.act.forward(this.fc1.forward(this.norm.forward(input)));
    return this.drop.forward(this.fc2.forward(this.drop.forward(hidden)));
  }
}

/** Options of {@link TinyViTBlock}. */
export interface TinyViTBlockOptions {
  numHeads: number;
  windowSize: number;
  mlpRatio: number;
  dropRate: number;
  dropPathRate: number;
  localConvSize: number;
  actCfg: ActivationConfig;
}

/** Attention within windows, a depthwise convolution, a feed-forward network: `(N, C, H, W)` to the same shape. */
export class TinyViTBlock extends Module {
  drop_path: Layer;
  attn: LeAttention;
  mlp: MLP;
  local_conv: ConvBN2d;
  readonly #windowSize: number;

  constructor(channels: number, options: TinyViTBlockOptions) {
    super();
    const { numHeads, windowSize, localConvSize } = options;
    this.#windowSize = windowSize;
    this.drop_path = dropPath(options.dropPathRate);
    this.attn = new LeAttention(channels, numHeads, windowSize);
    this.mlp = new MLP(channels, Math.floor(channels * options.mlpRatio), options);
    this.local_conv = new ConvBN2d(channels, channels, { kernelSize: localConvSize, groups: channels });
  }

  override forward(input: Tensor): Tensor {
    const [n = 0, channels = 0, height = 0, width = 0] = input.shape;
    const mixed = this.local_conv.forward(input.add(this.drop_path.forward(this.#attended(input))));
    const tokens = mixed.flatten(2).transpose(1, 2);
    const x = tokens.add(this.drop_path.forward(this.mlp.forward(tokens)));
    return x.transpose(1, 2).reshape([n, channels, height, width]);
  }

  /** Attention in windows; maps are padded with zeros to whole ones, which are seen like the rest. */
  #attended(input: Tensor): Tensor {
    const [n = 0, channels = 0, height = 0, width = 0] = input.shape;
    const size = this.#windowSize;
    const [below, right] = [height, width].map((length) => (size - (length % size)) % size) as [number, number];
    const padded = below > 0 || right > 0 ? functional.pad(input, { pad: [0, right, 0, below] }) : input;
    const [rows, columns] = [(height + below) / size, (width + right) / size];
    const windows = padded
      .reshape([n, channels, rows, size, columns, size])
      .permute([0, 2, 4, 3, 5, 1])
      .reshape([n * rows * columns, size * size, channels]);
    const map = this.attn
      .forward(windows)
      .reshape([n, rows, columns, size, size, channels])
      .permute([0, 5, 1, 3, 2, 4])
      .reshape([n, channels, height + below, width + right]);
    return below > 0 || right > 0 ? map.narrow(2, 0, height).narrow(3, 0, width) : map;
  }
}
