// Attention transfer: where in the image the network is active, whatever the channel.
import type { Tensor } from '../../torch/index.ts';
import { direction } from './common/roots.ts';
import { requireSamePlaces } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { FeaturePair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link ATLoss}. */
export type ATLossOptions = OpenTeacherOptions;
/** Feature maps `(N, C, H, W)` (or fewer or more positions); the channels may differ. */
export type ATLossArguments = FeaturePair;

/**
 * `lossWeight * mean (A(s) - A(t))^2`, `A(x) = a / |a|` of each sample, `a = mean_c x_c^2` over the positions.
 *
 * Zagoruyko, Komodakis: Paying More Attention to Attention, arXiv 1612.03928.
 *
 * @example
 * ```ts
 * const loss = new ATLoss({ lossWeight: 1000 });
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class ATLoss extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'Squared difference of normalized spatial attention maps.',
    paper: 'Zagoruyko, Komodakis 2017 (AT), arXiv 1612.03928',
  };
  static override readonly schema = openTeacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: ATLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when samples or positions differ. */
  override forward({ sFeature, tFeature }: ATLossArguments): Tensor {
    requireSamePlaces('ATLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach).map((maps) => attention(maps));
    return this.weigh(student!.sub(teacher!).square().mean());
  }
}

/** `(N, C, ...)` to unit vectors over the positions, `(N, P)`. */
function attention(maps: Tensor): Tensor {
  return direction(
    maps
      .square()
      .mean(1)
      .reshape([maps.shape[0] ?? 1, -1]),
  );
}
