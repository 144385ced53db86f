// Style: the Gram matrix of a map's channels, where the positions are summed out.
import type { Tensor } from '../../torch/index.ts';
import { gram } from './common/pairwise.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link GramLoss}. */
export type GramLossOptions = TeacherOptions;
/** Maps `(N, C, H, W)`; height and width may differ, the channels may not. */
export type GramLossArguments = FeaturePair;

/**
 * `lossWeight * mean_n |G(s_n) - G(t_n)|_F^2 / (4 C^2)`, where `G_ij` is the mean over positions of channel `i` times channel
 * `j`: the paper's style loss of a layer, `1 / (4 C^2 M^2)` with `M = H W`, for maps that may differ in size.
 *
 * Gatys, Ecker, Bethge: A Neural Algorithm of Artistic Style, arXiv 1508.06576.
 *
 * @example
 * ```ts
 * const loss = new GramLoss();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class GramLoss extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'Squared difference of Gram matrices of channels (style loss).',
    paper: 'Gatys, Ecker, Bethge 2015, arXiv 1508.06576',
  };
  static override readonly schema = teacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: GramLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} for features that are not maps, or of batches or channels that differ. */
  override forward({ sFeature, tFeature }: GramLossArguments): Tensor {
    requireRank('GramLoss', ['sFeature', sFeature], [4], '(N, C, H, W)');
    requireRank('GramLoss', ['tFeature', tFeature], [4], '(N, C, H, W)');
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (map) => {
      const channels = map.flatten(2); // (N, C, H W)
      return gram(channels).div(channels.shape[2]!);
    });
    requireSameShape('GramLoss', ['the Gram matrices of sFeature', student], ['those of tFeature', teacher]); // (N, C, C)
    return this.weigh(student.sub(teacher).square().mean(), 0.25);
  }
}
