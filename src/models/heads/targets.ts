// What scores are compared with: classes, or the share of each class where images were mixed.
import { RetortError } from '../../errors.ts';
import { classShares, requireClasses, targetsOf } from '../../nn/index.ts';
import type { GivenTargets } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/**
 * Classes, int64 `(N)`, or shares `(N, K)` of the dtype of `scores` where the targets have `scores`.
 * @throws {RetortError} when there are not as many as images, or a label is outside the classes, naming the sample.
 */
export function classTarget(where: string, scores: Tensor, given: GivenTargets): Tensor {
  const [images = 0, classes = 0] = scores.shape;
  const targets = targetsOf(given);
  const { labels } = targets;
  const count = (labels ?? targets.scores)?.shape[0];
  if (count !== undefined && count !== images) {
    throw new RetortError(`${where}: targets: expected one for each of ${images} images, got ${count}`);
  }
  if (targets.scores !== undefined) return classShares(where, targets, classes).to(scores.dtype);
  if (labels !== undefined) return requireClasses(where, labels, classes);
  throw new RetortError(`${where}: targets: expected labels (N), or scores (N, ${classes}), got neither`, {
    help: 'give the data set labels, or train without the loss of the head: calculateStudentLoss: false',
  });
}
