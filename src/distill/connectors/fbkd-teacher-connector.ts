// Feature-based knowledge distillation, the teacher's side: masks and relations.
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector } from './connector.ts';
import { channelMask, fbkdSchema, nonLocalOf, requireFeatures, spatialMask } from './fbkd.ts';
import type { FBKDOptions, FBKDSettings, PooledNonLocal2d } from './fbkd.ts';

/**
 * `(N, C, H, W)` to `[spatialMask, channelMask, spatialPool, relation, x]`: the masks as in {@link FBKDStudentConnector},
 * `mean_c x`, `(N, 1, H, W)`, `NonLocal(x)`, `(N, C, H, W)`, and x itself. The block is trained with the student's.
 *
 * Zhang, Ma: Improve Object Detection with Feature-based Knowledge Distillation, ICLR 2021.
 *
 * @example
 * ```ts
 * const connector = new FBKDTeacherConnector({ inChannels: 16 });
 * const tInput = connector.forward(randn([2, 16, 8, 8])); // five tensors, for FBKDLoss
 * ```
 */
export class FBKDTeacherConnector extends Connector<FBKDSettings> {
  static override readonly schema = fbkdSchema;
  readonly teacher_non_local: PooledNonLocal2d;

  /** @throws {RetortError} for options that make no sense, and what the block refuses. */
  constructor(options: FBKDOptions) {
    super(options);
    this.teacher_non_local = nonLocalOf(this.options);
    this.initialize();
  }

  override forward(x: Tensor): Tensor[] {
    requireFeatures('FBKDTeacherConnector', x, this.teacher_non_local);
    const relation = this.teacher_non_local.forward(x);
    return [
      spatialMask(x, this.options.spatialTau),
      channelMask(x, this.options.channelTau),
      x.mean([1], true),
      relation,
      x,
    ];
  }
}

export const fbkdTeacherConnector = entry(FBKDTeacherConnector, {
  summary: "Masks and relations of a detector's teacher.",
  paper: 'Zhang, Ma 2021, ICLR',
});
