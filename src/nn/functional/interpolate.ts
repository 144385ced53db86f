// Resizing: `(N, C, L)`, `(N, C, H, W)` or `(N, C, D, H, W)` to another length, size or volume.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { callOperator, ops } from '../../torch/index.ts';
import { oneOf } from '../arguments.ts';

const smooth = ['linear', 'bilinear', 'bicubic', 'trilinear'] as const;
const modes = ['nearest', 'nearest-exact', 'area', ...smooth] as const;
export type InterpolationMode = (typeof modes)[number];

export interface InterpolateOptions {
  /** Of the output, for all axes or for each. */
  size?: number | readonly number[];
  /** In place of `size`: `floor(scaleFactor H)`. */
  scaleFactor?: number | readonly number[];
  /** Default `'nearest'`; `'linear'` takes `(N, C, L)`, `'bilinear'` and `'bicubic'` `(N, C, H, W)`, `'trilinear'` `(N, C, D, H, W)`. */
  mode?: InterpolationMode;
  /** The corners' centres stay where they are; linear, bilinear, bicubic, trilinear only. Default false. */
  alignCorners?: boolean;
  /** Compute with the ratio of the (rounded) sizes, not with `scaleFactor` itself. Default false. */
  recomputeScaleFactor?: boolean;
  /** Smooth before making smaller; bilinear and bicubic only. Default false. */
  antialias?: boolean;
}

/** Checks what needs no input. @throws {RetortError} as {@link interpolate}; `where` names the caller. */
export function checkInterpolation(where: string, options: InterpolateOptions): void {
  const {
    size,
    scaleFactor,
    mode = 'nearest',
    alignCorners,
    recomputeScaleFactor = false,
    antialias = false,
  } = options;
  oneOf(`${where}: mode`, mode, modes);
  if ((size === undefined) === (scaleFactor === undefined)) {
    const got = size === undefined ? 'neither' : 'both';
    throw new RetortError(`${where}: one of size and scaleFactor was expected, got ${got}`);
  }
  positive(`${where}: size`, size, [Number.isInteger, 'a whole number of at least 1']);
  positive(`${where}: scaleFactor`, scaleFactor, [Number.isFinite, 'a number above 0']);
  if (alignCorners !== undefined && !smooth.some((name) => name === mode)) {
    throw new RetortError(`${where}: alignCorners is for ${smooth.join(', ')}, got mode "${mode}"`);
  }
  if (antialias && mode !== 'bilinear' && mode !== 'bicubic') {
    throw new RetortError(`${where}: antialias is for bilinear and bicubic, got mode "${mode}"`);
  }
  if (recomputeScaleFactor && size !== undefined) {
    throw new RetortError(`${where}: recomputeScaleFactor is for scaleFactor, got size`);
  }
}

function positive(
  where: string,
  value: InterpolateOptions['size'],
  [fits, expected]: readonly [(number: number) => boolean, string],
): void {
  if (value === undefined) return;
  for (const number of typeof value === 'number' ? [value] : value) {
    if (!fits(number) || number <= 0) throw new RetortError(`${where}: ${expected} was expected, got ${number}`);
  }
}

/**
 * Resizes to `size` or by `scaleFactor`.
 * @throws {RetortError} unless one of them is given; for a misspelt mode, one that does not take so many dimensions, or options that do
 * not belong to it.
 */
export function interpolate(input: Tensor, options: InterpolateOptions): Tensor {
  checkInterpolation('interpolate', options);
  const { mode = 'nearest', alignCorners = false, antialias = false } = options;
  const shape = input.shape;
  const takes = dimensionsOf(mode);
  if (!takes.includes(shape.length)) {
    throw new RetortError(
      `interpolate: mode "${mode}" takes ${takes.map((n) => shapes[n]).join(' or ')}, got [${shape.join(', ')}]`,
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
      `interpolate: ${name}: a number or one for each of ${axes.length} axes was expected, got [${each.join(', ')}]`,
    );
  }
  if (size !== undefined) return [each, null];
  if (!recomputeScaleFactor && mode !== 'area') return [null, each];
  return [axes.map((length, i) => Math.floor(length * each[i]!)), null];
}
