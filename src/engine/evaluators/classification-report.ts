// All that is asked of a classifier at the end: accuracy by rank and by class, which classes it takes for which, and whether its
// probabilities are what they say.
import { RetortError } from '../../errors.ts';
import type { Outputs, Targets } from '../../nn/index.ts';
import { Tensor, tidy } from '../../torch/index.ts';
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
 * Counts over a whole evaluation. Networks that give no scores `(N, K)`, and samples without one class each, are not counted. A label
 * that is none of the K classes is never right, and in no row. Where a score is NaN the sample is taken for no class, and accuracy, top 5
 * and calibration are NaN.
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
  /** Samples of which a score is NaN. */
  #missing = 0;
  readonly #confidence = new Float64Array(bins);
  readonly #right = new Float64Array(bins);

  /** @param classes their names, in the order of the scores; classes beyond them are called by their numbers */
  constructor(classes: readonly string[] = []) {
    this.#classes = classes;
  }

  begin(): Metric {
    this.#confusion = undefined;
    this.#count = this.#top5 = this.#missing = 0;
    for (const sums of [this.#confidence, this.#right]) sums.fill(0);
    return {
      update: (outputs, targets) => this.#update(outputs, targets),
      compute: () => ({}),
    };
  }

  #update(outputs: Outputs, { labels }: Targets): void {
    if (!(outputs instanceof Tensor) || outputs.ndim !== 2 || labels?.ndim !== 1) return;
    const [samples, classes] = outputs.shape as [number, number];
    if (labels.shape[0] !== samples || classes === 0) return;
    const counts = (this.#confusion ??= new Float64Array(classes * classes));
    if (counts.length !== classes * classes) {
      throw new RetortError(
        `ClassificationReport: expected scores of ${Math.sqrt(counts.length)} classes, as before, got ${classes}`,
        { code: 'mismatch', help: 'a network gives as many scores for every batch' },
      );
    }
    tidy(() => {
      const all = outputs.to('float64');
      const [confidences, chosen, missing, actual] = [
        all.softmax(1).amax([1]),
        all.argmax(1).to('float64'),
        all.isnan().any(1).to('float64'),
        labels.to('float64'),
      ].map((one) => one.data() as Float64Array) as [Float64Array, Float64Array, Float64Array, Float64Array];
      if (classes > 5) this.#top5 += outputs.topk(5, 1)[1].eq(labels.unsqueeze(1)).sum().item();
      for (let i = 0; i < samples; i++) {
        const [is, taken, confidence] = [actual[i]!, chosen[i]!, confidences[i]!];
        this.#count++;
        if (missing[i] === 1) {
          this.#missing++;
          continue;
        }
        if (is >= 0 && is < classes) counts[is * classes + taken]!++;
        const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
        // Of infinite scores there is no probability: the sums become NaN, and say so.
        const at = Number.isNaN(bin) ? 0 : bin;
        this.#confidence[at]! += confidence;
        this.#right[at]! += is === taken ? 1 : 0;
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
    // As for accuracy: among scores that are NaN no class is the highest.
    const all = this.#missing > 0 ? NaN : this.#count;
    const off = Array.from(this.#right, (right, b) => Math.abs(this.#confidence[b]! - right));
    return {
      samples: this.#count,
      accuracy: (100 * sum(confusion.map((row, i) => row[i]!))) / all,
      top5: classes > 5 ? (100 * this.#top5) / all : undefined,
      calibrationError: (100 * sum(off)) / all,
      ...{ perClass, confusion },
    };
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
