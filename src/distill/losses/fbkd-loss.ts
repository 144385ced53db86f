// Feature-based distillation for detectors: features under the attention of both, what is pooled from them, and relations.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { aliased } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { root } from './common/roots.ts';
import { requireRank, requireSameShape, shown } from './common/shapes.ts';
import type { Named } from './common/shapes.ts';
import { openTeacherSchema, sides, widened } from './common/sides.ts';
import type { OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Weight of the features under the mask. Default 7e-5. */
  maskL2Weight: z.number().default(7e-5),
  /** Weight of what is pooled for each channel. Default 4e-3. */
  channelWeight: z.number().default(4e-3),
  /** Weight of what is pooled for each position. Default 4e-3. */
  spatialWeight: z.number().default(4e-3),
  /** Weight of the relations. Default 7e-5. */
  nonlocalWeight: z.number().default(7e-5),
};
/** Options of {@link FBKDLoss}. */
export interface FBKDLossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** What {@link FBKDLoss} compares. */
export interface FBKDLossArguments {
  /**
   * What FBKDStudentConnector gives: spatial mask `(N, 1, H, W)`, channel mask (not used), channel pool `(N, C)`, spatial pool
   * `(N, 1, H, W)`, relation `(N, C, H, W)`, features `(N, C, H, W)`.
   */
  sInput: readonly Tensor[];
  /** What FBKDTeacherConnector gives: spatial mask, channel mask (not used), spatial pool, relation, features. */
  tInput: readonly Tensor[];
}

/**
 * `lossWeight * (maskL2 sqrt(sum M (f_t - f_s)^2) + channel |mean_hw f_t - c_s| + spatial |p_t - p_s| + nonlocal |r_t - r_s|)`,
 * `M` the mean of both spatial masks, a constant; every norm is euclidean and over the whole batch. Gradients reach the
 * teacher's side: its relation is made by a connector that is trained.
 *
 * Zhang, Ma: Improve Object Detection with Feature-based Knowledge Distillation: Towards Accurate and Efficient Detectors,
 * ICLR 2021.
 *
 * @example
 * ```ts
 * const loss = new FBKDLoss();
 * const value = loss.forward({
 *   sInput: new FBKDStudentConnector({ inChannels: 16 }).forward(randn([2, 16, 4, 4])),
 *   tInput: new FBKDTeacherConnector({ inChannels: 16 }).forward(randn([2, 16, 4, 4])),
 * }); // a scalar
 * ```
 */
export class FBKDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Features under attention, pooled features and relations, for detectors.',
    paper: 'Zhang, Ma 2021 (FBKD), ICLR',
  };
  static override readonly schema = aliased(openTeacherSchema(own), { nonloaclWeight: 'nonlocalWeight' });
  override readonly inputs = { required: ['sInput', 'tInput'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: FBKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when there are not six and five tensors, or shapes do not agree. */
  override forward({ sInput, tInput }: FBKDLossArguments): Tensor {
    const [sMask, , sChannels, sPlaces, sRelation, sFeat] = parts('sInput', sInput, [6, 'FBKDStudentConnector']);
    const [tMask, , tPlaces, tRelation, tFeat] = parts('tInput', tInput, [5, 'FBKDTeacherConnector']);
    requireRank('FBKDLoss', ['tInput[4]', tFeat!], [4], '(N, C, H, W)');
    this.#checkMasks(sMask!, tMask!, tFeat!);
    const mask = widened(sMask!).add(widened(tMask!)).div(2).detach();
    const features = this.#difference(['sInput[5]', sFeat!], ['tInput[4]', tFeat!]);
    const pooled = widened(tFeat!).mean([2, 3]); // (N, C)
    const distances = [
      root(features.square().mul(mask).sum()).mul(this.options.maskL2Weight),
      this.#distance(['sInput[2]', sChannels!], ['mean of tInput[4]', pooled]).mul(this.options.channelWeight),
      this.#distance(['sInput[3]', sPlaces!], ['tInput[2]', tPlaces!]).mul(this.options.spatialWeight),
      this.#distance(['sInput[4]', sRelation!], ['tInput[3]', tRelation!]).mul(this.options.nonlocalWeight),
    ];
    return this.weigh(distances.reduce((total, one) => total.add(one)));
  }

  #checkMasks(sMask: Tensor, tMask: Tensor, tFeat: Tensor): void {
    this.#same(['sInput[0]', sMask], ['tInput[0]', tMask]);
    const [n, , height, width] = tFeat.shape;
    const expected = shown([n!, 1, height!, width!]);
    if (this.original || shown(sMask.shape) === expected) return;
    throw new RetortError(
      `FBKDLoss: sInput[0]: expected a mask ${expected} for tInput[4] ${shown(tFeat.shape)}, got ${shown(sMask.shape)}`,
    );
  }

  #same(student: Named, teacher: Named): void {
    if (!this.original) requireSameShape('FBKDLoss', student, teacher);
  }

  #difference(student: Named, teacher: Named): Tensor {
    this.#same(student, teacher);
    const [ours, theirs] = sides(student[1], teacher[1], this.options.teacherDetach);
    return theirs.sub(ours);
  }

  #distance(student: Named, teacher: Named): Tensor {
    return root(this.#difference(student, teacher).square().sum());
  }
}

function parts(
  name: string,
  given: readonly Tensor[],
  [count, connector]: readonly [number, string],
): readonly Tensor[] {
  if (Array.isArray(given) && given.length === count) return given;
  const got = Array.isArray(given) ? `a list of ${given.length}` : 'one tensor';
  throw new RetortError(`FBKDLoss: ${name}: expected a list of ${count} tensors, got ${got}`, {
    help: `map ${name} through ${connector}, without connectorIdx`,
  });
}
