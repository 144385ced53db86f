// From what a recorder holds to maps: convolutions give them, tokens of transformers are laid out again as the patches lay in the image,
// and weights of attention become what the class token looks at.
import { RetortError } from '../errors.ts';
import { showShape } from '../check.ts';
import { Tensor, tidy } from '../torch/index.ts';
import { featureMap } from './numbers.ts';
import type { FeatureMap, Size } from './numbers.ts';

/** How {@link mapsOf} reads a record. */
export interface MapOptions {
  /** `[height, width]` of what the network was given: how patches lie in it. */
  inputSize: Size;
  /** It holds weights of attention, `(N, heads, L, L)`. Default false. */
  attention?: boolean | undefined;
  /** What it is, for errors. */
  what: string;
}

/** How many tokens may stand in front of those of patches: for the class, for distillation, four registers. */
const prefixes = [0, 1, 2, 4, 5];

/**
 * The maps of a record of one image, one for each tensor in it (a network may give several stages as a list): `(1, C, H, W)`,
 * `(C, H, W)`, or tokens `(1, L, C)` of which those of patches are laid out as `(C, h, w)`. Weights of attention `(1, heads, L, L)` give a map
 * of each head: how much the first token (of the class) looks at each patch; where all tokens are patches, how much it is looked at on the mean.
 * @throws {RetortError} for a record that has no places, such as a vector, and for records of several images.
 */
export function mapsOf(record: unknown, options: MapOptions): FeatureMap[] {
  const list = Array.isArray(record) ? (record as unknown[]) : [record];
  if (list.length === 0) throw new RetortError(`${options.what}: expected a tensor, got an empty list`);
  return list.map((one, i) => {
    const what = list.length === 1 ? options.what : `${options.what}, part ${i}`;
    if (one instanceof Tensor) return tidy(() => mapOf(one, { ...options, what }));
    throw new RetortError(`${what}: expected a tensor, got ${one === null ? 'null' : typeof one}`, {
      help: 'say with dataIdx which part of the record is meant',
    });
  });
}

function mapOf(tensor: Tensor, { inputSize, attention = false, what }: MapOptions): FeatureMap {
  const { shape } = tensor;
  if (shape.length > 3 && shape[0] !== 1) {
    throw new RetortError(`${what}: expected a record of one image, got ${showShape(shape)}`, {
      help: attention
        ? 'attention within windows, as of Swin, has no one map of the image: record the output of a block'
        : 'record one image at a time',
    });
  }
  if (attention) return attentionMap(tensor, inputSize, what);
  if (shape.length === 4) return values(tensor.squeeze(0));
  // (1, L, C) are tokens where L is that of patches of the image; (C, H, W) a map without a batch
  const tokens = shape.length === 3 && shape[0] === 1 ? layoutOf(shape[1]!, inputSize) : undefined;
  if (tokens !== undefined) {
    const { prefix, size } = tokens;
    const patches = tensor.squeeze(0).narrow(0, prefix, size[0] * size[1]);
    return values(patches.transpose(0, 1).reshape([shape[2]!, ...size]));
  }
  const [first = 0, height = 0, width = 0] = shape;
  const isMap = first !== 1 || height * inputSize[1] === width * inputSize[0];
  if (shape.length === 3 && isMap) return values(tensor);
  throw new RetortError(`${what}: expected (1, C, H, W), or tokens (1, L, C), got ${showShape(shape)}`, {
    help: 'it has no height and width to draw: record what comes before pooling',
  });
}

function attentionMap(weights: Tensor, inputSize: Size, what: string): FeatureMap {
  const { shape } = weights;
  const [, heads = 0, queries = 0, keys = 0] = shape;
  const layout = shape.length === 4 && queries === keys ? layoutOf(keys, inputSize) : undefined;
  if (layout === undefined) {
    throw new RetortError(
      `${what}: attention: expected weights (1, heads, L, L) of L patches of the image, got ${showShape(shape)}`,
      { help: 'record what sees the weights, such as backbone.layers.11.attn.attn_drop' },
    );
  }
  const sums = weights.detach().to('float32').sum(-1);
  if (weights.lt(0).any().item() || sums.sub(1).abs().max().item() > 0.05) {
    throw new RetortError(
      `${what}: attention: expected weights of which each row sums up to 1, got rows that sum up to ${sums.min().item().toPrecision(3)} to ${sums.max().item().toPrecision(3)}`,
      { help: 'leave attention out for what is no softmax' },
    );
  }
  const { prefix, size } = layout;
  const seen = prefix > 0 ? weights.select(2, 0) : weights.mean(2); // (1, heads, L)
  return values(seen.narrow(2, prefix, size[0] * size[1]).reshape([heads, ...size]));
}

/** How many tokens stand before those of patches, and how these lie in an image: by its ratio of height to width. */
function layoutOf(tokens: number, [height, width]: Size): { prefix: number; size: Size } | undefined {
  for (const prefix of prefixes.filter((one) => one < tokens)) {
    const patches = tokens - prefix;
    const rows = Math.round(Math.sqrt((patches * height) / width));
    if (rows > 0 && patches % rows === 0 && rows * width === (patches / rows) * height) {
      return { prefix, size: [rows, patches / rows] };
    }
  }
  return undefined;
}

function values(map: Tensor): FeatureMap {
  const plain = map.detach().to({ device: 'cpu', dtype: 'float32' }).contiguous();
  return featureMap(Float32Array.from(plain.data() as Float32Array), plain.shape);
}
