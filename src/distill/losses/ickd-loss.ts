// Inter-channel correlation: how alike the channels of a map are to each other.
import type { Tensor } from '../../torch/index.ts';
import { gram, unit } from './common/pairwise.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link ICKDLoss}. */
export type ICKDLossOptions = TeacherOptions;
/** Maps `(N, C, H, W)`; height and width may differ, the channels may not. */
export type ICKDLossArguments = FeaturePair;

/**
 * `lossWeight * 1 / (N C) * sum_n |G(s_n) - G(t_n)|_F^2`, where `G` is the `(C, C)` matrix of inner products of a sample's
 * channels, each row divided by its length. ICKD-C, as in the authors' code; the paper divides by `C^2` and does not name the
 * row's length.
 *
 * Liu et al.: Exploring Inter-Channel Correlation for Diversity-Preserved Knowledge Distillation, arXiv 2202.03680.
 *
 * @example
 * ```ts
 * const loss = new ICKDLoss();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class ICKDLoss extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'Correlations between the channels of each sample.',
    paper: 'Liu et al. 2021 (ICKD), arXiv 2202.03680',
  };
  static override readonly schema = teacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: ICKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} for features that are not maps, or of batches or channels that differ. */
  override forward({ sFeature, tFeature }: ICKDLossArguments): Tensor {
    requireRank('ICKDLoss', ['sFeature', sFeature], [4], '(N, C, H, W)');
    requireRank('ICKDLoss', ['tFeature', tFeature], [4], '(N, C, H, W)');
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (map) =>
      unit(gram(map.flatten(2))),
    );
    requireSameShape('ICKDLoss', ['the correlations of sFeature', student], ['those of tFeature', teacher]); // (N, C, C)
    return this.weigh(student.sub(teacher).square().sum([1, 2]).mean(), 1 / sFeature.shape[1]!);
  }
}
