// Transforms in a row, as a loader applies them.
import { hash } from './hash.ts';
import type { BatchContext, LabelledBatch, Transform } from './transforms/index.ts';

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

/** The batch after all of them. */
export function applyAll(placed: readonly Placed[], batch: LabelledBatch, context: BatchContext): LabelledBatch {
  return placed.reduce((before, { transform, repeat }) => {
    const own = repeat === 0 ? context : { ...context, seed: hash(context.seed, repeat) };
    if (transform.applyLabelled !== undefined) return transform.applyLabelled(before, own);
    return { ...before, inputs: transform.apply(before.inputs, own) };
  }, batch);
}
