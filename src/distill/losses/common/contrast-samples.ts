// The numbers of samples that contrastive distillation is given with a batch, checked: each names a row of its memories.
import { RetortError } from '../../../errors.ts';
import { integers } from '../../../nn/index.ts';
import type { Targets } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';

/** What is known of one image. */
export interface ContrastSample {
  /** Its number in the data set. */
  readonly sampleIdx?: number;
  /** Numbers of the samples to contrast it with: the one it should agree with first, itself or one of its class. */
  readonly contrastSampleIdxs?: ArrayLike<number>;
}

export interface ContrastNumbers {
  /** The samples' own numbers, int64 `(N)`. */
  own: Tensor;
  /** Those to contrast with, int64 `(N, 1 + negNum)`; undefined when no sample brings them. */
  given: Tensor | undefined;
}

export interface ContrastSizes {
  /** Samples in the batch. */
  batch: number;
  negNum: number;
  sampleN: number;
}

/** @throws {RetortError} for a sample without number, numbers outside the memories, or not one positive and `negNum` others. */
export function contrastNumbers(
  given: Targets | readonly ContrastSample[],
  { batch, negNum, sampleN }: ContrastSizes,
): ContrastNumbers {
  if (!Array.isArray(given)) return fromTargets(given as Targets, { batch, negNum, sampleN });
  return fromSamples(given as readonly ContrastSample[], { batch, negNum, sampleN });
}

function fromTargets(
  { sampleIdxs, contrastSampleIdxs }: Targets,
  { batch, negNum, sampleN }: ContrastSizes,
): ContrastNumbers {
  const rows = (name: string, value: Tensor, shape: readonly number[], help: string): Tensor => {
    if (value.shape.join() !== shape.join()) {
      const shown = (sizes: readonly number[]): string => `(${sizes.join(', ')})`;
      throw new RetortError(`CRDLoss: targets.${name}: expected ${shown(shape)}, got ${shown(value.shape)}`, {
        help,
      });
    }
    const outside = value.lt(0).logicalOr(value.ge(sampleN));
    if (outside.any().item() === 1) row(value.maskedSelect(outside).select(0, 0).item(), `targets.${name}`, sampleN);
    return value;
  };
  if (sampleIdxs === undefined) {
    throw new RetortError(
      'CRDLoss: targets.sampleIdxs: expected the indices of the samples in the data set, got nothing',
      {
        help: 'load the data with DataLoader, which numbers every sample',
      },
    );
  }
  return {
    own: rows('sampleIdxs', sampleIdxs, [batch], 'one number for each sample'),
    given:
      contrastSampleIdxs &&
      rows('contrastSampleIdxs', contrastSampleIdxs, [batch, negNum + 1], '1 + negNum numbers for each sample'),
  };
}

function fromSamples(
  dataSamples: readonly ContrastSample[],
  { batch, negNum, sampleN }: ContrastSizes,
): ContrastNumbers {
  if (dataSamples.length !== batch) {
    throw new RetortError(
      `CRDLoss: dataSamples: expected one for each of ${batch} samples, got ${dataSamples.length}`,
      {
        help: "map dataSamples to { field: 'dataSamples' }",
      },
    );
  }
  const own = new Float64Array(batch);
  dataSamples.forEach(({ sampleIdx }, i) => {
    if (sampleIdx === undefined) {
      throw new RetortError(`CRDLoss: dataSamples[${i}].sampleIdx: expected its index in the data set, got nothing`, {
        help: 'load the data with DataLoader, which numbers every sample',
      });
    }
    own[i] = row(sampleIdx, `dataSamples[${i}].sampleIdx`, sampleN);
  });
  const bringing = dataSamples.filter(({ contrastSampleIdxs }) => contrastSampleIdxs !== undefined).length;
  if (bringing === 0) return { own: integers(own), given: undefined };
  const width = negNum + 1;
  const given = new Float64Array(batch * width);
  dataSamples.forEach(({ contrastSampleIdxs }, i) => {
    const where = `dataSamples[${i}].contrastSampleIdxs`;
    if (contrastSampleIdxs?.length !== width) {
      const got =
        contrastSampleIdxs === undefined ? `none, while ${bringing} samples have them` : contrastSampleIdxs.length;
      throw new RetortError(`CRDLoss: ${where}: expected ${width} indices, 1 + negNum, got ${got}`);
    }
    for (let k = 0; k < width; k++) given[i * width + k] = row(contrastSampleIdxs[k]!, where, sampleN);
  });
  return { own: integers(own), given: integers(given, [batch, width]) };
}

function row(number: number, where: string, sampleN: number): number {
  if (Number.isInteger(number) && number >= 0 && number < sampleN) return number;
  throw new RetortError(`CRDLoss: ${where}: expected an index from 0 to ${sampleN - 1}, got ${String(number)}`, {
    help: 'set sampleN to the number of samples of the data set',
  });
}
