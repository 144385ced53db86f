// What a batch is to be: classes, or the share of each class where images were mixed.
import { RetortError } from '../../errors.ts';
import type { DataSample } from '../../nn/index.ts';
import { tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

/**
 * Classes, int64 `(N)`, or shares `(N, K)` where the samples have `gtScore`.
 * @throws {RetortError} when there are not as many samples as images, or a label is no class, naming the sample.
 */
export function targetsOf(where: string, scores: Tensor, dataSamples: readonly DataSample[]): Tensor {
  const [images = 0, classes = 0] = scores.shape;
  if (dataSamples.length !== images) {
    throw new RetortError(`${where}: there are ${images} images and ${dataSamples.length} data samples`);
  }
  if (dataSamples.some((sample) => sample.gtScore !== undefined)) return sharesOf(where, scores, dataSamples);
  const labels = dataSamples.map(({ gtLabel }, i) => {
    if (Number.isInteger(gtLabel) && gtLabel >= 0 && gtLabel < classes) return BigInt(gtLabel);
    throw new RetortError(
      `${where}: sample ${i} of the batch has gtLabel ${gtLabel}, classes are 0 to ${classes - 1}`,
      {
        help: 'set numClasses to the number of classes of the data set',
      },
    );
  });
  return tensor(BigInt64Array.from(labels));
}

function sharesOf(where: string, scores: Tensor, dataSamples: readonly DataSample[]): Tensor {
  const classes = scores.shape[1] ?? 0;
  const shares = new Float64Array(dataSamples.length * classes);
  for (const [i, { gtScore }] of dataSamples.entries()) {
    if (gtScore?.length !== classes || !gtScore.every(Number.isFinite)) {
      const got = gtScore === undefined ? 'none' : `[${gtScore.slice(0, 4).join(', ')}...] of ${gtScore.length}`;
      throw new RetortError(`${where}: sample ${i} must have a gtScore of ${classes} numbers, got ${got}`);
    }
    shares.set(gtScore, i * classes);
  }
  return tensor(shares, { shape: [dataSamples.length, classes], dtype: scores.dtype });
}
