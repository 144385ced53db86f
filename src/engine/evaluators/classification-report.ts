// All that is asked of a classifier at the end: accuracy by rank and by class, which classes it takes for which, and whether its
// probabilities are what they say.
import type { Outputs, Targets } from '../../nn/index.ts';
import { ops, Tensor, tidy } from '../../torch/index.ts';
import type { Evaluator, Metric } from './evaluator.ts';

/** How a classifier does on the samples of one class. Shares are in percent; NaN where there is nothing to take a share of. */
export interface ClassReport {
  label: string;
  /** Samples of the class. */
  count: number;
  /** Share of the class's samples that are found: its accuracy. */
  recall: number;
  /** Share of those taken for this class that are of it. */
  precision: number;
  /** Harmonic mean of both. */
  f1: number;
}

/** What {@link ClassificationReport} has counted. Shares are in percent. */
export interface ClassificationResult {
  samples: number;
  accuracy: number;
  /** Share of samples whose class is among the five highest; undefined for fewer than six classes. */
  top5: number | undefined;
  /** Expected calibration error. Guo et al. 2017, arXiv 1706.04599, 15 bins: how far confidence is from accuracy, in percent. */
  calibrationError: number;
  perClass: readonly ClassReport[];
  /** Samples by their class (rows) and the class they were taken for (columns). */
  confusion: readonly (readonly number[])[];
}

const bins = 15;

/**
 * Counts over a whole evaluation. Networks that give no scores `(N, K)`, and samples without one class each, are not counted.
 *
 * @example
 * ```ts
 * const report = new ClassificationReport(['cat', 'dog']);
 * await evaluate(network, loader, { evaluators: [report] });
 * console.log(report.result()?.calibrationError);
 * ```
 */
export class ClassificationReport implements Evaluator {
  readonly #classes: readonly string[];
  #confusion: Float64Array | undefined;
  #count = 0;
  #top5 = 0;
  readonly #seen = new Float64Array(bins);
  readonly #confidence = new Float64Array(bins);
  readonly #right = new Float64Array(bins);

  /** @param classes their names, in the order of the scores; classes beyond them are called by their numbers */
  constructor(classes: readonly string[] = []) {
    this.#classes = classes;
  }

  begin(): Metric {
    this.#confusion = undefined;
    this.#count = this.#top5 = 0;
    for (const sums of [this.#seen, this.#confidence, this.#right]) sums.fill(0);
    return {
      update: (outputs, targets) => this.#update(outputs, targets),
      compute: () => ({}),
    };
  }

  #update(outputs: Outputs, { labels }: Targets): void {
    if (!(outputs instanceof Tensor) || outputs.ndim !== 2 || labels?.ndim !== 1) return;
    const [samples = 0, classes = 0] = outputs.shape;
    tidy(() => {
      const [scores, chosen] = outputs.to('float64').softmax(1).max(1);
      const pairs = labels
        .mul(classes)
        .add(chosen)
        .bincount(undefined, classes * classes)
        .data();
      this.#confusion ??= new Float64Array(classes * classes);
      pairs.forEach((count, i) => (this.#confusion![i]! += Number(count)));
      this.#count += samples;
      if (classes > 5) this.#top5 += outputs.topk(5, 1)[1].eq(labels.unsqueeze(1)).sum().item();
      const hits = chosen.eq(labels).to('float64');
      const bin = scores
        .mul(bins)
        .ceil()
        .sub(1)
        .clamp(0, bins - 1)
        .to('int64');
      for (const [sums, values] of [
        [this.#seen, ops.onesLike(scores)],
        [this.#confidence, scores],
        [this.#right, hits],
      ] as const) {
        bin
          .bincount(values, bins)
          .data()
          .forEach((sum, i) => (sums[i]! += Number(sum)));
      }
    });
  }

  /** undefined where nothing was counted. */
  result(): ClassificationResult | undefined {
    const counts = this.#confusion;
    if (counts === undefined) return undefined;
    const classes = Math.sqrt(counts.length);
    const confusion = Array.from({ length: classes }, (_, i) => [...counts.subarray(i * classes, (i + 1) * classes)]);
    const perClass = confusion.map((row, i): ClassReport => {
      const [right, count] = [row[i]!, sum(row)];
      const taken = sum(confusion.map((other) => other[i]!));
      const [recall, precision] = [(100 * right) / count, (100 * right) / taken];
      return { label: this.#classes[i] ?? String(i), count, recall, precision, f1: (200 * right) / (count + taken) };
    });
    const off = Array.from(this.#seen, (_, b) => Math.abs(this.#confidence[b]! - this.#right[b]!));
    return {
      samples: this.#count,
      accuracy: (100 * sum(confusion.map((row, i) => row[i]!))) / this.#count,
      top5: classes > 5 ? (100 * this.#top5) / this.#count : undefined,
      calibrationError: (100 * sum(off)) / this.#count,
      ...{ perClass, confusion },
    };
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
