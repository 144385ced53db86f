// What Mixup and CutMix share: which images are mixed, with what weight, and the labels that come of it. A batch makes one choice,
// which depends on the samples in it and not on their order.
import { RetortError } from '../../errors.ts';
import { classShares, integers } from '../../nn/index.ts';
import type { Targets } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { BatchContext } from './transform.ts';
import { uniforms } from './transform.ts';

/** For each image the place of another one: they stand in a random circle, and each gets its neighbor. */
export function partnersOf(context: BatchContext, stream: number): number[] {
  const places = uniforms(context, stream)
    .map((place, i) => ({ place, i, sample: context.samples[i]! }))
    .toSorted((a, b) => a.place - b.place || a.sample - b.sample);
  const partners: number[] = [];
  places.forEach(({ i }, k) => (partners[i] = places[(k + 1) % places.length]!.i));
  return partners;
}

/** A batch's images, or rows of targets, in the order of their partners. */
export function ofPartners(batch: Tensor, partners: readonly number[]): Tensor {
  return batch.indexSelect(0, integers(partners));
}

/** Targets whose `scores` are `weight` of the samples' own classes and `1 - weight` of their partners', in float64. */
export function mixTargets(
  targets: Targets,
  partners: readonly number[],
  { weight, numClasses }: { weight: number; numClasses: number },
): Targets {
  const own = classShares('mixing', targets, targets.scores?.shape[1] ?? requireNamed(numClasses, targets));
  return { ...targets, scores: own.mul(weight).add(ofPartners(own, partners).mul(1 - weight)) };
}

/** How many classes there are. @throws {RetortError} for a data set that does not say: shares of none cannot be mixed. */
function requireNamed(numClasses: number, { labels }: Targets): number {
  if (labels?.ndim !== 1) {
    const got = labels === undefined ? 'none' : `(${labels.shape.join(', ')})`;
    throw new RetortError(`mixing: targets: labels: expected (N), one class per sample, got ${got}`, {
      help: 'Mixup and CutMix go with a data set of classes: leave them out',
    });
  }
  if (numClasses > 0) return numClasses;
  throw new RetortError('mixing: dataset: expected names of classes, of which labels are mixed, got classes: []', {
    help: "give the data set its classes: ['cat', 'dog', ...], or its targets as scores (N, K)",
  });
}

/** A number of the distribution Beta(alpha, alpha): `x / (x + y)` of two Gamma numbers. */
export function drawBeta(alpha: number, draw: () => number): number {
  const [x, y] = [drawGamma(alpha, draw), drawGamma(alpha, draw)];
  return x + y > 0 ? x / (x + y) : draw() < 0.5 ? 0 : 1;
}

/** Marsaglia, Tsang: A Simple Method for Generating Gamma Variables, 2000; below 1 through Gamma(alpha + 1). */
function drawGamma(alpha: number, draw: () => number): number {
  if (alpha < 1) return drawGamma(alpha + 1, draw) * (1 - draw()) ** (1 / alpha);
  const d = alpha - 1 / 3;
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    const v = (1 + normal / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - draw()) < normal ** 2 / 2 + d * (1 - v + Math.log(v))) return d * v;
  }
}
