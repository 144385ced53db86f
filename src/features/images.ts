// The image under a map: what a network was given, as people see images.
import { Normalize } from '../data/index.ts';
import type { Transform } from '../data/index.ts';
import { ops, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import type { Picture } from './colors.ts';

/**
 * The image of an input `(1, C, H, W)`: bytes as they are; floats with what `Normalize` did undone, where that is among the transforms,
 * else their own lowest value black and the highest white. Undefined where it has neither one nor three channels.
 * @param size `[height, width]` of the image in an input that is padded below and at the right. Default: all of it
 */
export function imageOf(
  input: Tensor,
  transforms: readonly Transform[],
  size?: readonly [number, number],
): Picture | undefined {
  const [, channels, height, width] = input.shape;
  if (input.ndim !== 4 || (channels !== 1 && channels !== 3)) return undefined;
  const normalize = transforms.findLast((one) => one instanceof Normalize);
  return tidy(() => {
    const seen = input.narrow(0, 0, 1).detach().to({ device: 'cpu', dtype: 'float32' });
    const restored =
      input.dtype === 'uint8' ? seen : normalize instanceof Normalize ? normalize.restore(seen) : stretched(seen);
    const [rows, columns] = size ?? [height!, width!];
    const content = restored.narrow(2, 0, rows).narrow(3, 0, columns).expand([1, 3, rows, columns]);
    const bytes = content.round().clamp(0, 255).to('uint8').squeeze(0).permute([1, 2, 0]).contiguous();
    return { data: Uint8Array.from(bytes.data() as Uint8Array), height: rows, width: columns };
  });
}

function stretched(input: Tensor): Tensor {
  const [low, high] = [ops.amin(input), ops.amax(input)];
  return input.sub(low).div(high.sub(low).clamp(1e-12)).mul(255);
}
