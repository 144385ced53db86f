// The transforms that configs can name.
import { Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { autoAugmentEntry } from './auto-augment.ts';
import { centerCropEntry } from './center-crop.ts';
import { colorJitterEntry } from './color-jitter.ts';
import { cutMixEntry } from './cutmix.ts';
import { cutoutEntry } from './cutout.ts';
import { mixupEntry } from './mixup.ts';
import { normalizeEntry } from './normalize.ts';
import { randAugmentEntry } from './rand-augment.ts';
import { randomBatchAugmentEntry } from './random-batch-augment.ts';
import { randomCropEntry } from './random-crop.ts';
import { randomErasingEntry } from './random-erasing.ts';
import { randomHorizontalFlipEntry } from './random-horizontal-flip.ts';
import { randomResizedCropEntry } from './random-resized-crop.ts';
import { resizeEdgeEntry } from './resize-edge.ts';
import { resizeEntry } from './resize.ts';
import type { Transform } from './transform.ts';

const table = {
  AutoAugment: autoAugmentEntry,
  CenterCrop: centerCropEntry,
  ColorJitter: colorJitterEntry,
  CutMix: cutMixEntry,
  Cutout: cutoutEntry,
  Mixup: mixupEntry,
  Normalize: normalizeEntry,
  RandAugment: randAugmentEntry,
  RandomBatchAugment: randomBatchAugmentEntry,
  RandomCrop: randomCropEntry,
  RandomErasing: randomErasingEntry,
  RandomHorizontalFlip: randomHorizontalFlipEntry,
  RandomResizedCrop: randomResizedCropEntry,
  Resize: resizeEntry,
  ResizeEdge: resizeEdgeEntry,
};

/** The transforms that configs can name. */
export const transforms = new Registry<Transform, typeof table>('transform', table);

/**
 * A transform from its config.
 *
 * @param where what errors call it; default `transform`
 * @throws {RetortError} for an unknown type, or options that its schema refuses.
 *
 * @example
 * ```ts
 * const transform = buildTransform({ type: 'RandomHorizontalFlip', p: 0.5 });
 * ```
 */
export function buildTransform(config: TypedConfig, where?: string): Transform {
  const transform = transforms.build(config, where);
  descriptions.set(transform, JSON.stringify(config));
  return transform;
}

/** The configs of transforms that were built from some. */
const descriptions = new WeakMap<Transform, string>();

/** A line about a transform, to tell it from others by: its config, or its class with what it shows of itself. */
export function describeTransform(transform: Transform): string {
  return descriptions.get(transform) ?? `${transform.constructor.name} ${JSON.stringify(transform)}`;
}
