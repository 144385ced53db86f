// Centered kernel alignment: one number for how alike two representations are, whatever their rotation and scale.
import type { Tensor } from '../../torch/index.ts';
import { doublyCentered, flattened, gram, unit } from './common/pairwise.ts';
import { requireSameBatch } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link CKALoss}. */
export type CKALossOptions = TeacherOptions;
/** Features `(N, ...)`; only N must agree. */
export type CKALossArguments = FeaturePair;

/**
 * `lossWeight * (1 - CKA)`, `CKA = <K, L>_F / (|K|_F |L|_F)`, where `K = H X X^T H` and `L = H Y Y^T H` are the centered Gram
 * matrices of the flattened samples. 0 where one side is the other rotated and scaled; 1 for a batch of one, which tells
 * nothing.
 *
 * Kornblith, Norouzi, Lee, Hinton: Similarity of Neural Network Representations Revisited, arXiv 1905.00414; as a loss: Saha,
 * Bialkowski, Khalifa: Distilling Representational Similarity using Centered Kernel Alignment, BMVC 2022.
 *
 * @example
 * ```ts
 * const loss = new CKALoss();
 * const value = loss.forward({ sFeature: randn([8, 64]), tFeature: randn([8, 64]) }); // a scalar
 * ```
 */
export class CKALoss extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'One minus the centered kernel alignment of two representations.',
    paper: 'Kornblith, Norouzi, Lee, Hinton 2019, arXiv 1905.00414; as a loss Saha et al., BMVC 2022',
  };
  static override readonly schema = teacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CKALossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ sFeature, tFeature }: CKALossArguments): Tensor {
    requireSameBatch('CKALoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (x) =>
      unit(doublyCentered(gram(flattened(x))), [0, 1]),
    ); // (N, N)
    return this.weigh(student.mul(teacher).sum().neg().add(1));
  }
}
