// Feature-based knowledge distillation, the student's side: masks, adapted features and adapted relations.
import { Conv2d, Linear } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector } from './connector.ts';
import { channelMask, fbkdSchema, nonLocalOf, requireFeatures, spatialMask } from './fbkd.ts';
import type { FBKDOptions, FBKDSettings, PooledNonLocal2d } from './fbkd.ts';

/**
 * `(N, C, H, W)` to `[spatialMask, channelMask, channelPoolAdapt, spatialPoolAdapt, relationAdapt, featAdapt]`:
 *
 * - `H W softmax(mean_c |x| / spatialTau)`, `(N, 1, H, W)`, and `C softmax(mean_hw |x| / channelTau)`, `(N, C, 1, 1)`;
 * - `Linear(mean_hw x)`, `(N, C)`, and `Conv3x3(mean_c x)`, `(N, 1, H, W)`;
 * - `Conv1x1(NonLocal(x))` and `Conv1x1(x)`, `(N, C, H, W)`.
 *
 * With `subSample` the non-local block pools once, by `maxpoolStride`; under `compat` by 2 and then by `maxpoolStride`, as in
 * MMRazor. Zhang, Ma: Improve Object Detection with Feature-based Knowledge Distillation, ICLR 2021.
 *
 * @example
 * ```ts
 * const connector = new FBKDStudentConnector({ inChannels: 16 });
 * const sInput = connector.forward(randn([2, 16, 8, 8])); // six tensors, for FBKDLoss
 * ```
 */
export class FBKDStudentConnector extends Connector<FBKDSettings> {
  static override readonly schema = fbkdSchema;
  readonly channel_wise_adaptation: Linear;
  readonly spatial_wise_adaptation: Conv2d;
  readonly adaptation_layers: Conv2d;
  readonly student_non_local: PooledNonLocal2d;
  readonly non_local_adaptation: Conv2d;

  /** @throws {RetortError} for options that make no sense, and what the block refuses. */
  constructor(options: FBKDOptions) {
    super(options);
    const { inChannels } = this.options;
    this.channel_wise_adaptation = new Linear(inChannels, inChannels);
    this.spatial_wise_adaptation = new Conv2d(1, 1, { kernelSize: 3, padding: 1 });
    this.adaptation_layers = new Conv2d(inChannels, inChannels, { kernelSize: 1 });
    this.student_non_local = nonLocalOf(this.options);
    this.non_local_adaptation = new Conv2d(inChannels, inChannels, { kernelSize: 1 });
    this.initialize();
  }

  override forward(x: Tensor): Tensor[] {
    requireFeatures('FBKDStudentConnector', x, this.student_non_local);
    return [
      spatialMask(x, this.options.spatialTau),
      channelMask(x, this.options.channelTau),
      this.channel_wise_adaptation.forward(x.mean([2, 3])),
      this.spatial_wise_adaptation.forward(x.mean([1], true)),
      this.non_local_adaptation.forward(this.student_non_local.forward(x)),
      this.adaptation_layers.forward(x),
    ];
  }
}

export const fbkdStudentConnector = entry(FBKDStudentConnector, {
  summary: "Masks and adapted features and relations of a detector's student.",
  paper: 'Zhang, Ma 2021, ICLR',
});
