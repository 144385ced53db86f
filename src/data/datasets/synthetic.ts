// Images generated from a seed: each class has a pattern of its own, with noise. For tests and examples without data.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import { Generator, ops, tidy } from '../../torch/index.ts';
import { numberedClasses } from '../classes.ts';
import { InMemoryImages } from './in-memory.ts';

const count = z.number().int().positive();

/** Options of {@link SyntheticImages}. */
export interface SyntheticImagesOptions {
  /** Default 256. */
  samples?: number;
  /** Default 4. */
  numClasses?: number;
  /** `(C, H, W)`. Default `[1, 8, 8]`. */
  shape?: readonly [number, number, number];
  /** Noise on the pattern, in gray values. Default 40. */
  noise?: number;
  /** Seed of the noise; the patterns depend on the class alone, so that two splits of different seed match. Default 0. */
  seed?: number;
}

/**
 * Images generated from a seed, `uint8 (N, C, H, W)`: a pattern per class, with noise. For tests and examples without data.
 *
 * @example
 * ```ts
 * using dataset = new SyntheticImages({ samples: 64, numClasses: 4, shape: [3, 32, 32] });
 * ```
 */
export class SyntheticImages extends InMemoryImages {
  static readonly schema = z.strictObject({
    samples: count.exactOptional(),
    numClasses: count.exactOptional(),
    shape: z.tuple([count, count, count]).readonly().exactOptional(),
    noise: z.number().nonnegative().exactOptional(),
    seed: z.number().int().exactOptional(),
  });
  constructor(options: SyntheticImagesOptions = {}) {
    checkOptions(SyntheticImages.schema, options, new.target.name);
    const { samples = 256, numClasses = 4, shape = [1, 8, 8], noise = 40, seed = 0 } = options;
    const labels = Uint8Array.from({ length: samples }, (_, i) => i % numClasses);
    const images = tidy(() => {
      const patterns = ops.randint(0, 256, [numClasses, ...shape], { generator: new Generator(1), dtype: 'float32' });
      const chosen = patterns.indexSelect(0, ops.arange(samples).remainder(numClasses));
      const disturbed = chosen.add(ops.randn([samples, ...shape], { generator: new Generator(seed) }), {
        alpha: noise,
      });
      return disturbed.clamp(0, 255).to('uint8');
    });
    super({ images, labels, classes: numberedClasses(numClasses) });
  }
}

export const syntheticImagesEntry = entry(SyntheticImages, { summary: 'Made-up patterns with noise, for tests.' });
