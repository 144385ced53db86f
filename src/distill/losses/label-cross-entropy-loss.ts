// Cross-entropy with the true classes: what a network learns without a teacher, or beside one.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './common/chunks.ts';
import type { Rows } from './common/chunks.ts';
import {
  classAxis,
  divisorOf,
  ignoredIn,
  inRange,
  labelShape,
  positionName,
  positionsOf,
  rowsOf,
  labelRowsOf,
  withoutIgnored,
} from './common/classes.ts';
import type { Labeled, LabelOptions, LabelSettings } from './common/classes.ts';
import { widened } from './common/sides.ts';
import { DistillLoss, lossSchema, reductions } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

const own = {
  /** So much of each target is spread evenly over all classes, within [0, 1]. Default 0. */
  labelSmoothing: z.number().min(0).max(1).default(0),
  /** Over positions, each of them a sample. Default `'mean'`. */
  reduction: z.enum(reductions).exclude(['batchmean']).default('mean'),
  /** Compute so many rows at a time, for very many classes; see KLDivergence. Default: all rows at once. */
  chunkSize: z.int().positive().optional(),
};
/** Options of {@link LabelCrossEntropyLoss}. */
export interface LabelCrossEntropyLossOptions extends LossOptions, LabelOptions, OptionsFrom<typeof own> {}

/** What {@link LabelCrossEntropyLoss} compares. */
export interface LabelCrossEntropyLossArguments extends Labeled {
  /** The student's logits, `(N, C)` or with more positions. */
  predsS: Tensor;
  /**
   * The true class of each position, int64 of the shape of the logits without their axis of classes (`(N, 1)` for `(N)` too); or
   * the share of each class, of the shape of the logits, as mixed images have them.
   */
  gtLabels: Tensor;
}

/**
 * `lossWeight * mean_n -sum_c y_nc log softmax(predsS_n)_c`, `y` 1 for the true class, or its shares; with `labelSmoothing` e it is
 * `(1 - e) y + e / C`. The mean is over the positions that count.
 *
 * Label smoothing: Szegedy et al.: Rethinking the Inception Architecture for Computer Vision, arXiv 1512.00567.
 *
 * @example
 * ```ts
 * const loss = new LabelCrossEntropyLoss();
 * const value = loss.forward({ predsS: randn([2, 10]), gtLabels: tensor([3n, 7n]) }); // a scalar
 * ```
 */
export class LabelCrossEntropyLoss extends DistillLoss<LossSettings & LabelSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Cross-entropy with the true classes, or the shares of mixed images.',
    paper: 'Szegedy et al. 2016 (label smoothing), arXiv 1512.00567',
  };
  static override readonly schema = lossSchema({ ...own, ...labelShape });
  override readonly inputs = { required: ['predsS', 'gtLabels'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense, such as reduction `'none'` together with `chunkSize`. */
  constructor(options: LabelCrossEntropyLossOptions = {}) {
    super(options);
    if (this.options.chunkSize !== undefined && this.options.reduction === 'none') {
      throw new RetortError('LabelCrossEntropyLoss: chunkSize: expected a reduction that adds rows up, got "none"', {
        help: 'leave chunkSize out, or reduce by "mean" or "sum"',
      });
    }
  }

  /** @throws {RetortError} when labels or mask do not fit the logits, or a label that counts is outside `[0, C)`. */
  override forward({ predsS, gtLabels, mask }: LabelCrossEntropyLossArguments): Tensor {
    const { dim, ignoreIndex, reduction, chunkSize } = this.options;
    const named = ['predsS', predsS] as const;
    const axis = classAxis('LabelCrossEntropyLoss', named, dim);
    const positions = positionsOf(predsS, axis);
    const { classes, shares } = labelRowsOf('LabelCrossEntropyLoss', named, axis, gtLabels);
    const ignored = ignoredIn('LabelCrossEntropyLoss', named, axis, { mask, gtLabels, ignoreIndex });
    if (classes !== undefined) {
      const counted = ignored === undefined ? classes : classes.maskedFill(ignored.reshape([-1]), 0);
      inRange('LabelCrossEntropyLoss', named, axis, counted, (row) => positionName(row, positions));
    }
    const rows = [rowsOf(predsS, axis), classes ?? shares, ...(ignored ? [ignored.reshape([-1])] : [])] as const;
    if (reduction === 'none') return this.weigh(this.#terms(rows).view(positions));
    const sum =
      chunkSize === undefined
        ? this.#terms(rows).sum()
        : sumInChunks('LabelCrossEntropyLoss', rows, chunkSize, (chunk) => this.#terms(chunk).sum());
    return this.weigh(sum, 1 / divisorOf(reduction, positions, { ignored }));
  }

  /** Of each row: `(M, C)` to `(M)`. */
  #terms([logits, targets, ignored]: Rows): Tensor {
    const { labelSmoothing } = this.options;
    const clean = widened(withoutIgnored(logits, ignored, 1));
    if (targets!.ndim === 1) {
      const labels = ignored === undefined ? targets! : targets!.maskedFill(ignored, -100);
      return functional.crossEntropy(clean, labels, { reduction: 'none', labelSmoothing, ignoreIndex: -100 });
    }
    const shares = withoutIgnored(targets!.detach(), ignored, 1).to(clean.dtype);
    const smooth =
      labelSmoothing === 0 ? shares : shares.mul(1 - labelSmoothing).add(labelSmoothing / shares.shape[1]!);
    const terms = functional.expectationTerms(smooth, clean.logSoftmax(1)).sum(1).neg();
    return ignored === undefined ? terms : terms.maskedFill(ignored, 0);
  }
}
