// Mean squared difference of features, brought to one size: the loss of SimKD.
import type { Tensor } from '../../torch/index.ts';
import { toSmaller } from './common/pooling.ts';
import { requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link FeatureMSE}. */
export type FeatureMSEOptions = TeacherOptions;
/** Features of one shape; maps `(N, C, H, W)` may differ in height and width. */
export type FeatureMSEArguments = FeaturePair;

/**
 * `lossWeight * mean (sFeature - tFeature)^2` over all elements; of maps, the larger is average-pooled to the smaller first.
 *
 * Chen et al.: Knowledge Distillation with the Reused Teacher Classifier (SimKD), arXiv 2203.14001: a connector before it, and
 * the teacher's classifier put on the student afterwards. Without either, FitNets' hint (arXiv 1412.6550).
 *
 * @example
 * ```ts
 * const loss = new FeatureMSE();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class FeatureMSE extends DistillLoss<TeacherSettings> {
  static readonly about = {
    summary: 'Mean squared difference of features, the larger map pooled.',
    paper: 'Chen et al. 2022 (SimKD), arXiv 2203.14001',
  };
  static override readonly schema = teacherSchema({});
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: FeatureMSEOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ in more than height and width. */
  override forward({ sFeature, tFeature }: FeatureMSEArguments): Tensor {
    const [student, teacher] = toSmaller(...sides(sFeature, tFeature, this.options.teacherDetach));
    requireSameShape('FeatureMSE', ['sFeature', student], ['tFeature', teacher]);
    return this.weigh(student.sub(teacher).square().mean());
  }
}
