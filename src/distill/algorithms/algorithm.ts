// What the training loop sees of every algorithm: a training step, the students to ship, the networks to evaluate.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { BatchNorm, Module } from '../../nn/index.ts';
import type { DataSample, LossModel } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ConfigurableDistiller, TrainingProgress } from '../distillers/index.ts';
import { parseLosses } from './parse-losses.ts';
import type { LossRecord } from './parse-losses.ts';

const hasForward = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as { forward?: unknown }).forward === 'function';
/** The schema of a network, a generator or a distiller that is built. */
export const built = <T>(what: string) => z.custom<T>(hasForward, `expected ${what}`);

/** What every algorithm may be told, in configs too. */
export const commonOptions = {
  /** Leave in-place activations of the student on; records taken before one are then refused. Default false. */
  moduleInplace: z.boolean().default(false),
  /** `'mmrazor'` behaves as MMRazor does where that differs: docs/differences.md. Default: as the options say. */
  compat: z.literal('mmrazor').optional(),
};
const parts = {
  /** The student. */
  architecture: built<LossModel>('a network'),
};
export interface AlgorithmOptions extends OptionsFrom<typeof parts>, OptionsFrom<typeof commonOptions> {}

/** The schema of an algorithm's options: its own, and those of {@link AlgorithmOptions}. Unknown ones are refused. */
export function algorithmSchema<S extends z.ZodRawShape>(own: S) {
  return z.strictObject({ ...parts, ...commonOptions, ...own });
}

/**
 * The same images as other networks are to see them (another normalisation, another augmentation), by the network's name:
 * `teacher`, or the name of one of several teachers. A network that has none sees the student's.
 */
export type Views = Readonly<Record<string, Tensor>>;

export interface TrainBatch {
  /** `(N, C, H, W)` */
  inputs: Tensor;
  /** One per image. */
  dataSamples: readonly DataSample[];
  views?: Views;
}

/** What one update of parameters is about. */
export interface UpdateRequest {
  /** The scalar to differentiate. */
  total: Tensor;
  /** What it is made of, to report. */
  entries: Readonly<Record<string, Tensor>>;
  /** The sub-module whose parameters move, where an algorithm trains several in turn. Default: everything that is trained. */
  part?: string;
}

/** Differentiates a total and moves parameters; the training loop provides it. */
export type Update = (request: UpdateRequest) => void;

export abstract class Algorithm extends Module {
  /** What its options are checked by. A class without one checks its own options itself. */
  static readonly schema: z.ZodType = z.looseObject({ ...parts, ...commonOptions });

  /** The network that is trained and shipped. */
  readonly architecture: LossModel;
  /** Whether MMRazor's behaviour is asked for where it differs. */
  protected readonly original: boolean;

  /** @throws {RetortError} for options that the schema refuses: unknown ones, and values that make no sense. */
  constructor(options: AlgorithmOptions) {
    super();
    checkOptions(new.target.schema, options, new.target.name);
    const { architecture, moduleInplace = false, compat } = options;
    this.architecture = architecture;
    this.original = compat === 'mmrazor';
    if (!moduleInplace) disableInplace(architecture);
  }

  get student(): LossModel {
    return this.architecture;
  }

  /** The networks that are shipped, by name; each gets a checkpoint of its own. */
  students(): Readonly<Record<string, LossModel>> {
    return { student: this.student };
  }

  /** Networks to evaluate, by name: the student, and a teacher where there is one. */
  evaluated(): Readonly<Record<string, LossModel>> {
    return { student: this.student };
  }

  /** The distillers at work, by the name of their place in the config. */
  distillersByName(): Readonly<Record<string, ConfigurableDistiller>> {
    return {};
  }

  /** Modules that do not change while training: not optimised, not in checkpoints, their metrics computed once. */
  frozen(): readonly Module[] {
    return [];
  }

  /**
   * The losses of a batch by name, such as `student.loss` and `distill.loss_kl`.
   * @param inputs `(N, C, H, W)`
   * @param dataSamples one per image
   * @param views what other networks see in place of `inputs`
   */
  abstract loss(inputs: Tensor, dataSamples: readonly DataSample[], views?: Views): LossRecord;

  /** See {@link parseLosses}. */
  parseLosses(losses: LossRecord): ReturnType<typeof parseLosses> {
    return parseLosses(losses);
  }

  /** One batch of training: computes losses and hands them to `update`. Returns what is to be reported. */
  trainStep(batch: TrainBatch, update: Update): Readonly<Record<string, Tensor>> {
    const [total, entries] = this.batchLosses(this.preprocessed(batch));
    update({ total, entries });
    return entries;
  }

  /**
   * The losses of a batch that is {@link preprocessed}, and their total.
   * @throws {RetortError} that says so where networks are given bytes and cannot compute with them.
   */
  batchLosses(batch: TrainBatch): ReturnType<typeof parseLosses> {
    const { inputs, dataSamples, views } = batch;
    try {
      return this.parseLosses(this.loss(inputs, dataSamples, views));
    } catch (error) {
      throw explained(error, batch);
    }
  }

  /**
   * The batch as the student prepares it for training (mixed, or labels as shares), for student and teacher alike.
   * @throws {RetortError} when a student that mixes meets views of their own: those would stay unmixed.
   */
  preprocessed(batch: TrainBatch): TrainBatch {
    const { inputs, dataSamples, views } = batch;
    const mixed = this.student.preprocess?.({ inputs, dataSamples });
    if (mixed === undefined) return batch;
    if (mixed.inputs === inputs) return { ...batch, dataSamples: mixed.dataSamples };
    if (views !== undefined) {
      throw new RetortError(
        'the student mixes images, but other networks have views of their own, which would stay unmixed',
        {
          help: 'mix in the data transforms, before the views part, or leave the views out',
        },
      );
    }
    return mixed;
  }

  /** Told before each optimizer step how far training is: weights of losses may follow a schedule. */
  setProgress(_progress: TrainingProgress): void {}

  /** Told after each optimizer step, when parameters have moved. */
  afterStep(): void {}

  /** The same as {@link loss}: calling the algorithm computes its losses. */
  override forward(inputs: Tensor, dataSamples: readonly DataSample[], views?: Views): LossRecord {
    return this.loss(inputs, dataSamples, views);
  }
}

/** Images that nobody normalized are the likely reason why a network fails on them. */
function explained(error: unknown, { inputs, views = {} }: TrainBatch): unknown {
  const given = Object.entries({ student: inputs, ...views }).filter(
    ([, { dtype }]) => !/^b?float|complex/.test(dtype),
  );
  if (!(error instanceof RetortError) || given.length === 0) return error;
  const [[name, { dtype }]] = given as [[string, Tensor]];
  const [reason] = error.message.split('\n');
  const list = name === 'student' ? 'transforms or studentTransforms' : `views.${name}`;
  return new RetortError(`the ${name} is given images of ${dtype}, and fails on them (${reason})`, {
    help: `end ${list} with { type: 'Normalize', mean, std }, which divides by 255 and gives float32`,
    cause: error,
  });
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
