// Channel-wise distillation: where in the image each channel looks.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { requireRank, requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair } from './sides.ts';

export interface ChannelWiseDivergenceOptions extends OpenTeacherOptions {
  /** Temperature. Default 1. */
  tau?: number;
}

/** Feature or score maps, `(N, C, H, W)`. */
export type ChannelWiseDivergenceArguments = LogitPair;

/**
 * `lossWeight * tau^2 / (N C) * sum_nc KL(softmax(predsT_nc / tau) || softmax(predsS_nc / tau))`, each softmax over the places of
 * a channel.
 *
 * Shu et al.: Channel-wise Knowledge Distillation for Dense Prediction, arXiv 2011.13256.
 */
export class ChannelWiseDivergence extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly tau: number;
  readonly teacherDetach: boolean;

  constructor(options: ChannelWiseDivergenceOptions = {}) {
    super(options);
    const { tau = 1, teacherDetach = false } = options;
    this.tau = tau;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: ChannelWiseDivergenceArguments): Tensor {
    requireRank('ChannelWiseDivergence', ['predsS', predsS], [4], '(N, C, H, W)');
    requireSameShape('ChannelWiseDivergence', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach).map(
      (maps) => maps.flatten(0, 1).flatten(1).div(this.tau).logSoftmax(1), // (N C, H W)
    );
    const divergence = functional.klDiv(student!, teacher!, { reduction: 'batchmean', logTarget: true });
    return this.weigh(divergence, this.tau ** 2);
  }
}

export const channelWiseDivergence = entry(
  teacherSchema({ tau: z.number().positive().exactOptional() }),
  (options) => new ChannelWiseDivergence(options),
  {
    summary: 'KL divergence between the places of each channel, for dense prediction.',
    paper: 'Shu et al. 2021 (CWD), arXiv 2011.13256',
  },
);
