// Similarity preserving: what looks alike to the teacher should look alike to the student.
import type { Tensor } from '../../torch/index.ts';
import { flattened, gram, unit } from './common/pairwise.ts';
import { requireSameBatch } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link SPLoss}. */
export type SPLossOptions = TeacherOptions;
/** Features `(N, ...)`; only N must agree. */
export type SPLossArguments = FeaturePair;

/**
 * `lossWeight * |G(sFeature) - G(tFeature)|_F^2 / N^2`, where `G` is `X X^T` of the flattened samples `X`, each row divided by
 * its length. The two sides may differ in everything but the number of samples: no connector is needed.
 *
 * Tung, Mori: Similarity-Preserving Knowledge Distillation, arXiv 1907.09682.
 *
 * @example
 * ```ts
 * const loss = new SPLoss({ lossWeight: 3000 });
 * const value = loss.forward({ sFeature: randn([8, 64]), tFeature: randn([8, 64]) }); // a scalar
 * ```
 */
export class SPLoss extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'Similarity of samples within the batch is preserved.',
    paper: 'Tung, Mori 2019, arXiv 1907.09682',
  };
  static override readonly schema = teacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: SPLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ sFeature, tFeature }: SPLossArguments): Tensor {
    requireSameBatch('SPLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (x) =>
      unit(gram(flattened(x))),
    ); // (N, N)
    return this.weigh(student.sub(teacher).square().mean());
  }
}
