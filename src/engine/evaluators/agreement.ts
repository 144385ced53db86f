// How alike two networks are on the same images: agreement of their first choice, KL divergence, CKA of their scores.
import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { Outputs } from '../../nn/index.ts';
import { keep, ops, Tensor, tidy } from '../../torch/index.ts';
import type { Metrics } from './evaluator.ts';

/** Sums over images from which linear CKA follows, in float64. */
class CkaSums {
  #count = 0;
  #sums: Tensor[] | undefined;

  /** @param x `(N, D1)` @param y `(N, D2)` */
  add(x: Tensor, y: Tensor): void {
    this.#count += x.shape[0]!;
    const sums = [x.sum(0), y.sum(0), x.t().mm(y), x.t().mm(x), y.t().mm(y)];
    if (this.#sums === undefined) this.#sums = sums.map((sum) => keep(sum));
    else this.#sums.forEach((sum, i) => void sum.add_(sums[i]!));
  }

  /** `|Xc^T Yc|^2 / (|Xc^T Xc| |Yc^T Yc|)` of the centered features. */
  result(): number {
    const [sx, sy, xy, xx, yy] = this.#sums!;
    const value = tidy(() => {
      const centered = (product: Tensor, a: Tensor, b: Tensor): Tensor =>
        product.sub(ops.outer(a, b).div(this.#count)).norm();
      const denominator = centered(xx!, sx!, sx!).mul(centered(yy!, sy!, sy!));
      return centered(xy!, sx!, sy!).square().div(denominator).item();
    });
    for (const sum of this.#sums!) sum.dispose();
    return value;
  }
}

/**
 * Compares the scores of two networks over batches `(N, K)`:
 * - `agreement`: share of images with the same highest class, in percent;
 * - `kl`: mean of `KL(softmax(teacher) || softmax(student))`, in nats; a class that the teacher rules out (-Infinity) adds nothing;
 * - `cka`: linear centered kernel alignment of the scores, 0 to 1. Kornblith et al. 2019, arXiv 1905.00414.
 */
export class AgreementMetric {
  readonly #cka = new CkaSums();
  #same = 0;
  #kl = 0;
  #seen = 0;

  /** @throws {RetortError} for what is not scores `(N, K)`, and for other shapes: networks of other classes do not agree or disagree. */
  update(student: Outputs, teacher: Outputs): void {
    const shown = (outputs: Outputs): string =>
      outputs instanceof Tensor ? `(${outputs.shape.join(', ')})` : 'several tensors';
    if (!isScores(student) || !isScores(teacher)) {
      const [who, got] = isScores(student) ? ['teacher', teacher] : ['student', student];
      throw new RetortError(`agreement: expected scores (N, K) of both networks, got ${shown(got)} from the ${who}`, {
        code: 'mismatch',
        help: 'leave agreement out: it compares classifiers of images',
      });
    }
    if (student.shape.join() !== teacher.shape.join()) {
      throw new RetortError(
        `agreement: the teacher's scores ${shown(teacher)} cannot be compared with the student's ${shown(student)}`,
        { code: 'mismatch', help: 'both must have the same classes; leave agreement out to distill features only' },
      );
    }
    tidy(() => {
      const [s, t] = [student.to('float64'), teacher.to('float64')];
      this.#same += s.argmax(1).eq(t.argmax(1)).sum().item();
      this.#kl += functional.klTerms(t.logSoftmax(1), s.logSoftmax(1)).sum().item();
      this.#cka.add(s, t);
      this.#seen += s.shape[0]!;
    });
  }

  /** The numbers over all batches; called once, at the end. */
  compute(): Metrics {
    return { agreement: (100 * this.#same) / this.#seen, kl: this.#kl / this.#seen, cka: this.#cka.result() };
  }
}

const isScores = (outputs: Outputs): outputs is Tensor => outputs instanceof Tensor && outputs.ndim === 2;
