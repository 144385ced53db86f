// Focal and global distillation for detectors: objects and background apart, attention, and the relations between positions.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Conv2d, Sequential } from '../../nn/index.ts';
import { aliased } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { boxesOf, focalMasks } from './common/focal-masks.ts';
import type { BoxSource } from './common/focal-masks.ts';
import { contextTransform, maskConv, withContext } from './common/global-context.ts';
import { requireRank, requireSameBatch, requireSameShape, shown } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Channels of the maps. */
  channels: z.int().positive(),
  /** Temperature of the attention. Default 0.5. */
  tau: z.number().positive().default(0.5),
  /** Weight of the foreground. Default 0.001. */
  alpha: z.number().nonnegative().default(0.001),
  /** Weight of the background. Default 0.0005. */
  beta: z.number().nonnegative().default(0.0005),
  /** Weight of the difference of attention. Default 0.001. */
  gamma: z.number().nonnegative().default(0.001),
  /** Weight of the global part. Default 0.000005. */
  lambda: z.number().nonnegative().default(0.000005),
};
/** Options of {@link FGDLoss}. */
export interface FGDLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}

/** Maps `(N, C, H, W)` of one shape; the boxes of each image. */
export interface FGDLossArguments extends FeaturePair, BoxSource {
  /** The images, `(N, channels, height, width)`, for their size: map it to `{ field: 'inputs' }`. */
  inputs: Tensor;
}

/**
 * `lossWeight * (alpha F(foreground) + beta F(background) + gamma A + lambda G)`, all sums divided by N. With the attention of
 * a map `x`, `P(x) = H W softmax_places(mean_c |x| / tau)` and `Q(x) = C softmax_channels(mean_places |x| /
 * tau)`: `F(mask) = sum mask P(t) Q(t) (s - t)^2`, `A = sum |P(s) - P(t)| + sum |Q(s) - Q(t)|` and `G = sum (R_s(s) -
 * R_t(t))^2`, where `R` is a global context block of each side, trained with the student. As in the authors' code; a connector
 * takes the place of its `align`. Masks weigh a position within boxes by the area of the smallest of them.
 *
 * Yang et al.: Focal and Global Knowledge Distillation for Detectors, arXiv 2111.11837.
 *
 * @example
 * ```ts
 * const loss = new FGDLoss({ channels: 16 });
 * const value = loss.forward({
 *   sFeature: randn([1, 16, 8, 8]),
 *   tFeature: randn([1, 16, 8, 8]),
 *   inputs: randn([1, 3, 64, 64]),
 *   boxes: [[[4, 4, 40, 32]]],
 * }); // a scalar
 * ```
 */
export class FGDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Objects, background, attention and global relations of detector features.',
    paper: 'Yang et al. 2021 (FGD), arXiv 2111.11837',
  };
  static override readonly schema = aliased(teacherSchema(own), { temperature: 'tau' });
  override readonly inputs = {
    required: ['sFeature', 'tFeature', 'inputs'],
    optional: ['boxes', 'dataSamples'],
  };
  readonly conv_mask_s: Conv2d;
  readonly conv_mask_t: Conv2d;
  readonly channel_add_conv_s: Sequential;
  readonly channel_add_conv_t: Sequential;

  constructor(options: FGDLossOptions) {
    super(options);
    const { channels } = this.options;
    this.conv_mask_s = maskConv(channels);
    this.conv_mask_t = maskConv(channels);
    this.channel_add_conv_s = contextTransform(channels);
    this.channel_add_conv_t = contextTransform(channels);
  }

  /** @throws {RetortError} for maps of other shapes or channels, or not one list of boxes for each image. */
  override forward(args: FGDLossArguments): Tensor {
    this.#check(args);
    const [student, teacher] = sides(args.sFeature, args.tFeature, this.options.teacherDetach);
    const [n, , height, width] = student.shape as [number, number, number, number];
    const image = args.inputs.shape.slice(2) as [number, number];
    const masks = focalMasks(boxesOf('FGDLoss', args, n), { image, map: [height, width] });
    const [ours, theirs] = [this.#attention(student), this.#attention(teacher)];
    const squares = student.sub(teacher).square().mul(theirs.positions).mul(theirs.channels);
    const within = (mask: Tensor): Tensor => squares.mul(mask.to(squares)).sum();
    const attention = ours.positions
      .sub(theirs.positions)
      .abs()
      .sum()
      .add(ours.channels.sub(theirs.channels).abs().sum());
    const related = withContext(student, this.conv_mask_s, this.channel_add_conv_s).sub(
      withContext(teacher, this.conv_mask_t, this.channel_add_conv_t),
    );
    const { alpha, beta, gamma, lambda } = this.options;
    const total = within(masks.foreground)
      .mul(alpha)
      .add(within(masks.background).mul(beta))
      .add(attention.mul(gamma))
      .add(related.square().sum().mul(lambda));
    return this.weigh(total, 1 / n);
  }

  /** Of positions, `(N, 1, H, W)`, and of channels, `(N, C, 1, 1)`. */
  #attention(map: Tensor): { positions: Tensor; channels: Tensor } {
    const [, c, height, width] = map.shape as [number, number, number, number];
    const size = map.abs();
    const positions = size
      .mean(1, true)
      .div(this.options.tau)
      .flatten(2)
      .softmax(2)
      .mul(height * width);
    const channels = size.mean([2, 3], true).div(this.options.tau).softmax(1).mul(c);
    return { positions: positions.view([-1, 1, height, width]), channels };
  }

  #check({ sFeature, tFeature, inputs }: FGDLossArguments): void {
    requireSameShape('FGDLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    requireRank('FGDLoss', ['sFeature', sFeature], [4], '(N, C, H, W)');
    requireRank('FGDLoss', ['inputs', inputs], [4], '(N, channels, height, width)');
    requireSameBatch('FGDLoss', ['sFeature', sFeature], ['inputs', inputs]);
    if (sFeature.shape[1] === this.options.channels) return;
    throw new RetortError(
      `FGDLoss: sFeature: expected ${this.options.channels} channels, got ${shown(sFeature.shape)}`,
      {
        help: 'give the option channels as many as the maps have',
      },
    );
  }
}
