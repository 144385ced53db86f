// Transforms in a row, as a loader applies them.
import { RetortError } from '../errors.ts';
import { Tensor } from '../torch/index.ts';
import { hash } from './hash.ts';
import type { BatchContext, Transform, TransformedBatch } from './transforms/index.ts';

/** A transform, and which one of its kind it is in its row. */
export interface Placed {
  transform: Transform;
  /** 0 for the first of its kind. */
  repeat: number;
}

/**
 * Numbers transforms of one kind, so that each draws random numbers of its own. Rows that follow the same one (the student's and
 * the teacher's) count alike: the same transform in both makes the same choices.
 */
export function place(transforms: readonly Transform[], after: readonly Placed[] = []): Placed[] {
  const counts = new Map<unknown, number>();
  for (const { transform } of after) counts.set(transform.constructor, (counts.get(transform.constructor) ?? 0) + 1);
  return transforms.map((transform) => {
    const repeat = counts.get(transform.constructor) ?? 0;
    counts.set(transform.constructor, repeat + 1);
    return { transform, repeat };
  });
}

/** The batch after all of them. Where inputs are a record, images are its entry `images`. */
export function applyAll(placed: readonly Placed[], batch: TransformedBatch, context: BatchContext): TransformedBatch {
  return placed.reduce((before, { transform, repeat }) => {
    const own = repeat === 0 ? context : { ...context, seed: hash(context.seed, repeat) };
    if (transform.applyBatch !== undefined) return transform.applyBatch(before, own);
    return changeImages(before, transform, own);
  }, batch);
}

/** The images of a batch: its inputs, or their entry `images`. @throws {RetortError} where it has none, naming the transform. */
export function imagesOf({ inputs }: Pick<TransformedBatch, 'inputs'>, transform: Transform): Tensor {
  const images = inputs instanceof Tensor ? inputs : inputs['images'];
  if (images !== undefined) return images;
  throw new RetortError(
    `transforms: ${transform.constructor.name} changes images, and inputs have no "images", only ${Object.keys(inputs).join(', ')}`,
    { help: 'call the entry with the images "images", or leave the transform out' },
  );
}

/** The batch with its images changed. @throws {RetortError} where it has none. */
export function changeImages(batch: TransformedBatch, transform: Transform, context: BatchContext): TransformedBatch {
  if (transform.apply === undefined) {
    throw new RetortError(`transforms: ${transform.constructor.name} has neither apply(images) nor applyBatch(batch)`);
  }
  const images = transform.apply(imagesOf(batch, transform), context);
  return { ...batch, inputs: batch.inputs instanceof Tensor ? images : { ...batch.inputs, images } };
}
