// The operations of AutoAugment and RandAugment on `uint8 (N, C, H, W)`, by name, each image with a magnitude of its own.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import type { OptionsFrom } from '../../../registry/index.ts';
import { tensor } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { fillSchema } from '../sizes.ts';
import { brightness, color, contrast, sharpness } from './blends.ts';
import { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from './tables.ts';
import { rotate, shearX, shearY, translateX, translateY } from './warps.ts';
import type { Interpolation, WarpLook } from './warps.ts';

/** The schema of how operations look, for transforms that choose among them. */
export const operationLookSchema = {
  /** What comes in from outside an image that is moved. Default 128. */
  fill: fillSchema.optional(),
  /** How pixels between pixels are made. Default: bicubic for shears, nearest for the others. */
  interpolation: z.enum(['nearest', 'bilinear', 'bicubic']).optional(),
};
export interface OperationLook extends OptionsFrom<typeof operationLookSchema> {}

interface Operation {
  run(images: Tensor, magnitudes: readonly number[], look: OperationLook): Tensor;
  /** Whether it has a magnitude. */
  readonly graded: boolean;
  /** Whether the magnitude may be turned negative by chance. */
  readonly signed: boolean;
}

const plain = (run: (images: Tensor) => Tensor): Operation => ({ run, graded: false, signed: false });

const graded = (run: (images: Tensor, amounts: Tensor) => Tensor): Operation => ({
  run: (images, magnitudes) => run(images, tensor([...magnitudes], { shape: [magnitudes.length, 1, 1, 1] })),
  graded: true,
  signed: false,
});

/** A magnitude of 0 changes nothing: the factor is 1 more. */
const enhancing = (run: (images: Tensor, factors: Tensor) => Tensor): Operation => ({
  ...graded((images, amounts) => run(images, amounts.add(1))),
  signed: true,
});

const warping = (
  run: (images: Tensor, magnitudes: readonly number[], look: WarpLook) => Tensor,
  usual: Interpolation,
): Operation => ({
  run: (images, magnitudes, { fill = 128, interpolation = usual }) => run(images, magnitudes, { fill, interpolation }),
  graded: true,
  signed: true,
});

export const operations = {
  ShearX: warping(shearX, 'bicubic'),
  ShearY: warping(shearY, 'bicubic'),
  TranslateX: warping(translateX, 'nearest'),
  TranslateY: warping(translateY, 'nearest'),
  Rotate: warping(rotate, 'nearest'),
  AutoContrast: plain(autoContrast),
  Invert: plain(invert),
  Equalize: plain(equalize),
  Solarize: graded(solarize),
  SolarizeAdd: graded(solarizeAdd),
  Posterize: graded(posterize),
  Contrast: enhancing(contrast),
  Color: enhancing(color),
  Brightness: enhancing(brightness),
  Sharpness: enhancing(sharpness),
};

export type OperationName = keyof typeof operations;
export const operationNames = Object.keys(operations) as [OperationName, ...OperationName[]];

/** What is to be done to one image. */
export interface Chosen {
  operation: OperationName;
  magnitude: number;
}

/**
 * Does to each image what was chosen for it, if anything; images with the same operation are done together.
 * @throws {RetortError} when the images are not bytes.
 */
export function operate(
  where: string,
  images: Tensor,
  chosen: readonly (Chosen | undefined)[],
  look: OperationLook,
): Tensor {
  if (images.dtype !== 'uint8') {
    throw new RetortError(`${where}: expected images of bytes (uint8), got ${images.dtype}`, {
      help: `put ${where} before Normalize and Mixup`,
    });
  }
  const result = images.clone();
  for (const name of new Set(chosen.flatMap((one) => one?.operation ?? []))) {
    const places = chosen.flatMap((one, i) => (one?.operation === name ? [i] : []));
    const index = tensor(BigInt64Array.from(places, BigInt));
    const magnitudes = places.map((i) => chosen[i]!.magnitude);
    result.indexCopy_(0, index, operations[name].run(images.indexSelect(0, index), magnitudes, look));
  }
  return result;
}
