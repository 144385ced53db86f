// Resizing: `(N, C, L)`, `(N, C, H, W)` or `(N, C, D, H, W)` to another length, size or volume.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, count, rule } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { callOperator, ops } from '../../torch/index.ts';

const smooth = ['linear', 'bilinear', 'bicubic', 'trilinear'] as const;
const modes = ['nearest', 'nearest-exact', 'area', ...smooth] as const;
export type InterpolationMode = (typeof modes)[number];

const factor = z.number().positive();
/** The schema of {@link InterpolateOptions}, field by field, without `antialias`. */
const resizeShape = {
  /** Of the output, for all axes or for each. */
  size: z.union([count, z.array(count).readonly()]).exactOptional(),
  /** In place of `size`: `floor(scaleFactor H)`. */
  scaleFactor: z.union([factor, z.array(factor).readonly()]).exactOptional(),
  /** Default `'nearest'`; `'linear'` takes `(N, C, L)`, `'bilinear'` and `'bicubic'` `(N, C, H, W)`, `'trilinear'` `(N, C, D, H, W)`. */
  mode: z.enum(modes).default('nearest'),
  /** The corners' centers stay where they are; linear, bilinear, bicubic, trilinear only. Default false. */
  alignCorners: z.boolean().exactOptional(),
  /** Compute with the ratio of the (rounded) sizes, not with `scaleFactor` itself. Default false. */
  recomputeScaleFactor: z.boolean().exactOptional(),
};
const own = {
  /** Smooth before making smaller; bilinear and bicubic only. Default false. */
  antialias: z.boolean().exactOptional(),
};
/** How images are resized. */
export interface ResizeOptions extends OptionsFrom<typeof resizeShape> {}
export interface InterpolateOptions extends ResizeOptions, OptionsFrom<typeof own> {}

/** What belongs together. */
function ruled<S extends z.ZodType<InterpolateOptions>>(schema: S): S {
  const rules = [
    rule<InterpolateOptions>(
      'size',
      ({ size, scaleFactor }) => (size === undefined) !== (scaleFactor === undefined),
      ({ size }) => (size === undefined ? 'one of size and scaleFactor' : 'no scaleFactor beside it'),
    ),
    rule<InterpolateOptions>(
      'alignCorners',
      ({ alignCorners, mode }) => alignCorners === undefined || smooth.some((name) => name === mode),
      ({ mode }) => `one of the modes ${smooth.join(', ')} beside it, not "${mode}"`,
    ),
    rule<InterpolateOptions>(
      'antialias',
      ({ antialias = false, mode }) => !antialias || mode === 'bilinear' || mode === 'bicubic',
      ({ mode }) => `the mode bilinear or bicubic beside it, not "${mode}"`,
    ),
    rule<InterpolateOptions>(
      'recomputeScaleFactor',
      ({ recomputeScaleFactor = false, size }) => !recomputeScaleFactor || size === undefined,
      'scaleFactor beside it, not size',
    ),
  ];
  return schema.check(...(rules as z.core.CheckFn<z.output<S>>[]));
}

/** The schema of {@link InterpolateOptions}. */
export const interpolateSchema = ruled(z.strictObject({ ...resizeShape, ...own }));
/** The schema of {@link ResizeOptions}. */
export const resizeSchema = ruled(z.strictObject(resizeShape));

/**
 * Resizes to `size` or by `scaleFactor`.
 * @throws {RetortError} unless one of them is given; for a misspelled mode, one that does not take so many dimensions, or options that do
 * not belong to it.
 */
export function interpolate(input: Tensor, options: InterpolateOptions): Tensor {
  return interpolated(input, checkOptions(interpolateSchema, options, 'interpolate'));
}

/**
 * {@link interpolate} with options that were checked: a layer checks its own once, and not in each forward.
 * @internal
 */
export function interpolated(input: Tensor, options: z.output<typeof interpolateSchema>): Tensor {
  const { mode, alignCorners = false, antialias = false } = options;
  const shape = input.shape;
  const takes = dimensionsOf(mode);
  if (!takes.includes(shape.length)) {
    throw new RetortError(
      `interpolate: input: mode "${mode}" expects ${takes.map((n) => shapes[n]).join(' or ')}, got [${shape.join(', ')}]`,
    );
  }
  const axes = shape.length - 2;
  const [size, factors] = target(shape, options);
  switch (mode) {
    case 'nearest':
      return [ops.upsampleNearest1d, ops.upsampleNearest2d, ops.upsampleNearest3d][axes - 1]!(input, size, factors);
    case 'nearest-exact':
      return callOperator(`_upsample_nearest_exact${axes}d`, [input, size, factors]) as Tensor;
    case 'area':
      return [ops.adaptiveAvgPool1d, ops.adaptiveAvgPool2d, ops.adaptiveAvgPool3d][axes - 1]!(input, size!);
    case 'linear':
      return ops.upsampleLinear1d(input, size, alignCorners, factors);
    case 'trilinear':
      return ops.upsampleTrilinear3d(input, size, alignCorners, factors);
    default: {
      if (antialias) return callOperator(`_upsample_${mode}2d_aa`, [input, size, alignCorners, factors]) as Tensor;
      const resize = mode === 'bilinear' ? ops.upsampleBilinear2d : ops.upsampleBicubic2d;
      return resize(input, size, alignCorners, factors);
    }
  }
}

const shapes: Readonly<Record<number, string>> = { 3: '(N, C, L)', 4: '(N, C, H, W)', 5: '(N, C, D, H, W)' };

function dimensionsOf(mode: InterpolationMode): readonly number[] {
  if (mode === 'linear') return [3];
  if (mode === 'trilinear') return [5];
  return mode === 'bilinear' || mode === 'bicubic' ? [4] : [3, 4, 5];
}

/** The output's size or the factors for each axis; the other is null. */
function target(
  shape: readonly number[],
  options: InterpolateOptions,
): [size: number[] | null, factors: number[] | null] {
  const { size, scaleFactor, mode, recomputeScaleFactor = false } = options;
  const axes = shape.slice(2);
  const given = size ?? scaleFactor!;
  const each = typeof given === 'number' ? axes.map(() => given) : [...given];
  if (each.length !== axes.length) {
    const name = size === undefined ? 'scaleFactor' : 'size';
    throw new RetortError(
      `interpolate: ${name}: expected a number, or one for each of ${axes.length} axes, got [${each.join(', ')}]`,
    );
  }
  if (size !== undefined) return [each, null];
  if (!recomputeScaleFactor && mode !== 'area') return [null, each];
  return [axes.map((length, i) => Math.floor(length * each[i]!)), null];
}
