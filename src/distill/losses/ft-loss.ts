// Factor transfer: the factors of a paraphraser (teacher) and a translator (student), by direction.
import { functional } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { flattened } from './common/pairwise.ts';
import { direction } from './common/roots.ts';
import { requireSameShape } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { FeaturePair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link FTLoss}. */
export type FTLossOptions = OpenTeacherOptions;
/** Factors of one shape, `(N, ...)`. */
export type FTLossArguments = FeaturePair;

/**
 * `lossWeight * mean |s / |s| - t / |t||`, each sample a vector, the mean over its numbers.
 *
 * Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, arXiv 1802.04977.
 *
 * @example
 * ```ts
 * const loss = new FTLoss({ lossWeight: 200 });
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class FTLoss extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'Absolute difference of normalized factors.',
    paper: 'Kim, Park, Kwak 2018 (factor transfer), arXiv 1802.04977',
  };
  static override readonly schema = openTeacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: FTLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: FTLossArguments): Tensor {
    if (!this.original) requireSameShape('FTLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach).map((x) =>
      direction(flattened(x)),
    );
    return this.weigh(functional.l1Loss(student!, teacher!));
  }
}
