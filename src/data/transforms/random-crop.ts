// Pads images with black and cuts the original size out at a random place, each image at its own.
import { RetortError } from '../../errors.ts';
import { ops, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { BatchContext, Transform } from './transform.ts';
import { streamOf, uniforms } from './transform.ts';

export interface RandomCropOptions {
  /** Pixels on every side. */
  padding: number;
}

const rowStream = streamOf('RandomCrop rows');
const columnStream = streamOf('RandomCrop columns');

export class RandomCrop implements Transform {
  readonly padding: number;

  constructor({ padding }: RandomCropOptions) {
    if (!Number.isInteger(padding) || padding < 0) {
      throw new RetortError(`RandomCrop: padding must be a whole number of at least 0, got ${padding}`);
    }
    this.padding = padding;
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    const [n = 0, c = 0, h = 0, w = 0] = batch.shape;
    const { padding } = this;
    const places = (stream: number): Tensor => {
      const offsets = uniforms(context, stream).map((value) => BigInt(Math.floor(value * (2 * padding + 1))));
      return tensor(BigInt64Array.from(offsets)).view([n, 1, 1, 1]);
    };
    const padded = ops.constantPadNd(batch, [padding, padding, padding, padding], 0);
    const rows = places(rowStream).add(ops.arange(h).view([1, 1, h, 1]));
    const columns = places(columnStream).add(ops.arange(w).view([1, 1, 1, w]));
    return padded.index([ops.arange(n).view([n, 1, 1, 1]), ops.arange(c).view([1, c, 1, 1]), rows, columns]);
  }
}
