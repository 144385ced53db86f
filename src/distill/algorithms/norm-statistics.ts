// How far a batch is from the images that frozen networks were trained on, by the statistics that their batch norms keep of those.
import { BatchNorm, Buffer, Module } from '../../nn/index.ts';
import { noGrad, ops, processGroup, tensor, tidy, zeros } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { widened } from '../losses/common/sides.ts';
import { ModuleInputsRecorder, RecorderManager } from '../recorders/index.ts';

/** A batch norm with running statistics, and where its channels are among those of all. */
interface Norm {
  readonly norm: BatchNorm & { running_mean: Tensor; running_var: Tensor };
  readonly recorder: ModuleInputsRecorder;
  readonly start: number;
}

/** Of a batch: how far it is, and what it has of each channel of all norms, one behind the other. */
export interface Statistics {
  readonly distance: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * `sum over norms ||running_var - v||_2 + ||running_mean - m||_2` with `m` and `v`, mean and biased variance of what a batch norm is
 * given: of a batch or, from the second round on, `(1 - momentum)` times those and `momentum` times those of the rounds before.
 *
 * Yin et al.: Dreaming to Distill, arXiv 1912.08795; the momentum: Fang et al., arXiv 2112.06253.
 */
export class NormStatistics extends Module {
  readonly momentum: number;
  /** Of the rounds before, the channels of all norms one behind the other. */
  readonly round_mean: Buffer;
  readonly round_var: Buffer;
  /** An int64 scalar: how many rounds there were. */
  readonly rounds: Buffer;
  readonly #norms: readonly Norm[];
  readonly #recorders: RecorderManager;

  /** @param networks in evaluation mode, whose norms count */
  constructor(networks: Module, momentum: number) {
    super();
    this.momentum = momentum;
    let start = 0;
    this.#norms = networks.modules().flatMap((norm) => {
      if (!hasStatistics(norm)) return [];
      const recorder = new ModuleInputsRecorder(norm).initialize(networks);
      start += norm.numFeatures;
      return [{ norm, recorder, start: start - norm.numFeatures }];
    });
    this.#recorders = new RecorderManager(
      Object.fromEntries(this.#norms.map(({ recorder }, i) => [String(i), recorder])),
    );
    this.round_mean = tidy(() => new Buffer(zeros([start])));
    this.round_var = tidy(() => new Buffer(zeros([start])));
    this.rounds = tidy(() => new Buffer(tensor(0, { dtype: 'int64' })));
  }

  /** How many norms count. */
  get count(): number {
    return this.#norms.length;
  }

  /** Runs the networks; what their norms are given is looked at by {@link forward}. */
  record<T>(body: () => T): T {
    return this.#recorders.record(body);
  }

  /** How far the batch is that was run in {@link record}; gradients flow to it through the distance. */
  override forward(): Statistics {
    const before = this.rounds.item() > 0;
    const own = this.#norms.map(({ norm, recorder, start }) => {
      const [given] = recorder.getRecordData(-1) as [Tensor];
      const others = given.shape.map((_, dim) => dim).filter((dim) => dim !== 1);
      const [variance, mean] = widened(given).varMean(others, { correction: 0 });
      const distance = (running: Tensor, of: Tensor, rounds: Tensor): Tensor => {
        const earlier = rounds.narrow(0, start, norm.numFeatures).to(of.dtype);
        const seen = before ? of.mul(1 - this.momentum).add(earlier, { alpha: this.momentum }) : of;
        return running.to(of.dtype).sub(seen).norm();
      };
      const both = distance(norm.running_var, variance, this.round_var).add(
        distance(norm.running_mean, mean, this.round_mean),
      );
      return { distance: both, mean: mean.detach(), variance: variance.detach() };
    });
    this.#recorders.clear();
    return {
      distance: own.map(({ distance }) => distance).reduce((sum, one) => sum.add(one)),
      mean: ops.cat(own.map(({ mean }) => mean)),
      variance: ops.cat(own.map(({ variance }) => variance)),
    };
  }

  /** Ends a round: its last batch joins those before. Of processes that train together, all of theirs do. */
  endRound({ mean, variance }: Statistics): void {
    noGrad(() =>
      tidy(() => {
        const first = this.rounds.item() === 0;
        const group = processGroup();
        for (const [memory, own] of [
          [this.round_mean, mean.to(this.round_mean.dtype, { copy: true })],
          [this.round_var, variance.to(this.round_var.dtype, { copy: true })],
        ] as const) {
          group?.allReduce_([own], 'mean');
          if (first) memory.copy_(own);
          else memory.mul_(this.momentum).add_(own, { alpha: 1 - this.momentum });
        }
        this.rounds.add_(1);
      }),
    );
  }
}

function hasStatistics(module: Module): module is Norm['norm'] {
  return module instanceof BatchNorm && module.running_mean !== null && module.running_var !== null;
}
