// Self-attention within windows of a map, which every other block shifts by half a window.
import { RetortError } from '../../../errors.ts';
import { Buffer, Dropout, functional, Linear, Module, Parameter } from '../../../nn/index.ts';
import type { Layer } from '../../../nn/index.ts';
import { ops, tensor, tidy } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { dropPath } from '../residual.ts';
import type { Resolution } from '../vit/patch-embed.ts';

/** Options of {@link WindowMSA}. */
export interface WindowOptions {
  numHeads: number;
  windowSize: number;
}

/**
 * `proj(softmax(q k^T / sqrt(d) + B) v)` in each window: `(windows, L, C)` to the same shape, where `B` is a learned bias for each
 * distance between two places. Liu et al. 2021, arXiv 2103.14030.
 */
class WindowMSA extends Module {
  /** `((2 windowSize - 1)^2, numHeads)`. */
  relative_position_bias_table: Parameter;
  /** `(L, L)`, int64: the row of the table for each pair of places. */
  relative_position_index: Buffer;
  qkv: Linear;
  attn_drop = new Dropout({ p: 0 });
  proj: Linear;
  proj_drop = new Dropout({ p: 0 });
  readonly #numHeads: number;

  constructor(channels: number, { numHeads, windowSize }: WindowOptions) {
    super();
    if (channels % numHeads !== 0) {
      throw new RetortError(`SwinTransformer: numHeads: expected a divisor of ${channels} channels, got ${numHeads}`);
    }
    this.#numHeads = numHeads;
    const rows = (2 * windowSize - 1) ** 2;
    this.relative_position_bias_table = tidy(() => new Parameter(ops.zeros([rows, numHeads])));
    const places = windowSize ** 2;
    this.relative_position_index = tidy(() => {
      return new Buffer(tensor(rowsOfPairs(windowSize), { shape: [places, places] }), { required: false });
    });
    this.qkv = new Linear(channels, 3 * channels);
    this.proj = new Linear(channels, channels);
  }

  /** @param mask `(windows of an image, L, L)`, added to the weights; null where all places of a window see one another */
  override forward(input: Tensor, mask: Tensor | null): Tensor {
    const [n = 0, places = 0, channels = 0] = input.shape;
    const heads = this.#numHeads;
    const size = channels / heads;
    const qkv = this.qkv.forward(input).reshape([n, places, 3, heads, size]).permute([2, 0, 3, 1, 4]);
    const [q, k, v] = qkv.unbind(0); // (windows, heads, L, d) each
    const bias = this.relative_position_bias_table
      .indexSelect(0, this.relative_position_index.reshape([-1]))
      .reshape([places, places, heads])
      .permute([2, 0, 1]);
    let weights = q!
      .mul(size ** -0.5)
      .matmul(k!.transpose(-2, -1))
      .add(bias.unsqueeze(0));
    if (mask !== null) {
      const windows = mask.shape[0]!;
      weights = weights
        .reshape([n / windows, windows, heads, places, places])
        .add(mask.to(weights.dtype).unsqueeze(1).unsqueeze(0))
        .reshape([n, heads, places, places]);
    }
    const mixed = this.attn_drop.forward(weights.softmax(-1)).matmul(v!).transpose(1, 2).reshape([n, places, channels]);
    return this.proj_drop.forward(this.proj.forward(mixed));
  }
}

/** For each pair of places in a window, row by row, the row of the table for their distance. */
function rowsOfPairs(windowSize: number): BigInt64Array {
  const places = windowSize ** 2;
  const last = windowSize - 1;
  return BigInt64Array.from({ length: places ** 2 }, (_, pair) => {
    const [one, other] = [Math.floor(pair / places), pair % places];
    const down = Math.floor(one / windowSize) - Math.floor(other / windowSize) + last;
    const right = (one % windowSize) - (other % windowSize) + last;
    return BigInt(down * (2 * windowSize - 1) + right);
  });
}

/** Options of {@link ShiftWindowMSA}. */
export interface ShiftWindowOptions extends WindowOptions {
  /** Whether windows are moved by half their size. */
  shift: boolean;
  /** Pad maps that are smaller than a window, and shift there too. */
  padSmallMap: boolean;
  /** See `DropPath`. */
  dropPathRate: number;
}

/** Attention within windows of a map: tokens `(N, h w, C)` and their resolution to tokens of the same shape. */
export class ShiftWindowMSA extends Module {
  w_msa: WindowMSA;
  drop: Layer;
  readonly #options: ShiftWindowOptions;

  constructor(channels: number, options: ShiftWindowOptions) {
    super();
    this.#options = options;
    this.w_msa = new WindowMSA(channels, options);
    this.drop = dropPath(options.dropPathRate);
  }

  /** @throws {RetortError} for a map that is smaller than a window, without `padSmallMap`. */
  override forward(input: Tensor, [height, width]: Resolution): Tensor {
    const [n = 0, , channels = 0] = input.shape;
    const { windowSize: size } = this.#options;
    const shift = this.#shiftAt(height, width);
    const [below, right] = [height, width].map((length) => (size - (length % size)) % size) as [number, number];
    let map = input.reshape([n, height, width, channels]);
    if (below > 0 || right > 0) map = functional.pad(map, { pad: [0, 0, 0, right, 0, below] });
    if (shift > 0) map = map.roll([-shift, -shift], [1, 2]);
    const padded: Resolution = [height + below, width + right];
    const mask = shift > 0 ? maskOf(padded, size, shift).to({ device: input.device }) : null;
    map = together(this.w_msa.forward(windowsOf(map, size), mask), padded, size);
    if (shift > 0) map = map.roll([shift, shift], [1, 2]);
    if (below > 0 || right > 0) map = map.narrow(1, 0, height).narrow(2, 0, width);
    return this.drop.forward(map.reshape([n, height * width, channels]));
  }

  #shiftAt(height: number, width: number): number {
    const { windowSize, shift, padSmallMap } = this.#options;
    const smaller = Math.min(height, width);
    if (smaller < windowSize && !padSmallMap) {
      throw new RetortError(
        `SwinTransformer: input: expected maps of at least one window, ${windowSize} x ${windowSize}, in each stage, got ${height} x ${width}`,
        { help: 'set padSmallMap: true, a smaller windowSize, or give larger images' },
      );
    }
    if (!shift || (smaller === windowSize && !padSmallMap)) return 0;
    return Math.floor(windowSize / 2);
  }
}

/** `(N, H, W, C)` to `(N H W / size^2, size^2, C)`. */
function windowsOf(map: Tensor, size: number): Tensor {
  const [n = 0, height = 0, width = 0, channels = 0] = map.shape;
  return map
    .reshape([n, height / size, size, width / size, size, channels])
    .permute([0, 1, 3, 2, 4, 5])
    .reshape([-1, size * size, channels]);
}

/** What {@link windowsOf} took apart. */
function together(windows: Tensor, [height, width]: Resolution, size: number): Tensor {
  const channels = windows.shape[2]!;
  return windows
    .reshape([-1, height / size, width / size, size, size, channels])
    .permute([0, 1, 3, 2, 4, 5])
    .reshape([-1, height, width, channels]);
}

/** `(windows, L, L)`: -100 for places of a shifted window that were not beside one another, 0 for the rest. */
function maskOf([height, width]: Resolution, size: number, shift: number): Tensor {
  const region = (place: number, length: number): number =>
    place < length - size ? 0 : place < length - shift ? 1 : 2;
  const regions = Float32Array.from({ length: height * width }, (_, i) => {
    return 3 * region(Math.floor(i / width), height) + region(i % width, width);
  });
  const windows = windowsOf(tensor(regions, { shape: [1, height, width, 1] }), size).squeeze(2);
  return windows.unsqueeze(1).ne(windows.unsqueeze(2)).to('float32').mul(-100);
}
