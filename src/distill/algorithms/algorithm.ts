// What the training loop sees of every algorithm: a training step, the students to ship, the networks to evaluate.
import { z } from 'zod';

import { isObject, isPlain } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import {
  BatchNorm,
  floatAgain,
  Module,
  QuantizationAware,
  quantizationAwareOptions,
  targetsOf,
  withSamples,
} from '../../nn/index.ts';
import type {
  GivenTargets,
  Inputs,
  LearnedBatch,
  LossModel,
  Network,
  Outputs,
  Targets,
  UpdateRequest,
} from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { Tensor } from '../../torch/index.ts';
import { span } from '../../torch/internal.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { parseLosses } from './parse-losses.ts';
import type { LossRecord } from './parse-losses.ts';
import type { QuietPassOptions } from './quiet-pass.ts';
import type { TeacherCache } from './teacher-cache.ts';
import type { TeacherPlan } from './teacher-plan.ts';
import { everywhere } from './teacher-trials.ts';

const hasForward = (value: unknown): boolean =>
  isObject(value) && typeof (value as { forward?: unknown }).forward === 'function';
/** The schema of a network, a generator or a distiller that is built. */
export const built = <T>(what: string) => z.custom<T>(hasForward, `expected ${what}`);

/**
 * What a network is trained on, where it does not compute its losses itself: a function, or a module (whose parameters are then
 * trained too), of what the network gives and the targets of the batch. It returns a scalar, or several by name; those whose name
 * contains "loss" are added up.
 */
export type NetworkLoss = LossFunction | (Module & { forward: LossFunction });
/** Bivariant in what a network gives: a loss of scores is one, although not all networks give scores. */
type LossFunction = {
  call(outputs: Outputs, targets: Targets): Tensor | Readonly<Record<string, Tensor>>;
}['call'];

/** The options of every algorithm, in configs too. */
export const commonOptions = {
  /**
   * What networks are trained on: `(outputs, targets) => loss`, or a module with such a forward. Networks are then called as
   * `forward(inputs)`. Default: they compute their own losses, in mode `'loss'` of a `LossModel`.
   */
  loss: z
    .custom<NetworkLoss>(
      (value) => typeof value === 'function' || hasForward(value),
      'expected (outputs, targets) => loss',
    )
    .optional(),
  /** Leave in-place activations of the student on; records taken before one are then refused. Default false. */
  moduleInplace: z.boolean().default(false),
  /**
   * The student computes as it will when it is quantized to integers (quantization-aware distillation): true, or how. A float teacher
   * then teaches an integer student; what is saved are floats, for `retort export --int8`. Default false.
   */
  quantizationAware: z.union([z.boolean(), quantizationAwareOptions]).default(false),
  /** `'mmrazor'` behaves as MMRazor does where that differs: docs/differences.md. Default: as the options say. */
  compat: z.literal('mmrazor').optional(),
};
const parts = {
  /** The student. */
  architecture: built<Network>('a network'),
};
/** Options of {@link Algorithm}. */
export interface AlgorithmOptions extends OptionsFrom<typeof parts>, OptionsFrom<typeof commonOptions> {}

/** The schema of an algorithm's options: its own, and those of {@link AlgorithmOptions}. Unknown ones are refused. */
export function algorithmSchema<S extends z.ZodRawShape>(own: S) {
  return z.strictObject({ ...parts, ...commonOptions, ...own });
}

/**
 * The same samples as other networks are to see them (another normalization, another augmentation), by the network's name:
 * `teacher`, or the name of one of several teachers. A network that has none sees the student's.
 */
export type Views = Readonly<Record<string, Inputs>>;

/** Differentiates a total and moves parameters; the training loop provides it. */
export type Update = (request: UpdateRequest) => void;

/** Who teaches whom: computes the losses of a batch, and says which networks are trained, shipped, evaluated and left as they are. */
export abstract class Algorithm extends Module {
  /** What its options are checked by. A class without one checks its own options itself. */
  static readonly schema: z.ZodType = z.looseObject({ ...parts, ...commonOptions });

  /** The network that is trained and shipped. */
  readonly architecture: Network;
  /** Whether MMRazor's behavior is asked for where it differs. */
  protected readonly original: boolean;
  /** The option `loss`, where it is a module: its parameters are trained with the student's. */
  declare readonly student_loss?: Module;
  /** The ranges of the student's inputs, where it is trained for integers. */
  declare readonly student_quantization?: QuantizationAware;
  readonly #loss: LossFunction | undefined;
  /** Whether some process of the run has needed its teachers, where a cache may have what they give. */
  #teachersRun = false;

  /** @throws {RetortError} for options that the schema refuses: unknown ones, and values that make no sense. */
  constructor(options: AlgorithmOptions) {
    super();
    checkOptions(new.target.schema, options, new.target.name);
    const { architecture, loss, moduleInplace = false, quantizationAware, compat } = options;
    this.architecture = architecture;
    if (loss instanceof Module) this.student_loss = loss;
    this.#loss = loss instanceof Module ? (outputs, targets) => loss.forward(outputs, targets) : loss;
    this.original = compat === 'mmrazor';
    if (!moduleInplace) disableInplace(architecture);
    const quantization = this.quantization(architecture, quantizationAware);
    if (quantization !== undefined) this.student_quantization = quantization;
  }

  /** Makes a student compute as the option `quantizationAware` says. */
  protected quantization(
    student: Network,
    option: AlgorithmOptions['quantizationAware'] = false,
  ): QuantizationAware | undefined {
    if (option !== false) return new QuantizationAware(student, option === true ? {} : option);
    floatAgain(student); // it may be of an earlier stage that did
    return undefined;
  }

  get student(): Network {
    return this.architecture;
  }

  /** The networks that are shipped, by name; each gets a checkpoint of its own. */
  students(): Readonly<Record<string, Network>> {
    return { student: this.student };
  }

  /** Networks to evaluate, by name: the student, and a teacher where there is one. */
  evaluated(): Readonly<Record<string, Network>> {
    return { student: this.student };
  }

  /**
   * Networks whose weights are not here, by name: a teacher cache has all that they give. What they have in place of weights means
   * nothing, so they are not measured, drawn or handed on.
   */
  absent(): Readonly<Record<string, Network>> {
    return {};
  }

  /** The distillers at work, by their key in the config. */
  distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return {};
  }

  /** Modules that do not change while training: not optimized, not in checkpoints, their metrics computed once. */
  frozen(): readonly Module[] {
    return [];
  }

  /**
   * The losses of a batch by name, such as `student.loss` and `distill.loss_kl`.
   * @param inputs a tensor `(N, ...)` such as images `(N, C, H, W)`, or a record of tensors
   * @param targets what they are to give, or a list of samples such as `{ gtLabel: 3 }`
   * @param views what other networks see in place of `inputs`
   */
  loss(inputs: Inputs, targets: GivenTargets, views?: Views): LossRecord {
    return this.lossesOf({ inputs, targets: targetsOf(targets), ...(views === undefined ? {} : { views }) });
  }

  /** The losses of a batch by name: what an algorithm is. */
  protected abstract lossesOf(batch: LearnedBatch): LossRecord;

  /** When networks whose losses nobody asks for compute them all the same: see `quiet-pass.ts`. */
  protected get quietLosses(): QuietPassOptions['losses'] {
    if (this.#loss !== undefined) return 'never';
    return this.original ? 'always' : 'where tapped';
  }

  /**
   * What a network is trained on by itself: the option `loss` on what it gives, or the losses that it computes.
   * @param who the network, for errors
   * @throws {RetortError} for a network that gives no losses, where the option is not there.
   */
  protected ownLosses(who: string, network: Network, batch: LearnedBatch): Record<string, Tensor> {
    const part = who === 'the teacher' ? 'teacher' : 'student';
    return span(part, undefined, () => this.#ownLosses(who, network, batch));
  }

  #ownLosses(who: string, network: Network, { inputs, targets }: LearnedBatch): Record<string, Tensor> {
    if (this.#loss !== undefined) {
      const losses: unknown = this.#loss(network.forward(inputs), targets);
      if (losses instanceof Tensor) return { loss: losses };
      if (isPlain(losses)) return losses as Record<string, Tensor>;
      throw new RetortError(
        `${this.constructor.name}: loss: expected a tensor or a record of tensors, got ${shown(losses)}`,
      );
    }
    const losses: unknown = (network as LossModel).forward(inputs, withSamples(targets), 'loss');
    if (isPlain(losses) && Object.keys(losses).some((name) => name.includes('loss'))) {
      return losses as Record<string, Tensor>;
    }
    throw new RetortError(
      `${this.constructor.name}: ${who} ${network.constructor.name} computes no losses: in mode "loss" it returns ${shown(losses)}`,
      {
        code: 'unsupported',
        help:
          'say what it is trained on: { loss: (outputs, targets) => functional.crossEntropy(outputs, targets.labels) }; ' +
          'or, where only the distiller is to train it, calculateStudentLoss: false',
      },
    );
  }

  /** See {@link parseLosses}. */
  parseLosses(losses: LossRecord): ReturnType<typeof parseLosses> {
    return parseLosses(losses);
  }

  /** One batch of training: computes losses and hands them to `update`. Returns what is to be reported. */
  trainStep(batch: LearnedBatch, update: Update): Readonly<Record<string, Tensor>> {
    const prepared = this.preprocessed(batch);
    this.planTeachers(prepared);
    const [total, entries] = this.batchLosses(prepared);
    update({ total, entries });
    return entries;
  }

  /**
   * The losses of a batch that is {@link preprocessed}, and their total.
   * @throws {RetortError} that says so where networks are given bytes and cannot compute with them.
   */
  batchLosses(batch: LearnedBatch): ReturnType<typeof parseLosses> {
    try {
      return this.parseLosses(this.lossesOf(batch));
    } catch (error) {
      throw explained(error, batch);
    }
  }

  /**
   * The batch as the student prepares it for training (mixed, or labels as shares), for student and teacher alike.
   * @throws {RetortError} when the student mixes and other networks have their own views: those would stay unmixed.
   */
  preprocessed(batch: LearnedBatch): LearnedBatch {
    const prepared = this.student.preprocess?.(batch) ?? batch;
    // A batch that was made anew is still of the same samples.
    const mixed = batch.origin === undefined || prepared === batch ? prepared : { ...prepared, origin: batch.origin };
    if (mixed.inputs !== batch.inputs && batch.views !== undefined) {
      throw new RetortError(
        'the student mixes images, but other networks have their own views, which would stay unmixed',
        {
          code: 'invalid-config',
          help: 'mix in the data transforms, before the views part, or leave the views out',
        },
      );
    }
    return mixed;
  }

  /** What is done to make frozen teachers cheap, where there are any. */
  protected get plan(): TeacherPlan | undefined {
    return undefined;
  }

  /** Where what frozen teachers give is kept, if it is. @internal */
  get cache(): TeacherCache | undefined {
    return undefined;
  }

  /**
   * Decides what is done with frozen teachers, as the option `teacherPlan` says: {@link trainStep} calls it with every batch. A loop of
   * one's own that calls {@link loss} runs them plainly, unless it calls this with each batch before. Looking ahead takes some passes of
   * the teachers, and leaves random numbers and buffers as they were.
   */
  planTeachers(batch: LearnedBatch): void {
    const { cache, plan } = this;
    if (plan === undefined) return;
    if (cache !== undefined) {
      if (!cache.hasWeights) return;
      // The processes of a run look ahead together, once one of them needs its teachers.
      this.#teachersRun ||= !everywhere(cache.holds(batch));
      if (!this.#teachersRun) return;
    }
    span('teacher plan', undefined, () => plan.see(batch));
  }

  /** What there is to say that has not been asked for yet, such as what is done with the teachers: lines to be printed. */
  notes(): string[] {
    return [...(this.cache?.notes() ?? []), ...(this.plan?.notes() ?? [])];
  }

  /** Told when a run has ended, however it did: files that it wrote into are others' again. */
  afterRun(): void {
    this.cache?.close();
  }

  /** What was decided while training, for its checkpoint: a run that is resumed does the same. JSON can hold it. */
  decisions(): unknown {
    return this.plan?.saved();
  }

  /** Does as {@link decisions} of a run before say. */
  repeatDecisions(decisions: unknown): void {
    this.plan?.restore(decisions);
  }

  /** Told before each optimizer step how far training is: weights of losses may follow a schedule. */
  setProgress(_progress: TrainingProgress): void {}

  /** Told after each optimizer step, when parameters have moved. */
  afterStep(): void {}

  /** The same as {@link loss}: calling the algorithm computes its losses. */
  override forward(inputs: Inputs, targets: GivenTargets, views?: Views): LossRecord {
    return this.loss(inputs, targets, views);
  }
}

/** What was returned where losses were expected. */
function shown(value: unknown): string {
  if (value instanceof Tensor) return 'a tensor';
  if (isPlain(value)) return `{ ${Object.keys(value).join(', ')} }`;
  return Array.isArray(value) ? 'a list' : typeof value;
}

/** What a network refuses images with that it cannot compute with. */
const ofBytes: readonly string[] = ['engine', 'invalid-argument', 'mismatch'];

/** Images that nobody normalized are the likely reason why a network fails on them. */
function explained(error: unknown, { inputs, views = {} }: LearnedBatch): unknown {
  if (!(error instanceof RetortError) || !ofBytes.includes(error.code)) return error;
  const images = Object.entries({ student: inputs, ...views }).flatMap(([name, seen]) => {
    const found = seen instanceof Tensor ? seen : seen['images'];
    return found === undefined ? [] : [[name, found] as const];
  });
  const given = images.filter(([, { dtype, ndim }]) => ndim === 4 && !/^b?float|complex/.test(dtype));
  if (given.length === 0) return error;
  const [[name, { dtype }]] = given as [[string, Tensor]];
  const [reason] = error.what.split('\n');
  const list = name === 'student' ? 'transforms or studentTransforms' : `views.${name}`;
  return new RetortError(`the ${name} is given images of ${dtype}, and fails on them (${reason})`, {
    help: `end ${list} with { type: 'Normalize', mean, std }, which divides by 255 and gives float32`,
    cause: error,
  });
}

/** @throws {RetortError} for no teachers, and for one whose name metrics and views could not tell from the student's. */
export function requireTeachers(algorithm: string, teachers: Readonly<Record<string, Network>>): void {
  if (Object.keys(teachers).length === 0) {
    throw new RetortError(`${algorithm}: teachers: expected at least one, got none`, {
      help: 'name at least one: { teachers: { a } }',
    });
  }
  if (Object.hasOwn(teachers, 'student')) {
    throw new RetortError(`${algorithm}: teachers: expected other names than "student", which is the architecture's`, {
      help: 'name the teacher by what it is, such as res34',
    });
  }
}

/** Turns in-place activations off below a module, so that what was recorded before them stays what it was. */
export function disableInplace(model: Module): void {
  for (const module of model.modules()) {
    if ('inplace' in module && module.inplace === true) module.inplace = false;
  }
}

/** Puts the batch norms of a module into training or evaluation mode, and leaves the rest as it is. */
export function trainNorms(model: Module, mode: boolean): void {
  for (const module of model.modules()) if (module instanceof BatchNorm) module.train(mode);
}

/** Adds entries under `prefix.name`. */
export function addPrefixed(into: Record<string, Tensor | readonly Tensor[]>, prefix: string, from: LossRecord): void {
  for (const [name, value] of Object.entries(from)) into[`${prefix}.${name}`] = value;
}
