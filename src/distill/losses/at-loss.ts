// Attention transfer: where in the image the network is active, whatever the channel.
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { direction } from './roots.ts';
import { requireSamePlaces } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { FeaturePair } from './sides.ts';

export type ATLossOptions = OpenTeacherOptions;
/** Feature maps `(N, C, H, W)` (or fewer or more places); the channels may differ. */
export type ATLossArguments = FeaturePair;

/**
 * `lossWeight * mean (A(s) - A(t))^2`, `A(x) = a / |a|` of each sample, `a = mean_c x_c^2` over the places.
 *
 * Zagoruyko, Komodakis: Paying More Attention to Attention, arXiv 1612.03928.
 */
export class ATLoss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly teacherDetach: boolean;

  constructor(options: ATLossOptions = {}) {
    super(options);
    this.teacherDetach = options.teacherDetach ?? false;
  }

  /** @throws {RetortError} when samples or places differ. */
  override forward({ sFeature, tFeature }: ATLossArguments): Tensor {
    requireSamePlaces('ATLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.teacherDetach).map((maps) => attention(maps));
    return this.weigh(student!.sub(teacher!).square().mean());
  }
}

/** `(N, C, ...)` to unit vectors over the places, `(N, P)`. */
function attention(maps: Tensor): Tensor {
  return direction(
    maps
      .square()
      .mean(1)
      .reshape([maps.shape[0] ?? 1, -1]),
  );
}

export const atLoss = entry(teacherSchema({}), (options) => new ATLoss(options), {
  summary: 'Squared difference of normalised spatial attention maps.',
  paper: 'Zagoruyko, Komodakis 2017 (AT), arXiv 1612.03928',
});
