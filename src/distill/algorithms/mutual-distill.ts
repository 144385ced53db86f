// Online distillation: several students learn together, each from all the others.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { ModuleDict } from '../../nn/index.ts';
import type { LearnedBatch, Network, QuantizationAware } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { addPrefixed, Algorithm, algorithmSchema, built, disableInplace } from './algorithm.ts';
import type { AlgorithmOptions } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';

const parts = {
  /** At least two networks by name; the first is `student`, all are shipped. */
  students: z.record(z.string(), built<Network>('a network')),
  /** Makes the distiller of an ordered pair; its teacher side should be constant (`detachTeacher`), so that no one is pulled. */
  makeDistiller: z.custom<() => ConfigurableDistiller>((value) => typeof value === 'function', 'expected a function'),
};
const ofAlgorithm = algorithmSchema(parts);
/** The first student is the network that the base is told of. */
const mutualSchema = ofAlgorithm.omit({ architecture: true });
/** Options of {@link MutualDistill}. */
export interface MutualDistillOptions extends Omit<AlgorithmOptions, 'architecture'>, OptionsFrom<typeof parts> {}

interface Pair {
  learner: string;
  peer: string;
  distiller: ConfigurableDistiller;
}

/**
 * For n students, student i minimizes its own loss plus the mean over the other students j of the distiller's losses, with i on
 * the student's side and j on the teacher's. Losses: `<i>.loss`, `distill.<i>_from_<j>.<name>`.
 *
 * Zhang et al.: Deep Mutual Learning, arXiv 1706.00384.
 *
 * @example
 * ```ts
 * const algorithm = new MutualDistill({ students: { a, b }, makeDistiller: () => new ConfigurableDistiller(options) });
 * const losses = algorithm.loss(images, { labels }); // 'a.loss', 'b.loss', 'distill.a_from_b.loss_kl', ...
 * ```
 */
export class MutualDistill extends Algorithm {
  /** Of what the base is told: those of the constructor, and the first student as `architecture`. */
  static override readonly schema = ofAlgorithm;
  readonly distillers: ModuleDict<ConfigurableDistiller>;
  readonly peers: ModuleDict<Network>;
  /** As `student_quantization`, of the others. */
  declare readonly peer_quantization?: ModuleDict<QuantizationAware>;
  readonly #pairs: readonly Pair[];
  readonly #first: string;

  /** @throws {RetortError} for fewer than two students, and for a distiller with deliveries. */
  constructor(options: MutualDistillOptions) {
    const { students, makeDistiller } = checkOptions(mutualSchema, options, new.target.name);
    const names = Object.keys(students);
    const [first, ...others] = names;
    if (first === undefined || others.length === 0) {
      throw new RetortError(`MutualDistill: students: expected at least two, got ${names.length}`);
    }
    super({ ...options, architecture: students[first]! });
    this.#first = first;
    this.peers = new ModuleDict(Object.fromEntries(others.map((name) => [name, students[name]!])));
    if (options.moduleInplace !== true) disableInplace(this.peers);
    const quantized = others.map(
      (name) => [name, this.quantization(students[name]!, options.quantizationAware)] as const,
    );
    const quantizations = quantized.filter((one): one is [string, QuantizationAware] => one[1] !== undefined);
    if (quantizations.length > 0) this.peer_quantization = new ModuleDict(Object.fromEntries(quantizations));
    this.#pairs = names.flatMap((learner) =>
      names.filter((peer) => peer !== learner).map((peer) => ({ learner, peer, distiller: makeDistiller() })),
    );
    for (const { learner, peer, distiller } of this.#pairs) {
      if (distiller.deliveries.size > 0) {
        throw new RetortError(
          `${new.target.name}: distillDeliveries: expected none, got ${[...distiller.deliveries.deliveries.keys()].join(', ')}`,
          {
            code: 'unsupported',
            help: 'every student learns in one pass, so none runs before another one to deliver: compare records instead',
          },
        );
      }
      distiller.prepareFromStudent(students[learner]!);
      distiller.prepareFromTeacher(students[peer]!);
    }
    this.distillers = new ModuleDict(
      Object.fromEntries(this.#pairs.map(({ learner, peer, distiller }) => [`${learner}_from_${peer}`, distiller])),
    );
    this.train();
  }

  override students(): Readonly<Record<string, Network>> {
    const rest = this.peers.keys().map((name) => [name, this.peers.get(name)] as const);
    return { [this.#first]: this.architecture, ...Object.fromEntries(rest) };
  }

  override evaluated(): Readonly<Record<string, Network>> {
    return this.students();
  }

  override distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return Object.fromEntries(this.distillers.keys().map((name) => [name, this.distillers.get(name)]));
  }

  override setProgress(progress: TrainingProgress): void {
    for (const { distiller } of this.#pairs) distiller.setProgress(progress);
  }

  protected override lossesOf(batch: LearnedBatch): LossRecord {
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    for (const [name, student] of Object.entries(this.students())) {
      const seen = { ...batch, inputs: batch.views?.[name] ?? batch.inputs };
      let run = (): Record<string, Tensor> =>
        span('student', name, () => this.ownLosses(`student "${name}"`, student, seen));
      for (const { learner, peer, distiller } of this.#pairs) {
        const inner = run;
        if (learner === name) run = () => distiller.studentRecorders.record(inner);
        else if (peer === name) run = () => distiller.teacherRecorders.record(inner);
      }
      addPrefixed(losses, name, run());
    }
    const share = 1 / this.peers.length;
    for (const { learner, peer, distiller } of this.#pairs) {
      for (const [name, loss] of Object.entries(distiller.forward(batch))) {
        losses[`distill.${learner}_from_${peer}.${name}`] = share === 1 ? loss : loss.mul(share);
      }
    }
    return losses;
  }
}
