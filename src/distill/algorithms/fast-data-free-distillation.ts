// Distillation without data, fast: a generator learns a start from which a few steps give images that the teachers take for real; the
// images are kept, and the student learns on them.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { BatchNorm, Buffer, functional, hasNamedValues, init, Linear, sizeOf } from '../../nn/index.ts';
import type { LearnedBatch, Module } from '../../nn/index.ts';
import { checkOptions, count } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { noGrad, ops, processGroup, randn, tensor, Tensor, tidy } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import { widened } from '../losses/common/sides.ts';
import { addPrefixed, algorithmSchema } from './algorithm.ts';
import type { Update } from './algorithm.ts';
import { DataFree, dataFreeOptions, dataFreeParts } from './data-free.ts';
import type { DataFreeOptions, ImageGenerator } from './data-free.ts';
import { ImagePool } from './image-pool.ts';
import { imageRound } from './image-round.ts';
import type { Judged } from './image-round.ts';
import { NormStatistics } from './norm-statistics.ts';
import type { Statistics } from './norm-statistics.ts';
import type { LossRecord } from './parse-losses.ts';
import { randomViews, requireChannels, viewOptions } from './random-views.ts';
import type { ViewOptions } from './random-views.ts';
import { undisturbed } from './undisturbed.ts';

/** When something of the generator begins anew: so many rounds after the warm-up. */
const reset = z.union([z.literal(false), count]);

const own = {
  /** Updates of the student between two rounds, in each of which images are made. Default 400. */
  kdSteps: count.default(400),
  /** Updates of generator and latent vectors in a round: from the start that was learned to the images that are kept. Default 10. */
  gSteps: count.default(10),
  /** Images of a round. Default: as many as a batch of the data has. */
  synthesisBatchSize: count.optional(),
  /** Rounds before the student begins to learn, each a step of the training. Default 20. */
  warmup: z.int().nonnegative().default(20),
  /** Learning rate of the generator within a round. Default 0.002. */
  lrG: z.number().positive().default(2e-3),
  /** Learning rate of the latent vectors. Default 0.01. */
  lrZ: z.number().positive().default(0.01),
  /** Weight of the distance to the statistics that the teachers' batch norms keep. Default 10. */
  bn: z.number().nonnegative().default(10),
  /** Weight of the teachers' cross-entropy with the classes that images are made for. Default 0.5. */
  oh: z.number().nonnegative().default(0.5),
  /** Weight of what is hard for the student: minus its divergence from the teachers where both choose the same class. Default 1.33. */
  adv: z.number().nonnegative().default(1.33),
  /** The share of earlier rounds in the statistics that `bn` compares. Default 0.9. */
  bnMmt: z.number().nonnegative().lt(1).default(0.9),
  /**
   * How the start is learned: true, from the gradients of a round's updates (first-order MAML); false, from where a round ended
   * (Reptile). Default true.
   */
  isMaml: z.boolean().default(true),
  /** After how many rounds behind the warm-up the generator's first linear layer and first batch norm begin anew, or false. Default 120. */
  resetL0: reset.default(120),
  /** The same for all of its batch norms. Default false. */
  resetBn: reset.default(false),
  /** Images that are kept, in bytes and in checkpoints; newer ones take the places of the oldest. Default 56,320, 220 rounds of 256. */
  poolSize: count.default(56_320),
};
/** The options besides networks and distiller, in configs too. */
export const fastDataFreeOptions = { ...viewOptions, ...own, ...dataFreeOptions };
/** Options of {@link FastDataFreeDistillation}. */
export interface FastDataFreeDistillationOptions extends DataFreeOptions, ViewOptions, OptionsFrom<typeof own> {}

/** What rounds and views follow. */
const settings = z.object({ ...viewOptions, ...own });

/** Of weights that begin anew. */
const resetStd = 0.02;

/**
 * Every `kdSteps` steps there is a round, before the student's update: from the generator's weights and fresh latent vectors, Adam makes
 * `gSteps` updates of both for `bn * L_bn + oh * L_oh + adv * L_adv`. Then the weights are put back, the optimizer of `generator` moves them
 * once by what the round says of the start (`isMaml`), and the images with the lowest loss join a pool of bytes. All other steps update the
 * student alone, on a batch of the pool with the distiller's losses. Networks see crops, mirrored by chance, normalized by `mean` and `std`.
 *
 * - `L_bn`: distance of mean and variance at each batch norm of the teachers from its running ones, `bnMmt` of it by earlier rounds.
 * - `L_oh`: cross-entropy of the teachers' scores with classes drawn evenly. Of several teachers the mean of the scores counts.
 * - `L_adv = -mean(KL(teacher || student) [both choose the same class])`, from the last round of the warm-up on.
 *
 * The first `warmup` steps are rounds without an update of the student. A batch of the data gives the number of images; nothing else of it is
 * looked at. The generator gives images of 0 to 1 (`FastDFKDGenerator` does). Losses: `generator.loss_bn`, `loss_oh`, `loss_adv` in steps
 * with a round, `distill.*`; the distiller's losses may take labels: the classes that images were made for. Defaults are the authors' for
 * ResNet-34 to ResNet-18 on CIFAR-10. The authors' rate of the optimizer of `generator` is `lrG * gSteps` (Adam, betas 0.5 and 0.999).
 *
 * Fang, Mo, Wang, Song, Bei, Zhang, Song: Up to 100x Faster Data-free Knowledge Distillation, AAAI 2022, arXiv 2112.06253.
 *
 * @example
 * ```ts
 * const algorithm = new FastDataFreeDistillation({
 *   architecture: student,
 *   teachers: { teacher },
 *   generator: new FastDFKDGenerator({ imgSize: 32, latentDim: 256, hiddenChannels: 128 }),
 *   distiller,
 *   mean: [0.4914, 0.4822, 0.4465],
 *   std: [0.2023, 0.1994, 0.201],
 * });
 * ```
 */
export class FastDataFreeDistillation extends DataFree {
  static override readonly schema: z.ZodType = algorithmSchema({ ...dataFreeParts, ...fastDataFreeOptions });
  /** The images so far. */
  readonly pool: ImagePool;
  /** What the teachers' norms were given in the rounds so far. */
  readonly statistics: NormStatistics;
  /** int64 scalars: how many rounds there were, and updates of the student. */
  readonly rounds: Buffer;
  readonly updates: Buffer;
  readonly #options: z.output<typeof settings>;

  /**
   * @throws {RetortError} where there is nothing to make images by, for teachers that have no gradients (ONNX) or, with `bn`, no batch norms,
   *   and for `mean` and `std` of other channels than the generator's images.
   */
  constructor(options: FastDataFreeDistillationOptions) {
    super(options);
    const { name } = new.target;
    this.#options = checkOptions(settings, options, name);
    const { bn, oh, bnMmt, poolSize } = this.#options;
    if (bn + oh === 0) throw new RetortError(`${name}: bn, oh: expected one of them above 0, got 0 for both`);
    const onnx = this.teachers.modules().find((module) => hasNamedValues(module));
    if (onnx !== undefined) {
      throw new RetortError(
        `${name}: teachers: expected networks that gradients flow through, got ${onnx.constructor.name}`,
        {
          code: 'unsupported',
          help: 'load the weights into a network of Retort: retort list models',
        },
      );
    }
    const shape = imageShape(this.generator);
    requireChannels(name, this.#options, shape[0] ?? 0);
    this.pool = new ImagePool(poolSize, shape);
    this.statistics = new NormStatistics(this.teachers, bnMmt);
    if (bn > 0 && this.statistics.count === 0) {
      throw new RetortError(`${name}: bn: expected teachers with batch norms that have running statistics, got none`, {
        help: 'bn: 0 leaves this loss out',
      });
    }
    const zero = (): Buffer => tidy(() => new Buffer(tensor(0, { dtype: 'int64' })));
    this.rounds = zero();
    this.updates = zero();
  }

  /** The losses of an update of the generator and of one of the student, on fresh latents; nothing is updated. */
  protected override lossesOf({ inputs }: LearnedBatch): LossRecord {
    const losses: Record<string, Tensor | readonly Tensor[]> = {};
    const images = this.#made(this.latents(sizeOf(inputs)));
    const { labels, ...generator } = this.#judged(images, { adversarial: true });
    addPrefixed(losses, 'generator', generator.losses);
    addPrefixed(losses, 'distill', this.studentLosses(this.#views(images.detach()), { labels }));
    return losses;
  }

  override trainStep({ inputs }: LearnedBatch, update: Update): Readonly<Record<string, Tensor>> {
    const { warmup, kdSteps } = this.#options;
    const reported: Record<string, Tensor> = {};
    const images = sizeOf(inputs);
    const [rounds, updates] = [this.rounds.item(), this.updates.item()];
    const due = rounds < warmup || updates >= (rounds - warmup) * kdSteps;
    if (due) addPrefixed(reported, 'generator', this.#makeImages(rounds + 1, images, update));
    if (!due || rounds >= warmup) addPrefixed(reported, 'distill', this.#learn(images, update));
    return reported;
  }

  /** Fresh latent vectors `(count, latentDim)`. */
  protected latents(count: number): Tensor {
    return randn([count, this.generator.latentDim]);
  }

  /** A round: images for the pool, and an update of the generator's weights. */
  #makeImages(round: number, batchSize: number, update: Update): Readonly<Record<string, Tensor>> {
    const { synthesisBatchSize = batchSize, gSteps, warmup } = this.#options;
    this.#reset(round);
    const parameters = this.generator.parameters().filter(({ requiresGrad }) => requiresGrad);
    const { images, labels, entries, gradients } = imageRound({
      ...this.#options,
      parameters,
      latent: this.#floating(this.latents(synthesisBatchSize)),
      make: (latent) => this.#made(latent),
      judge: (made, drawn, number) => {
        const { statistics, ...judged } = this.#judged(made, { adversarial: round >= warmup, labels: drawn });
        if (number === gSteps && statistics !== undefined) this.statistics.endRound(statistics);
        return judged;
      },
    });
    // Its gradients are those that the round gave.
    const total = parameters
      .map((parameter, i) => parameter.mul(gradients[i]!).sum())
      .reduce((sum, one) => sum.add(one));
    update({ total, entries, part: 'generator' });
    this.pool.add(images.clamp(0, 1).mul(255).to('uint8'), labels);
    noGrad(() => void this.rounds.add_(1));
    return entries;
  }

  /** An update of the student, on images of the pool. */
  #learn(batchSize: number, update: Update): Readonly<Record<string, Tensor>> {
    const [bytes, labels] = this.pool.forward(batchSize);
    const inputs = noGrad(() => this.#views(this.#floating(bytes).div(255)));
    const targets = { labels };
    this.planTeachers({ inputs, targets });
    const [total, entries] = this.parseLosses(this.studentLosses(inputs, targets));
    update({ total, entries, part: 'architecture' });
    noGrad(() => void this.updates.add_(1));
    return entries;
  }

  /** What the generator makes of latent vectors: images of 0 to 1. */
  #made(latent: Tensor): Tensor {
    return span('generator', undefined, () => widened(this.generator.forward(this.#floating(latent))));
  }

  /** As the generator computes, where it does. */
  #floating(tensor: Tensor): Tensor {
    const [weight] = this.generator.parameters();
    return weight === undefined ? tensor.to('float32') : tensor.to({ device: weight.device }).to(weight.dtype);
  }

  #views(images: Tensor): Tensor {
    return randomViews(images, this.#options);
  }

  /**
   * What images are made by: gradients flow through student and teachers, which are in evaluation mode.
   * @param images generated, in the graph
   * @param options.labels what they are to be taken for. Default: drawn
   */
  #judged(
    images: Tensor,
    { adversarial, labels: given }: { adversarial: boolean; labels?: Tensor | undefined },
  ): Judged & { statistics?: Statistics } {
    const { bn, oh, adv } = this.#options;
    const views = this.#views(images);
    const looked = bn > 0 ? <T>(body: () => T): T => this.statistics.record(body) : <T>(body: () => T): T => body();
    const all = looked(() =>
      this.eachTeacher((name, network) => scoresOf(`teacher "${name}"`, network.forward(views))),
    );
    const teachers = all.length === 1 ? all[0]! : ops.stack(all).mean(0);
    const labels = given ?? classes(teachers);
    const losses: Record<string, Tensor> = {};
    const statistics = bn > 0 ? span('losses', 'loss_bn', () => this.statistics.forward()) : undefined;
    if (statistics !== undefined) losses['loss_bn'] = statistics.distance.mul(bn);
    if (oh > 0) losses['loss_oh'] = span('losses', 'loss_oh', () => functional.crossEntropy(teachers, labels).mul(oh));
    if (adv > 0) {
      const { dtype, device } = teachers;
      const hard = adversarial ? this.#adversarial(views, teachers).mul(-adv) : ops.zeros([], { dtype, device });
      losses['loss_adv'] = hard;
    }
    return { losses, labels, ...(statistics === undefined ? {} : { statistics }) };
  }

  /** How far the student is from what the teachers find in images, where both choose the same class. */
  #adversarial(views: Tensor, teachers: Tensor): Tensor {
    const student = span('student', undefined, () =>
      evaluating(this.architecture, () => scoresOf('the student', this.architecture.forward(views))),
    );
    return span('losses', 'loss_adv', () => agreed(student, teachers));
  }

  /** Lets parts of the generator begin anew, where it is time. */
  #reset(round: number): void {
    const { warmup, resetL0, resetBn } = this.#options;
    const modules = this.generator.modules();
    const norms = modules.filter((module) => module instanceof BatchNorm);
    const chosen: { weight: Tensor | null; bias: Tensor | null; mean: number }[] = [];
    if (resetL0 === round - warmup) {
      const linear = modules.find((module) => module instanceof Linear);
      for (const first of [linear, norms[0]]) if (first !== undefined) chosen.push({ ...parametersOf(first), mean: 0 });
    }
    if (resetBn === round - warmup) chosen.push(...norms.map((norm) => ({ ...parametersOf(norm), mean: 1 })));
    noGrad(() =>
      tidy(() => {
        for (const { weight, bias, mean } of chosen) {
          if (weight !== null) init.normal_(weight, { mean, std: resetStd });
          if (bias !== null) init.zeros_(bias);
        }
        const drawn = chosen.flatMap(({ weight }) => (weight === null ? [] : [weight]));
        if (drawn.length > 0) processGroup()?.broadcast_(drawn);
      }),
    );
  }
}

const parametersOf = ({ weight, bias }: Linear | BatchNorm): { weight: Tensor | null; bias: Tensor | null } => ({
  weight,
  bias,
});

/** The shape of one image, `[C, H, W]`. @throws {RetortError} for what makes no images. */
function imageShape(generator: ImageGenerator): readonly number[] {
  const [weight] = generator.parameters();
  return undisturbed(generator, () =>
    evaluating(generator, () =>
      noGrad(() => {
        const latent = zerosFor(weight, [2, generator.latentDim]);
        const images: unknown = generator.forward(latent);
        if (images instanceof Tensor && images.ndim === 4) return images.shape.slice(1);
        const got = images instanceof Tensor ? `(${images.shape.join(', ')})` : typeof images;
        throw new RetortError(`generator: expected images (N, C, H, W), got ${got}`);
      }),
    ),
  );
}

const zerosFor = (weight: Tensor | undefined, shape: readonly number[]): Tensor =>
  ops.zeros(shape, weight === undefined ? {} : { dtype: weight.dtype, device: weight.device });

/** Runs `body` with a network in evaluation mode, whose norms do not move. */
function evaluating<T>(network: Module, body: () => T): T {
  const modes = network.modules().map((module) => [module, module.training] as const);
  network.eval();
  try {
    return body();
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}

/** @throws {RetortError} for a network that does not give scores. */
function scoresOf(who: string, outputs: unknown): Tensor {
  if (outputs instanceof Tensor && outputs.ndim === 2) return widened(outputs);
  const got = outputs instanceof Tensor ? `(${outputs.shape.join(', ')})` : typeof outputs;
  throw new RetortError(`FastDataFreeDistillation: ${who}: expected scores (N, K) from its forward, got ${got}`, {
    code: 'unsupported',
    help: 'images are made by the classes that teachers find in them: the networks are to be classifiers',
  });
}

/** A class for each row of scores, drawn evenly. */
function classes(scores: Tensor): Tensor {
  const [n = 0, k = 0] = scores.shape;
  return ops.rand([n]).mul(k).to('int64').to({ device: scores.device });
}

/** `mean(KL(teacher || student) [both choose the same class])`. */
function agreed(student: Tensor, teacher: Tensor): Tensor {
  const [own, theirs] = [student.logSoftmax(1), teacher.logSoftmax(1)];
  const divergence = theirs.exp().mul(theirs.sub(own)).sum(1);
  return divergence.mul(student.argmax(1).eq(teacher.argmax(1))).mean();
}
