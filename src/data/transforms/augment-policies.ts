// Policies of AutoAugment and RandAugment: which operations may be chosen, how strong, how likely.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { operationNames, operations } from './operations/index.ts';
import type { OperationName } from './operations/index.ts';
import { chanceSchema, rangeSchema } from './sizes.ts';
import type { Range } from './sizes.ts';

/** An operation that may be done. */
export interface AugmentStep {
  type: OperationName;
  /** Degrees (`Rotate`), share of a side (`TranslateX`, `TranslateY`), pixels per row (`ShearX`) or column (`ShearY`), threshold
   * (`Solarize`), amount (`SolarizeAdd`), bits (`Posterize`), factor - 1 (`Contrast`, `Color`, `Brightness`, `Sharpness`). */
  magnitude?: number;
  /** For RandAugment: the magnitudes of level 0 and of the highest level. */
  magnitudeRange?: Range;
  /** The chance that it is done. Default 0.5. */
  p?: number;
  /** The chance that the magnitude is turned negative, where that makes sense. Default 0.5. */
  negativeP?: number;
}

export const augmentStepSchema = z.strictObject({
  type: z.enum(operationNames),
  magnitude: z.number().exactOptional(),
  magnitudeRange: rangeSchema().exactOptional(),
  p: chanceSchema.exactOptional(),
  negativeP: chanceSchema.exactOptional(),
});

/** @throws {RetortError} when an operation that has a magnitude is not given `field`. */
export function requireMagnitude(where: string, step: AugmentStep, field: 'magnitude' | 'magnitudeRange'): void {
  if (!operations[step.type].graded || step[field] !== undefined) return;
  throw new RetortError(`${where}: ${step.type} needs ${field}`);
}

/** The magnitudes of the paper's levels 0 to 9. */
const levels: Partial<Record<OperationName, (level: number) => number>> = {
  ShearX: (level) => (0.3 / 9) * level,
  ShearY: (level) => (0.3 / 9) * level,
  TranslateX: (level) => (150 / 331 / 9) * level,
  TranslateY: (level) => (150 / 331 / 9) * level,
  Rotate: (level) => (30 / 9) * level,
  Solarize: (level) => (256 / 9) * (9 - level),
  Posterize: (level) => 8 - Math.round((4 / 9) * level),
  Contrast: (level) => 0.1 * level,
  Color: (level) => 0.1 * level,
  Brightness: (level) => 0.1 * level,
  Sharpness: (level) => 0.1 * level,
};

/** Two steps a line, as the paper prints them: `Rotate 0.7 2` is a rotation of level 2 with a chance of 0.7. */
function parsePolicies(text: string): AugmentStep[][] {
  const step = (words: string): AugmentStep => {
    const [type, p, level] = words.trim().split(' ') as [OperationName, string, string | undefined];
    return { type, p: Number(p), ...(level === undefined ? {} : { magnitude: levels[type]!(Number(level)) }) };
  };
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(step));
}

/** Cubuk, Zoph, Mané, Vasudevan, Le 2019, arXiv 1805.09501, tables 7 and 9 (of the appendix). */
export const autoAugmentPolicies = {
  cifar10: parsePolicies(`
    Invert 0.1, Contrast 0.2 6
    Rotate 0.7 2, TranslateX 0.3 9
    Sharpness 0.8 1, Sharpness 0.9 3
    ShearY 0.5 8, TranslateY 0.7 9
    AutoContrast 0.5, Equalize 0.9
    ShearY 0.2 7, Posterize 0.3 7
    Color 0.4 3, Brightness 0.6 7
    Sharpness 0.3 9, Brightness 0.7 9
    Equalize 0.6, Equalize 0.5
    Contrast 0.6 7, Sharpness 0.6 5
    Color 0.7 7, TranslateX 0.5 8
    Equalize 0.3, AutoContrast 0.4
    TranslateY 0.4 3, Sharpness 0.2 6
    Brightness 0.9 6, Color 0.2 8
    Solarize 0.5 2, Invert 0
    Equalize 0.2, AutoContrast 0.6
    Equalize 0.2, Equalize 0.6
    Color 0.9 9, Equalize 0.6
    AutoContrast 0.8, Solarize 0.2 8
    Brightness 0.1 3, Color 0.7 0
    Solarize 0.4 5, AutoContrast 0.9
    TranslateY 0.9 9, TranslateY 0.7 9
    AutoContrast 0.9, Solarize 0.8 3
    Equalize 0.8, Invert 0.1
    TranslateY 0.7 9, AutoContrast 0.9`),
  imagenet: parsePolicies(`
    Posterize 0.4 8, Rotate 0.6 9
    Solarize 0.6 5, AutoContrast 0.6
    Equalize 0.8, Equalize 0.6
    Posterize 0.6 7, Posterize 0.6 6
    Equalize 0.4, Solarize 0.2 4
    Equalize 0.4, Rotate 0.8 8
    Solarize 0.6 3, Equalize 0.6
    Posterize 0.8 5, Equalize 1
    Rotate 0.2 3, Solarize 0.6 8
    Equalize 0.6, Posterize 0.4 6
    Rotate 0.8 8, Color 0.4 0
    Rotate 0.4 9, Equalize 0.6
    Equalize 0, Equalize 0.8
    Invert 0.6, Equalize 1
    Color 0.6 4, Contrast 1 8
    Rotate 0.8 8, Color 1 2
    Color 0.8 8, Solarize 0.8 7
    Sharpness 0.4 7, Invert 0.6
    ShearX 0.6 5, Equalize 1
    Color 0.4 0, Equalize 0.6
    Equalize 0.4, Solarize 0.2 4
    Solarize 0.6 5, AutoContrast 0.6
    Invert 0.6, Equalize 1
    Color 0.6 4, Contrast 1 8
    Equalize 0.8, Equalize 0.6`),
};

const moving: readonly AugmentStep[] = [
  { type: 'Rotate', magnitudeRange: [0, 30] },
  { type: 'ShearX', magnitudeRange: [0, 0.3] },
  { type: 'ShearY', magnitudeRange: [0, 0.3] },
];

/** The higher the level, the stronger all of them; `timm_increasing` is the set of the package timm. */
export const randAugmentPolicies = {
  timm_increasing: [
    { type: 'AutoContrast' },
    { type: 'Equalize' },
    { type: 'Invert' },
    { type: 'Posterize', magnitudeRange: [4, 0] },
    { type: 'Solarize', magnitudeRange: [256, 0] },
    { type: 'SolarizeAdd', magnitudeRange: [0, 110] },
    { type: 'Color', magnitudeRange: [0, 0.9] },
    { type: 'Contrast', magnitudeRange: [0, 0.9] },
    { type: 'Brightness', magnitudeRange: [0, 0.9] },
    { type: 'Sharpness', magnitudeRange: [0, 0.9] },
    ...moving,
    { type: 'TranslateX', magnitudeRange: [0, 0.45] },
    { type: 'TranslateY', magnitudeRange: [0, 0.45] },
  ],
  simple_increasing: [{ type: 'AutoContrast' }, { type: 'Equalize' }, ...moving],
} satisfies Record<string, readonly AugmentStep[]>;
