// The numbers of a picture of a feature map: what becomes of its channels, which come first, how it is enlarged, cropped and scaled.
// Plain arrays, no tensors and no colors.
import { showShape } from '../check.ts';
import { RetortError } from '../errors.ts';

/** What a network computes of one image: `shape` is `(C, H, W)`, `data` row by row. */
export interface FeatureMap {
  readonly data: Float32Array;
  readonly shape: readonly [channels: number, height: number, width: number];
}

/** One value for each place. */
export interface Plane {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** `[height, width]`. */
export type Size = readonly [height: number, width: number];

/** The lowest and the highest value. */
export type Range = readonly [low: number, high: number];

/** The ways from many channels to one, under MMRazor's names. */
export const channelReductions = ['squeeze_mean', 'select_max', 'pixel_wise_max'] as const;
/** See {@link reduceChannels}. */
export type ChannelReduction = (typeof channelReductions)[number];

/** A map of these values. @throws {RetortError} where they are not as many as the shape says. */
export function featureMap(data: Float32Array, shape: readonly number[]): FeatureMap {
  const sizes = shape.length === 3 && shape.every((size) => Number.isInteger(size) && size > 0);
  if (sizes && data.length === shape.reduce((product, size) => product * size, 1)) {
    return { data, shape: shape as FeatureMap['shape'] };
  }
  throw new RetortError(
    `featureMap: shape: expected (C, H, W) of ${data.length} values, none of them 0, got ${showShape(shape)}`,
  );
}

/** One channel of a map. */
export function channelOf({ data, shape: [channels, height, width] }: FeatureMap, channel: number): Plane {
  if (!Number.isInteger(channel) || channel < 0 || channel >= channels) {
    throw new RetortError(`channelOf: channel: expected one of 0 to ${channels - 1}, got ${channel}`);
  }
  const size = height * width;
  return { data: data.subarray(channel * size, (channel + 1) * size), height, width };
}

/**
 * One channel of many: `squeeze_mean` is their mean at each place, `pixel_wise_max` the highest of them at each place, `select_max` the
 * one whose sum over all places is the highest.
 */
export function reduceChannels(map: FeatureMap, how: ChannelReduction): Plane {
  const [channels, height, width] = map.shape;
  if (how === 'select_max') return channelOf(map, topChannels(map, 1)[0]!);
  const size = height * width;
  const data = new Float32Array(size);
  for (let place = 0; place < size; place++) {
    let [sum, most] = [0, -Infinity];
    for (let channel = 0; channel < channels; channel++) {
      const value = map.data[channel * size + place]!;
      sum += value;
      most = value > most || Number.isNaN(value) ? value : most;
    }
    data[place] = how === 'squeeze_mean' ? sum / channels : most;
  }
  return { data, height, width };
}

/** The `count` channels whose sums over all places are the highest, the highest first; of equal ones the one that comes first. */
export function topChannels(map: FeatureMap, count: number): number[] {
  const sums = Array.from({ length: map.shape[0] }, (_, channel) =>
    channelOf(map, channel).data.reduce((sum, value) => sum + value, 0),
  );
  return [...sums.keys()].sort((a, b) => sums[b]! - sums[a]! || a - b).slice(0, count);
}

/** Each channel with mean 0 and standard deviation 1 (of n - 1) over its places; one that is the same everywhere becomes 0. */
export function standardized(map: FeatureMap): FeatureMap {
  const [channels, height, width] = map.shape;
  const size = height * width;
  const data = new Float32Array(map.data.length);
  for (let channel = 0; channel < channels; channel++) {
    const values = map.data.subarray(channel * size, (channel + 1) * size);
    const mean = values.reduce((sum, value) => sum + value, 0) / size;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const deviation = Math.sqrt(squares / Math.max(1, size - 1));
    for (let i = 0; i < size; i++) data[channel * size + i] = (values[i]! - mean) / (deviation === 0 ? 1 : deviation);
  }
  return { data, shape: map.shape };
}

/** `|a - b|` at each place of each channel. @throws {RetortError} `mismatch` for maps of different shapes. */
export function difference(a: FeatureMap, b: FeatureMap): FeatureMap {
  if (a.shape.join() !== b.shape.join()) {
    throw new RetortError(
      `difference: expected two maps of one shape, got ${showShape(a.shape)} and ${showShape(b.shape)}`,
      { code: 'mismatch', help: 'send one of them through a connector that brings it to the shape of the other' },
    );
  }
  return { data: a.data.map((value, i) => Math.abs(value - b.data[i]!)), shape: a.shape };
}

/**
 * The part of a map that belongs to an image, where the network saw the image padded below or at the right: the upper left part that has the
 * image's ratio of height to width. A map of that ratio is returned as it is.
 */
export function croppedTo(map: FeatureMap, [imageHeight, imageWidth]: Size): FeatureMap {
  const [channels, height, width] = map.shape;
  const tall = height / width > imageHeight / imageWidth;
  const rows = tall ? Math.max(1, Math.min(height, Math.round((width * imageHeight) / imageWidth))) : height;
  const columns = tall ? width : Math.max(1, Math.min(width, Math.round((height * imageWidth) / imageHeight)));
  if (rows === height && columns === width) return map;
  const data = new Float32Array(channels * rows * columns);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < rows; y++) {
      const start = (channel * height + y) * width;
      data.set(map.data.subarray(start, start + columns), (channel * rows + y) * columns);
    }
  }
  return { data, shape: [channels, rows, columns] };
}

/** A plane of another size, interpolated bilinearly; the outer edges lie on each other, as in `functional.interpolate` without `alignCorners`. */
export function resized(plane: Plane, [height, width]: Size): Plane {
  if (plane.height === height && plane.width === width) return plane;
  const [rows, columns] = [steps(plane.height, height), steps(plane.width, width)];
  const data = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const row = rows[y]!;
    const [above, below] = [row.first * plane.width, row.second * plane.width];
    for (let x = 0; x < width; x++) {
      const { first, second, share } = columns[x]!;
      const upper = plane.data[above + first]! * (1 - share) + plane.data[above + second]! * share;
      const lower = plane.data[below + first]! * (1 - share) + plane.data[below + second]! * share;
      data[y * width + x] = upper * (1 - row.share) + lower * row.share;
    }
  }
  return { data, height, width };
}

/** Between which two of `from` each of `to` lies, and how far towards the second. */
function steps(from: number, to: number): { first: number; second: number; share: number }[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const first = Math.min(Math.floor(at), from - 1);
    return { first, second: Math.min(first + 1, from - 1), share: at - Math.floor(at) };
  });
}

/** The lowest and the highest value of all planes. @throws {RetortError} `not-finite` where one is NaN or infinite. */
export function rangeOf(planes: readonly Plane[]): Range {
  let [low, high] = [Infinity, -Infinity];
  for (const { data } of planes) {
    for (const value of data) {
      if (!Number.isFinite(value)) {
        throw new RetortError(`the feature map has a value that is ${value}, which has no color`, {
          code: 'not-finite',
          help: 'the network computes it: look at what comes before, one layer after the other',
        });
      }
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

/** Values as shares of a range, 0 to 1; what lies outside is at its ends. Where the range is one value all are 0. */
export function shares({ data }: Plane, [low, high]: Range): Float32Array {
  const span = high - low;
  return data.map((value) => (span > 0 ? Math.min(1, Math.max(0, (value - low) / span)) : 0));
}

/** About so many pixels a picture has at least at its longer side, and a tile of a grid. */
const [pictureSide, tileSide] = [224, 96];

/** A size in which small things can be seen: so many times their own, a whole number. */
export function comfortable(of: Plane | FeatureMap | { height: number; width: number }, isTile: boolean): Size {
  const [height, width] = 'shape' in of ? (of.shape.slice(1) as [number, number]) : [of.height, of.width];
  const times = Math.max(1, Math.round((isTile ? tileSide : pictureSide) / Math.max(height, width)));
  return [height * times, width * times];
}
