// The classes of samples as targets of a network of so many classes: looked at before they are used, and as the share of each class.
import { RetortError } from '../errors.ts';
import type { Tensor } from '../torch/index.ts';
import type { Targets } from './batch.ts';
import { oneHot } from './functional/index.ts';

const shapeOf = ({ shape }: Tensor): string => `(${shape.join(', ')})`;

/**
 * `labels` if they are `(N)`, each within `[0, classes)`.
 * @param where who asks, for errors
 * @throws {RetortError} otherwise; it names the first sample whose label is no class.
 */
export function requireClasses(where: string, labels: Tensor, classes: number): Tensor {
  if (labels.ndim !== 1) {
    throw new RetortError(`${where}: targets: labels: expected (N), one class per sample, got ${shapeOf(labels)}`);
  }
  if (labels.lt(0).logicalOr(labels.ge(classes)).any().item() === 0) return labels;
  const numbers = Array.from(labels.data(), Number);
  const wrong = numbers.findIndex((label) => label < 0 || label >= classes);
  throw new RetortError(
    `${where}: targets: labels: expected classes 0 to ${classes - 1}, got ${numbers[wrong]} for sample ${wrong} of the batch`,
    {
      help: 'the classes of a network and of its data are those of the data set: set numClasses to their number, or correct the labels',
    },
  );
}

/**
 * The share of each class, float64 `(N, classes)`: `scores` where targets have them, else 1 at each label and 0 elsewhere.
 * @param where who asks, for errors
 * @throws {RetortError} for targets without either, labels that {@link requireClasses} refuses, `scores` of another shape or that are
 * not finite, naming the sample.
 */
export function classShares(where: string, { labels, scores }: Targets, classes: number): Tensor {
  if (scores === undefined) {
    if (labels !== undefined) {
      return oneHot(requireClasses(where, labels, classes), { numClasses: classes }).to('float64');
    }
    throw new RetortError(`${where}: targets: expected labels (N), or scores (N, ${classes}), got neither`);
  }
  const [samples, width] = scores.shape;
  if (scores.ndim !== 2 || width !== classes || (labels !== undefined && labels.shape[0] !== samples)) {
    const count = labels === undefined ? 'N' : labels.shape[0];
    throw new RetortError(
      `${where}: targets: scores: expected (${count}, ${classes}), one number for each class, got ${shapeOf(scores)}`,
    );
  }
  if (scores.isfinite().all().item() === 1) return scores.to('float64');
  const sample = Array.from(scores.isfinite().all(1).data(), Number).indexOf(0);
  throw new RetortError(
    `${where}: targets: scores: expected ${classes} finite numbers for sample ${sample} of the batch, got one that is not finite`,
  );
}
