// DeiT: a vision transformer with a second token, which learns from a teacher.
import { entry } from '../../../registry/index.ts';
import type { Parameter } from '../../../nn/index.ts';
import { visionTransformerOptions } from './options.ts';
import type { VisionTransformerOptions } from './options.ts';
import { VisionTransformer } from './vision-transformer.ts';

/**
 * A {@link VisionTransformer} that returns `[patches, clsToken, distToken]`; `arch` is `'deit-base'` by default.
 * Touvron et al. 2020, arXiv 2012.12877.
 *
 * @example
 * ```ts
 * const backbone = new DistilledVisionTransformer({ arch: 'deit-tiny', imgSize: 32 });
 * const [features] = backbone.forward(randn([1, 3, 32, 32]));
 * ```
 */
export class DistilledVisionTransformer extends VisionTransformer {
  static override readonly schema = visionTransformerOptions;
  /** `(1, 1, embedDims)`. */
  declare dist_token: Parameter;

  constructor(options: VisionTransformerOptions = {}) {
    super({ ...options, arch: options.arch ?? 'deit-base' }, ['cls_token', 'dist_token']);
  }
}

export const distilledVisionTransformerEntry = entry(DistilledVisionTransformer, {
  summary: 'DeiT: a vision transformer with a distillation token.',
  paper: 'Touvron et al. 2020, arXiv 2012.12877',
});
