// Probabilistic knowledge transfer: how probable each sample thinks the others are.
import type { Tensor } from '../../torch/index.ts';
import { cosines, flattened } from './common/pairwise.ts';
import { requireSameBatch } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link PKTLoss}. */
export type PKTLossOptions = TeacherOptions;
/** Features `(N, ...)`; only N must agree. */
export type PKTLossArguments = FeaturePair;

const eps = 1e-7;

/**
 * `lossWeight * mean_ij p_ij log((p_ij + 1e-7) / (q_ij + 1e-7))`, where `p_ij` is `(1 + cos(t_i, t_j)) / 2` divided by its sum
 * over `j`, and `q` the same of the student. As in the authors' code; the paper leaves out `i = j` and sums over pairs.
 *
 * Passalis, Tefas: Learning Deep Representations with Probabilistic Knowledge Transfer, arXiv 1803.10837.
 *
 * @example
 * ```ts
 * const loss = new PKTLoss();
 * const value = loss.forward({ sFeature: randn([8, 64]), tFeature: randn([8, 64]) }); // a scalar
 * ```
 */
export class PKTLoss extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'Probabilities of samples given each other, by cosine similarity.',
    paper: 'Passalis, Tefas 2018, arXiv 1803.10837',
  };
  static override readonly schema = teacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: PKTLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ sFeature, tFeature }: PKTLossArguments): Tensor {
    requireSameBatch('PKTLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [q, p] = both(sides(sFeature, tFeature, this.options.teacherDetach), conditional);
    return this.weigh(p.mul(p.add(eps).log().sub(q.add(eps).log())).mean());
  }
}

/** `(N, ...)` to `(N, N)`, each row a distribution. */
function conditional(feature: Tensor): Tensor {
  const kernel = cosines(flattened(feature)).clampMin(-1).add(1); // rounding may take a cosine below -1
  return kernel.div(kernel.sum(1, true));
}
