// The convolutions that Paraphraser and Translator are made of.
import { BatchNorm2d, Conv2d, ConvTranspose2d, LeakyReLU, Sequential } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';

/** Three times 3x3 convolution, batch norm and leaky ReLU: `(N, from, H, W)` to `(N, to, H, W)`. */
export function encoder(from: number, to: number, useBn: boolean): Sequential {
  const conv = (left: number, right: number): Layer => new Conv2d(left, right, { kernelSize: 3, padding: 1 });
  return three(conv, [from, from, to, to], useBn);
}

/** {@link encoder} backwards, of transposed convolutions: `(N, from, H, W)` to `(N, to, H, W)`. */
export function decoder(from: number, to: number, useBn: boolean): Sequential {
  const conv = (left: number, right: number): Layer => new ConvTranspose2d(left, right, { kernelSize: 3, padding: 1 });
  return three(conv, [from, from, to, to], useBn);
}

/** Without batch norms an empty sequence stands for them: the names of what follows stay. */
function three(conv: (from: number, to: number) => Layer, widths: readonly number[], useBn: boolean): Sequential {
  const layers = widths.slice(1).flatMap((width, i) => [
    conv(widths[i]!, width),
    useBn ? new BatchNorm2d(width) : new Sequential(),
    new LeakyReLU({ negativeSlope: 0.1, inplace: true }), // overwrites what the layer before made, never a record
  ]);
  return new Sequential(...layers);
}
