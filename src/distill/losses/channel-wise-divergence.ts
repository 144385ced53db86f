// Channel-wise distillation: where in the image each channel looks.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { LogitPair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Temperature. Default 1. */
  tau: z.number().positive().default(1),
};
/** Options of {@link ChannelWiseDivergence}. */
export interface ChannelWiseDivergenceOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** Feature or score maps, `(N, C, H, W)`. */
export type ChannelWiseDivergenceArguments = LogitPair;

/**
 * `lossWeight * tau^2 / (N C) * sum_nc KL(softmax(predsT_nc / tau) || softmax(predsS_nc / tau))`, each softmax over the positions of
 * a channel.
 *
 * Shu et al.: Channel-wise Knowledge Distillation for Dense Prediction, arXiv 2011.13256.
 *
 * @example
 * ```ts
 * const loss = new ChannelWiseDivergence({ tau: 4 });
 * const value = loss.forward({ predsS: randn([2, 19, 8, 8]), predsT: randn([2, 19, 8, 8]) }); // a scalar
 * ```
 */
export class ChannelWiseDivergence extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'KL divergence between the positions of each channel, for dense prediction.',
    paper: 'Shu et al. 2021 (CWD), arXiv 2011.13256',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: ChannelWiseDivergenceOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: ChannelWiseDivergenceArguments): Tensor {
    requireRank('ChannelWiseDivergence', ['predsS', predsS], [4], '(N, C, H, W)');
    requireSameShape('ChannelWiseDivergence', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach).map(
      (maps) => maps.flatten(0, 1).flatten(1).div(this.options.tau).logSoftmax(1), // (N C, H W)
    );
    const divergence = functional.klDiv(student!, teacher!, { reduction: 'batchmean', logTarget: true });
    return this.weigh(divergence, this.options.tau ** 2);
  }
}
