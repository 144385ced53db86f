// The numbers of samples that contrastive distillation is given with a batch, checked: each names a row of its memories.
import { RetortError } from '../../../errors.ts';

/** What is known of one image. */
export interface ContrastSample {
  /** Its number in the data set. */
  readonly sampleIdx?: number;
  /** Numbers of the samples to contrast it with: the one it should agree with first, itself or one of its class. */
  readonly contrastSampleIdxs?: ArrayLike<number>;
}

export interface ContrastNumbers {
  /** The samples' own numbers, N. */
  own: Float64Array;
  /** Those to contrast with, `N (1 + negNum)`, row by row; undefined when no sample brings them. */
  given: Float64Array | undefined;
}

export interface ContrastSizes {
  /** Samples in the batch. */
  batch: number;
  negNum: number;
  sampleN: number;
}

/** @throws {RetortError} for a sample without number, numbers outside the memories, or not one positive and `negNum` others. */
export function contrastNumbers(dataSamples: readonly ContrastSample[], sizes: ContrastSizes): ContrastNumbers {
  const { batch, negNum, sampleN } = sizes;
  if (!Array.isArray(dataSamples) || dataSamples.length !== batch) {
    const got = Array.isArray(dataSamples) ? `${dataSamples.length}` : typeof dataSamples;
    throw new RetortError(`CRDLoss: dataSamples: one for each of ${batch} samples was expected, got ${got}`, {
      help: "map dataSamples to { field: 'dataSamples' }",
    });
  }
  const own = new Float64Array(batch);
  dataSamples.forEach(({ sampleIdx }, i) => {
    if (sampleIdx === undefined) {
      throw new RetortError(`CRDLoss: dataSamples[${i}] has no sampleIdx, its number in the data set`, {
        help: 'load the data with DataLoader, which numbers every sample',
      });
    }
    own[i] = row(sampleIdx, `dataSamples[${i}].sampleIdx`, sampleN);
  });
  const bringing = dataSamples.filter(({ contrastSampleIdxs }) => contrastSampleIdxs !== undefined).length;
  if (bringing === 0) return { own, given: undefined };
  const width = negNum + 1;
  const given = new Float64Array(batch * width);
  dataSamples.forEach(({ contrastSampleIdxs }, i) => {
    const where = `dataSamples[${i}].contrastSampleIdxs`;
    if (contrastSampleIdxs?.length !== width) {
      const got =
        contrastSampleIdxs === undefined ? `none, while ${bringing} samples have them` : contrastSampleIdxs.length;
      throw new RetortError(`CRDLoss: ${where}: ${width} numbers, 1 + negNum, were expected, got ${got}`);
    }
    for (let k = 0; k < width; k++) given[i * width + k] = row(contrastSampleIdxs[k], where, sampleN);
  });
  return { own, given };
}

function row(number: number, where: string, sampleN: number): number {
  if (Number.isInteger(number) && number >= 0 && number < sampleN) return number;
  throw new RetortError(`CRDLoss: ${where}: a number from 0 to ${sampleN - 1} was expected, got ${String(number)}`, {
    help: 'set sampleN to the number of samples of the data set',
  });
}
