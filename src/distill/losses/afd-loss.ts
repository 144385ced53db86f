// Attention-based feature distillation: which layers of the student learn from which of the teacher is itself learned.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { stack } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { LayerAttention } from './common/layer-attention.ts';
import { unit } from './common/pairwise.ts';
import { pooledTo } from './common/pooling.ts';
import { requireRank, requireSameBatch, shown } from './common/shapes.ts';
import { teacherSchema, teacherSide, widened } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Channels of each of the student's maps. */
  sChannels: z.array(z.int().positive()).min(1).readonly(),
  /** Channels of each of the teacher's. */
  tChannels: z.array(z.int().positive()).min(1).readonly(),
  /** Width of queries and keys. Default 128. */
  qkDim: z.int().positive().default(128),
};
/** Options of {@link AFDLoss}. */
export interface AFDLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}

/** What {@link AFDLoss} compares. */
export interface AFDLossArguments {
  /** The student's maps `(N, C, H, W)` of several layers: map it to a list of records. */
  sFeatures: readonly Tensor[];
  /** The teacher's; another number of layers, channels and sizes is fine. */
  tFeatures: readonly Tensor[];
}

/**
 * `lossWeight * sum_t mean_n sum_s a_nts mean (v_nt - v_nst)^2`. `v` is the mean of squares over channels, flattened and
 * brought to length 1 (the student's first average-pooled to the teacher's size); `a` is learned by the module `attention`
 * and is trained with the student. Its batch norms want two samples at least while training.
 *
 * Ji, Heo, Park: Show, Attend and Distill: Knowledge Distillation via Attention-based Feature Matching, arXiv 2102.02973.
 *
 * @example
 * ```ts
 * const loss = new AFDLoss({ sChannels: [16, 32], tChannels: [16, 32] });
 * const value = loss.forward({
 *   sFeatures: [randn([2, 16, 8, 8]), randn([2, 32, 4, 4])],
 *   tFeatures: [randn([2, 16, 8, 8]), randn([2, 32, 4, 4])],
 * }); // a scalar
 * ```
 */
export class AFDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Features of several layers, their pairing learned by attention.',
    paper: 'Ji, Heo, Park 2021 (AFD), arXiv 2102.02973',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeatures', 'tFeatures'] };
  readonly attention: LayerAttention;

  constructor(options: AFDLossOptions) {
    super(options);
    this.attention = new LayerAttention(this.options);
  }

  /** @throws {RetortError} for lists of another length, or maps of other channels than the options say. */
  override forward({ sFeatures, tFeatures }: AFDLossArguments): Tensor {
    checkMaps('sFeatures', sFeatures, this.options.sChannels, sFeatures);
    checkMaps('tFeatures', tFeatures, this.options.tChannels, sFeatures);
    const student = sFeatures.map(widened);
    const teacher = tFeatures.map((map) => teacherSide(map, this.options.teacherDetach));
    const means = [student, teacher].map((maps) => maps.map((map) => map.mean([2, 3])));
    const attention = this.attention.forward(means[0]!, means[1]!); // (N, T, S)
    const terms = teacher.map((map, t) => {
      const [, , height, width] = map.shape as [number, number, number, number];
      const target = energy(map, [height, width]); // (N, H W)
      const differences = student.map((one) => energy(one, [height, width]).sub(target).square().mean(1)); // (N) each
      return stack(differences, 1).mul(attention.select(1, t)).sum(1).mean();
    });
    return this.weigh(terms.reduce((sum, term) => sum.add(term)));
  }
}

/** Mean of squares over channels, at a size, flattened, of length 1: `(N, C, H, W)` to `(N, height width)`. */
function energy(map: Tensor, size: readonly [height: number, width: number]): Tensor {
  return unit(pooledTo(map.square().mean(1, true), size).flatten(1));
}

/** Checks number, rank, batch and channels of one side's maps; the batch is that of the first map of the student. */
function checkMaps(
  name: string,
  maps: readonly Tensor[],
  channels: readonly number[],
  [first]: readonly Tensor[],
): void {
  if (!Array.isArray(maps) || maps.length !== channels.length) {
    const given = Array.isArray(maps) ? `${maps.length} maps` : 'no list';
    throw new RetortError(`AFDLoss: ${name}: expected a list of ${channels.length} maps, got ${given}`, {
      help: `map ${name} to a list of records, one for each entry of ${name === 'sFeatures' ? 'sChannels' : 'tChannels'}`,
    });
  }
  for (const [i, map] of (maps as readonly Tensor[]).entries()) {
    requireRank('AFDLoss', [`${name}[${i}]`, map], [4], '(N, C, H, W)');
    requireSameBatch('AFDLoss', ['sFeatures[0]', first!], [`${name}[${i}]`, map]);
    if (map.shape[1] === channels[i]) continue;
    throw new RetortError(`AFDLoss: ${name}[${i}]: expected ${channels[i]} channels, got shape ${shown(map.shape)}`);
  }
}
