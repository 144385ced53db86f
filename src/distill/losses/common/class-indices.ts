// True classes beside logits, checked number by number: libtorch's own message would name neither the loss nor the sample.
import { RetortError } from '../../../errors.ts';
import type { Tensor } from '../../../torch/index.ts';
import { shown } from './shapes.ts';
import type { Named } from './shapes.ts';

/**
 * Classes as int64 `(N)`, from `(N)` or `(N, 1)`, for logits `(N, C)`; or from the share of each class, `(N, C)`, where each sample
 * is of one class.
 * @throws {RetortError} for another dtype or shape, for a class outside `[0, C)`, and for a sample of several classes; both name it.
 */
export function classIndices(loss: string, [logitsName, logits]: Named, gtLabels: Tensor): Tensor {
  const [samples = 0, classes = 0] = logits.shape;
  const { shape, dtype } = gtLabels;
  if (/float/.test(dtype) && shape.length === 2 && shape[0] === samples && shape[1] === classes) {
    return onlyClasses(loss, gtLabels);
  }
  const field = { help: "map gtLabels to { field: 'gtLabels' }" };
  if (dtype !== 'int64')
    throw new RetortError(`${loss}: gtLabels: classes as int64 were expected, got ${dtype}`, field);
  if (shape[0] !== samples || shape.length > 2 || (shape.length === 2 && shape[1] !== 1)) {
    const expected = `[${samples}] or [${samples}, 1], one class for each sample of ${logitsName} ${shown(logits.shape)}`;
    throw new RetortError(`${loss}: gtLabels: ${expected}, was expected, got ${shown(shape)}`, field);
  }
  const indices = gtLabels.reshape([-1]);
  if (indices.lt(0).logicalOr(indices.ge(classes)).any().item() === 0) return indices;
  const given = Array.from(indices.data(), Number);
  const wrong = given.findIndex((label) => label < 0 || label >= classes);
  throw new RetortError(
    `${loss}: gtLabels: sample ${wrong} has class ${given[wrong]}, but ${logitsName} has ${classes} classes, 0 to ${classes - 1}`,
    { help: 'give the networks as many classes as the data set has' },
  );
}

/** The class of each sample, of shares `(N, C)`. @throws {RetortError} for one that is mixed. */
function onlyClasses(loss: string, shares: Tensor): Tensor {
  const [share, indices] = shares.max(1);
  const mixed = share.lt(oneClass);
  if (mixed.any().item() === 0) return indices;
  const sample = Array.from(mixed.data(), Number).indexOf(1);
  throw new RetortError(
    `${loss}: gtLabels: sample ${sample} is mixed, ${Number(share.select(0, sample).item().toFixed(3))} of class ${indices.select(0, sample).item()}: it has no one true class`,
    { help: withoutMixing },
  );
}

/** A share from which on a sample is of one class: images of the same class may have been mixed, and shares were rounded. */
export const oneClass = 1 - 1e-6;

/** The way out for a loss that wants one true class beside mixed images. */
export const withoutMixing =
  'take Mixup, CutMix and labels in shares out of the training data, or a loss without labels, such as KLDivergence or DISTLoss';
