// Contrastive representation distillation: a sample's two features agree more than those of any other samples.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Targets } from '../../nn/index.ts';
import { aliased } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ContrastMemory } from './common/contrast-memory.ts';
import { contrastNumbers } from './common/contrast-samples.ts';
import type { ContrastSample } from './common/contrast-samples.ts';
import { requireRank, requireSameShape, shown } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Temperature: what cosines are divided by. Default 0.07. */
  tau: z.number().positive().default(0.07),
  /** Samples that each one is compared with. Default 16384. */
  negNum: z.int().positive().default(16384),
  /** Samples of the data set: both memories have so many rows. Default 50000. */
  sampleN: z.int().positive().default(50000),
  /** Numbers of a feature. Default 128. */
  dimOut: z.int().positive().default(128),
  /** How much of the old the memories keep. Default 0.5. */
  momentum: z.number().min(0).max(1).default(0.5),
  /** Keeps the constant of the noise from 0. Default 1e-7. */
  eps: z.number().nonnegative().default(1e-7),
};
/** Options of {@link CRDLoss}. */
export interface CRDLossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** What {@link CRDLoss} compares. */
export interface CRDLossArguments {
  /** The student's features, `(N, dimOut)`, unit vectors: through CRDConnector. */
  sFeats: Tensor;
  /** The teacher's, of the same shape, through a CRDConnector of its own. */
  tFeats: Tensor;
  /**
   * The samples' numbers in the data set (`sampleIdxs`), and perhaps those of the samples to compare each with, itself first
   * (`contrastSampleIdxs`): map it to `{ field: 'targets' }`. Or a list with one item for each sample.
   */
  dataSamples: Targets | readonly ContrastSample[];
}

/**
 * `lossWeight * (L(s, memory of t) + L(t, memory of s))`, `L = -1/N sum_n (log h_0 + sum_k log (1 - h_k))` over the sample itself
 * (0) and `negNum` others (k); `h = P / (P + c)`, `P = exp(x . v / tau) / Z`, `c = negNum / sampleN + eps` (the numerator
 * of `1 - h` without `eps`). Computed in log space. `Z` is set by the first batch. The others are `contrastSampleIdxs`, or drawn
 * evenly from libtorch's generator. Afterwards both memories move towards the batch; in evaluation mode they stay. The state
 * dict holds memories and constants, so that training resumes exactly.
 *
 * Tian, Krishnan, Isola: Contrastive Representation Distillation, arXiv 1910.10699. `compat: 'mmrazor'`: `lossWeight` is not
 * applied, the temperature is a float32, the shape is `(1)`.
 *
 * @example
 * ```ts
 * const loss = new CRDLoss({ sampleN: 100, negNum: 16, dimOut: 32 });
 * const value = loss.forward({
 *   sFeats: randn([2, 32]),
 *   tFeats: randn([2, 32]),
 *   dataSamples: [{ sampleIdx: 5 }, { sampleIdx: 17 }],
 * }); // a scalar
 * ```
 */
export class CRDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Contrast of each sample with many others, through a memory of both networks.',
    paper: 'Tian, Krishnan, Isola 2020 (CRD), arXiv 1910.10699',
  };
  static override readonly schema = aliased(openTeacherSchema(own), { temperature: 'tau' });
  override readonly inputs = { required: ['sFeats', 'tFeats', 'dataSamples'] };
  readonly contrast: ContrastMemory;
  readonly #tau: number;
  readonly #momentum: number;

  constructor(options: CRDLossOptions = {}) {
    super(options);
    const { tau, momentum } = this.options;
    this.#tau = this.original ? Math.fround(tau) : tau;
    this.#momentum = this.original ? Math.fround(momentum) : momentum;
    this.contrast = new ContrastMemory(this.options);
  }

  /** @throws {RetortError} when shapes do not agree, a sample has no number, or one is not below `sampleN`. */
  override forward({ sFeats, tFeats, dataSamples }: CRDLossArguments): Tensor {
    this.#check(sFeats, tFeats);
    const { own, samples } = this.#numbers(dataSamples, sFeats);
    const [student, teacher] = sides(sFeats, tFeats, this.options.teacherDetach);
    const [ours, theirs] = this.contrast.forward({ student, teacher }, samples, this.#tau);
    if (this.training || this.original) this.contrast.remember({ student, teacher }, own, this.#momentum);
    const loss = this.#loss(ours).add(this.#loss(theirs)).div(sFeats.shape[0]!);
    return this.original ? loss.view([1]) : this.weigh(loss);
  }

  /** The batch's own samples, `(N)`, and those to contrast with, `(N, 1 + negNum)`; int64. */
  #numbers(dataSamples: CRDLossArguments['dataSamples'], { shape, device }: Tensor): { own: Tensor; samples: Tensor } {
    const { negNum, sampleN } = this.options;
    const batch = shape[0]!;
    const numbers = contrastNumbers(dataSamples, { batch, negNum, sampleN });
    const own = numbers.own.to({ device });
    if (numbers.given !== undefined) {
      return { own, samples: numbers.given.to({ device }) };
    }
    const drawn = ops.randint(0, sampleN, [batch, negNum + 1], { dtype: 'int64', device });
    drawn.select(1, 0).copy_(own);
    return { own, samples: drawn };
  }

  /** `-sum (log h_0 + sum_k log (1 - h_k))` of log P, `(N, 1 + negNum)`. */
  #loss(logs: Tensor): Tensor {
    const noise = this.options.negNum / this.options.sampleN;
    const odds = logs.sub(Math.log(noise + this.options.eps)); // log (P / c)
    const own = odds.select(1, 0).logSigmoid();
    const others = odds
      .narrow(1, 1, this.options.negNum)
      .neg()
      .logSigmoid()
      .add(Math.log(noise / (noise + this.options.eps)));
    return own.sum().add(others.sum()).neg();
  }

  #check(sFeats: Tensor, tFeats: Tensor): void {
    requireRank('CRDLoss', ['sFeats', sFeats], [2], '(N, dimOut)');
    requireSameShape('CRDLoss', ['sFeats', sFeats], ['tFeats', tFeats]);
    if (sFeats.shape[1] === this.options.dimOut) return;
    throw new RetortError(
      `CRDLoss: sFeats: expected [N, ${this.options.dimOut}], dimOut numbers each, got ${shown(sFeats.shape)}`,
      {
        help: `a connector for each side: { type: 'CRDConnector', dimIn: ${sFeats.shape[1]}, dimOut: ${this.options.dimOut} }`,
      },
    );
  }
}
