// Masked generative distillation: the student's features, masked at random, and what is to be generated from them.
import { z } from 'zod';

import { Conv2d, ReLU, Sequential } from '../../nn/index.ts';
import { count, entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { rand } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { requireMap } from './shapes.ts';

const own = {
  /** Channels of the student's features, which come in. */
  studentChannels: count,
  /** Channels of the teacher's, which go out. */
  teacherChannels: count,
  /** The probability that a position is masked, within [0, 1]. Default 0.65. */
  lambdaMgd: z.number().min(0).max(1).default(0.65),
  /** Mask whole channels in place of positions. Default false. */
  maskOnChannel: z.boolean().default(false),
};
/** Options of {@link MGDConnector}. */
export interface MGDConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * `Conv3x3(ReLU(Conv3x3(x m)))`: `(N, studentChannels, H, W)` to `(N, teacherChannels, H, W)`, where channels differ after a 1x1
 * convolution `align`. The mask `m`, `(N, 1, H, W)` or `(N, C, 1, 1)`, is 0 where a number drawn from `U[0, 1)` exceeds
 * `1 - lambdaMgd`, else 1; it is drawn anew in every call, in evaluation too, from libtorch's generator (`manualSeed`).
 *
 * Yang et al.: Masked Generative Distillation, arXiv 2205.01529.
 *
 * @example
 * ```ts
 * const connector = new MGDConnector({ studentChannels: 16, teacherChannels: 64, lambdaMgd: 0.5 });
 * const generated = connector.forward(randn([2, 16, 8, 8])); // (2, 64, 8, 8)
 * ```
 */
export class MGDConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = connectorSchema(own);
  readonly align: Conv2d | null;
  readonly generation: Sequential;

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: MGDConnectorOptions) {
    super(options);
    const { studentChannels, teacherChannels } = this.options;
    this.align =
      studentChannels === teacherChannels ? null : new Conv2d(studentChannels, teacherChannels, { kernelSize: 1 });
    const conv = (): Conv2d => new Conv2d(teacherChannels, teacherChannels, { kernelSize: 3, padding: 1 });
    this.generation = new Sequential(conv(), new ReLU({ inplace: true }), conv());
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireMap('MGDConnector', x, this.options.studentChannels, 'studentChannels');
    const aligned = this.align === null ? x : this.align.forward(x); // (N, teacherChannels, H, W)
    const [n, channels, height, width] = aligned.shape as [number, number, number, number];
    const size = this.options.maskOnChannel ? [n, channels, 1, 1] : [n, 1, height, width];
    const kept = rand(size)
      .le(1 - this.options.lambdaMgd)
      .to(aligned.dtype)
      .to({ device: aligned.device });
    return this.generation.forward(aligned.mul(kept));
  }
}

export const mgdConnector = entry(MGDConnector, {
  summary: "Generates features from the student's, masked at random.",
  paper: 'Yang et al. 2022, arXiv 2205.01529',
});
