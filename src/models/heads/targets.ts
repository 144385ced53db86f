// What scores are compared with: classes, or the share of each class where images were mixed.
import { RetortError } from '../../errors.ts';
import { targetsOf } from '../../nn/index.ts';
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
    throw new RetortError(`${where}: dataSamples: expected one for each of ${images} images, got ${count}`);
  }
  if (targets.scores !== undefined) return sharesOf(where, scores, targets.scores);
  if (labels === undefined) {
    throw new RetortError(`${where}: targets: expected labels (N), or scores (N, ${classes}), got neither`, {
      help: 'give the data set labels, or train without the loss of the head: calculateStudentLoss: false',
    });
  }
  if (labels.ndim !== 1) {
    throw new RetortError(`${where}: targets: expected labels (${images}), got (${labels.shape.join(', ')})`);
  }
  if (labels.lt(0).logicalOr(labels.ge(classes)).any().item() === 0) return labels;
  const numbers = Array.from(labels.data(), Number);
  const wrong = numbers.findIndex((label) => label < 0 || label >= classes);
  throw new RetortError(
    `${where}: gtLabel: expected classes 0 to ${classes - 1}, got ${numbers[wrong]} for sample ${wrong} of the batch`,
    { help: 'set numClasses to the number of classes of the data set' },
  );
}

function sharesOf(where: string, scores: Tensor, shares: Tensor): Tensor {
  const { shape } = shares;
  if (shape.length !== 2 || shape[0] !== scores.shape[0] || shape[1] !== scores.shape[1]) {
    throw new RetortError(
      `${where}: gtScore: expected ${scores.shape[1]} numbers for each sample, got scores (${shape.join(', ')})`,
    );
  }
  if (shares.isfinite().all().item() === 1) return shares.to(scores.dtype);
  const sample = Array.from(shares.isfinite().all(1).data(), Number).indexOf(0);
  throw new RetortError(
    `${where}: gtScore: expected ${shape[1]} finite numbers for sample ${sample}, got one that is not finite`,
  );
}
