// A feature map as a picture: its channels reduced to one, or the strongest of them in a grid, in colors, over the image if there is one.
import { z } from 'zod';

import { RetortError } from '../errors.ts';
import { checkOptions, count } from '../registry/index.ts';
import type { OptionsFrom } from '../registry/index.ts';
import { colored, enlarged, grid, numbered, overlaid, withScaleBar } from './colors.ts';
import type { Picture } from './colors.ts';
import {
  channelOf,
  channelReductions,
  croppedTo,
  rangeOf,
  reduceChannels,
  resized,
  shares,
  standardized,
  topChannels,
} from './numbers.ts';
import type { FeatureMap, Plane, Range, Size } from './numbers.ts';

const size = z.tuple([count, count]).readonly();

/** The options of a picture, as configs write them too. */
export const drawOptions = {
  /**
   * What becomes of the channels: `squeeze_mean` their mean, `pixel_wise_max` the highest at each place, `select_max` the one whose sum is
   * the highest; null: the `topk` strongest side by side. Default `squeeze_mean`.
   */
  channelReduction: z.enum(channelReductions).nullable().default('squeeze_mean'),
  /** How many channels a grid has, those with the highest sums; 0: all of a map of one or three channels, side by side. Default 20. */
  topk: z.int().min(0).default(20),
  /** `[rows, columns]` of the grid. Default `[4, 5]`. */
  arrangement: size.default([4, 5]),
  /** `[height, width]` of the picture, of each tile of a grid. Default: the image's, else the map's own. */
  resizeShape: size.nullable().default(null),
  /** How much of the colors there is over an image, 0 to 1. Default 0.5. */
  alpha: z.number().min(0).max(1).default(0.5),
  /** Bring each channel to mean 0 and standard deviation 1 first. Default false. */
  useNorm: z.boolean().default(false),
  /** `[low, high]`: the values of the first and the last color, so that several pictures can be compared. Default: those of the map. */
  range: z
    .tuple([z.number(), z.number()])
    .readonly()
    .refine(([low, high]) => low < high, 'expected [low, high], the lower one first')
    .nullable()
    .default(null),
  /** Draw the scale of colors at the right, with the values of its ends. Default true. */
  scaleBar: z.boolean().default(true),
};
/** Options of {@link drawFeatureMap}, but for the image. */
export interface DrawOptions extends OptionsFrom<typeof drawOptions> {}

const schema = z.strictObject(drawOptions).check(({ value, issues }) => {
  const mistake = arrangementMistake(value);
  if (mistake !== undefined)
    issues.push({ code: 'custom', path: ['arrangement'], input: value.arrangement, message: mistake });
});

/** What is wrong with the grid of options that are each right. */
export function arrangementMistake({
  channelReduction,
  topk,
  arrangement: [rows, columns],
}: {
  channelReduction: string | null;
  topk: number;
  arrangement: Size;
}): string | undefined {
  if (channelReduction !== null || rows * columns >= topk) return undefined;
  return `expected [rows, columns] with room for topk ${topk} channels, got ${rows} * ${columns} = ${rows * columns}`;
}

/** A picture, and what it shows. */
export interface DrawnMap extends Picture {
  /** The values of the first and the last color. */
  readonly range: Range;
  /** The channels of a grid in their order; of `select_max` the one that was selected; undefined where all count. */
  readonly channels: readonly number[] | undefined;
}

/**
 * Draws a feature map. Colors are those of viridis, of one scale for all tiles of a grid. Over an image of another ratio the map is cropped
 * as the network's input was padded: at the bottom or at the right; then it is interpolated to the image's size. A size of its own
 * (`resizeShape`) is that of map and image.
 * @param map `(C, H, W)`
 * @param image what lies under the colors
 * @throws {RetortError} for options that are none, a grid that is too small, and values that are not finite.
 * @example
 * ```ts
 * const map = featureMap(new Float32Array(64 * 7 * 7).fill(1), [64, 7, 7]);
 * const picture = drawFeatureMap(map, { channelReduction: null, topk: 4, arrangement: [2, 2], scaleBar: false }); // 14 x 14 pixels
 * ```
 */
export function drawFeatureMap(
  map: FeatureMap,
  { image, ...options }: DrawOptions & { image?: Picture | undefined } = {},
): DrawnMap {
  const chosen = checkOptions(schema, options, 'drawFeatureMap');
  const { channelReduction, arrangement, resizeShape, alpha } = chosen;
  const whole = chosen.useNorm ? standardized(map) : map;
  const cropped = image === undefined ? whole : croppedTo(whole, [image.height, image.width]);
  const target: Size =
    resizeShape ?? (image === undefined ? [cropped.shape[1], cropped.shape[2]] : [image.height, image.width]);
  const channels = channelsOf(cropped, chosen);
  const reduced: readonly Plane[] =
    channelReduction === null
      ? channels!.map((channel) => channelOf(cropped, channel))
      : [reduceChannels(cropped, channelReduction)];
  const planes = reduced.map((plane) => resized(plane, target));
  const found = rangeOf(planes);
  const range = chosen.range ?? found;
  const under = image === undefined ? undefined : enlarged(image, target);
  const tiles = planes.map((plane) => {
    const colors = colored(shares(plane, range), target);
    return under === undefined ? colors : overlaid(under, colors, alpha);
  });
  // A map that is an image itself, or few channels of one, stand in one row.
  const layout: Size = chosen.topk === 0 ? [1, tiles.length] : arrangement;
  const picture =
    channelReduction === null
      ? grid(
          tiles.map((tile, i) => numbered(tile, channels![i]!)),
          layout,
        )
      : tiles[0]!;
  return { ...(chosen.scaleBar ? withScaleBar(picture, range) : picture), range, channels };
}

function channelsOf(
  map: FeatureMap,
  { channelReduction, topk }: { channelReduction: string | null; topk: number },
): number[] | undefined {
  if (channelReduction === 'select_max') return topChannels(map, 1);
  if (channelReduction !== null) return undefined;
  if (topk > 0) return topChannels(map, topk);
  const [channels] = map.shape;
  if (channels === 1 || channels === 3) return Array.from({ length: channels }, (_, i) => i);
  throw new RetortError(`drawFeatureMap: topk: 0 shows a map of 1 or 3 channels, got one of ${channels}`, {
    help: 'set topk above 0, or a channelReduction',
  });
}
