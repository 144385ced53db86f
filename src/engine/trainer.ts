// The training loop: epochs of steps, an evaluation after each, checkpoints from which it goes on exactly.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { DataLoader } from '../data/index.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { saveModule } from '../nn/index.ts';
import type { LossModel } from '../nn/index.ts';
import type { Optimizer, Scheduler } from '../optim/index.ts';
import { autocast, tidy } from '../torch/index.ts';
import type { ProcessGroup, Tensor } from '../torch/index.ts';
import { evaluate, evaluateAgreement } from './evaluate.ts';
import type { Evaluator, Metrics } from './evaluators/index.ts';
import type { Hook, NetworkMetrics, Run } from './hooks/index.ts';
import { nextTurn } from './next-turn.ts';
import { firstNonFinite, requireFinite } from './non-finite.ts';
import { OptimizedPart } from './optimized-part.ts';
import type { PartOptions } from './optimized-part.ts';
import { silent } from './progress.ts';
import type { Progress, StepReport } from './progress.ts';
import { Replicas } from './replicas.ts';
import type { Trainable, UpdateRequest } from './trainable.ts';
import { loadTraining, runFiles, saveTraining } from './training-checkpoint.ts';
import type { Position, Progressed, TrainingParts } from './training-checkpoint.ts';

export interface TrainerOptions {
  algorithm: Trainable;
  trainLoader: DataLoader;
  /** Evaluated after every epoch; without it nothing is. */
  valLoader?: DataLoader;
  /** Moves everything that is trained. Leave it out where `parts` has several. */
  optimizer?: Optimizer;
  /** Stepped after every training step in which the optimiser moved. */
  stepSchedulers?: readonly Scheduler[];
  /** Stepped after every epoch. */
  epochSchedulers?: readonly Scheduler[];
  /** Optimisers of their own for parts of the algorithm, by the path of the sub-module (`architecture`, `generator`). */
  parts?: Readonly<Record<string, PartOptions>>;
  epochs: number;
  /** Ends training after so many steps in all. Default: after the last epoch. */
  maxSteps?: number;
  /** Steps whose gradients are averaged before the optimiser steps. Default 1. */
  accumulate?: number;
  /** Clip the norm of all gradients together. Default: not at all. */
  maxGradNorm?: number;
  /** `'bfloat16'` computes convolutions and matrix products in bfloat16 (autocast). Default `'float32'`. */
  precision?: 'float32' | 'bfloat16';
  /** Epochs between two evaluations; the last is always evaluated. Default 1. */
  valInterval?: number;
  /** Default: accuracy. */
  evaluators?: readonly Evaluator[];
  /** Evaluate how alike student and teacher are too. Default false. */
  agreement?: boolean;
  /** Which of the algorithm's networks are evaluated. Default: all. */
  evaluated?: readonly string[];
  hooks?: readonly Hook[];
  /** Where checkpoints go; without it none are written. */
  workDir?: string;
  /** Steps between two training checkpoints within an epoch. Default: only at its end. */
  saveInterval?: number;
  progress?: Progress;
  /** When aborted, the step under way is finished, the run saved, and `run` returns with `stopped`. */
  signal?: AbortSignal;
  /**
   * Processes that train together, each with a trainer of the same options: a step takes a batch of each, and updates use the
   * mean of their gradients. The first writes files and shows progress. Default: this process alone.
   */
  group?: ProcessGroup;
}

export interface TrainingResult {
  /** Metrics of the last evaluation by network: `student`, `teacher`. */
  metrics: NetworkMetrics;
  /** Seconds spent in steps, those before a resume too. */
  seconds: number;
  /** Whether a signal ended the run before its last step. */
  stopped: boolean;
}

export class Trainer {
  readonly #options: TrainerOptions;
  readonly #parts: ReadonlyMap<string, OptimizedPart>;
  readonly #hooks: readonly Hook[];
  readonly #replicas: Replicas;
  readonly #run: Run;
  /** Metrics of networks that do not change. */
  readonly #settled = new Map<LossModel, Metrics>();
  #state: Progressed = { position: { epoch: 0, step: 0 }, metrics: {}, evaluationDue: false, seconds: 0 };

  /** @throws {RetortError} for counts that make no sense, or parts that are none. */
  constructor(options: TrainerOptions) {
    const { algorithm, epochs, trainLoader, workDir, hooks = [] } = options;
    whole('epochs', epochs);
    for (const name of ['maxSteps', 'valInterval', 'saveInterval'] as const) {
      if (options[name] !== undefined) whole(name, options[name]);
    }
    if (trainLoader.length === 0) {
      throw new RetortError('Trainer: the training loader has no batch', {
        help: 'the data set is smaller than one batch and dropLast is set: use a smaller batchSize',
      });
    }
    const replicas = new Replicas(options.group);
    if (trainLoader.worldSize !== replicas.count) {
      throw new RetortError(
        `Trainer: ${replicas.count} processes train together, but the training loader shares its samples among ${trainLoader.worldSize}`,
        { help: 'give the loader a DistributedSampler of the same group, and the trainer that group' },
      );
    }
    const progress = replicas.first ? (options.progress ?? silent) : silent;
    this.#options = { ...options, progress };
    this.#replicas = replicas;
    this.#parts = partsOf(options, replicas);
    this.#hooks = hooks;
    const state = (): Progressed => this.#state;
    this.#run = {
      algorithm,
      epochs,
      workDir: replicas.first ? workDir : undefined,
      progress,
      get position() {
        return state().position;
      },
      stop: (reason) => {
        this.#state.ended ??= reason;
      },
    };
    if (workDir !== undefined) mkdirSync(workDir, { recursive: true });
  }

  /** Where the run stands. */
  get position(): Readonly<Position> {
    return this.#state.position;
  }

  /** All that some optimiser moves. */
  parameters(): Tensor[] {
    return [...this.#parts.values()].flatMap((part) => part.optimizer.parameters());
  }

  /** Goes on from the training checkpoint in a run's folder. @throws {RetortError} when there is none. */
  resume(workDir: string): this {
    this.#state = loadTraining(workDir, this.#saved(), (text) => this.#run.progress.line(text));
    return this;
  }

  /** Trains to the last epoch, or until the signal. */
  async run(): Promise<TrainingResult> {
    const run = this.#run;
    this.#replicas.shareState(this.#options.algorithm);
    if (this.#steps() === 0) this.#replicas.seedApart();
    for (const hook of this.#hooks) hook.beforeRun?.(run);
    try {
      if (this.#state.evaluationDue) await this.#evaluate();
      while (!this.#finished()) {
        if (!(await this.#epoch())) return this.#result(true);
      }
      if (Object.keys(this.#state.metrics).length === 0) await this.#evaluate();
      if (this.#state.ended !== undefined) run.progress.line(`training ends: ${this.#state.ended}`);
      this.#save();
      return this.#result(false);
    } finally {
      for (const hook of this.#hooks) hook.afterRun?.(run);
    }
  }

  #finished(): boolean {
    const { epochs, maxSteps } = this.#options;
    const { position, ended } = this.#state;
    return ended !== undefined || position.epoch >= epochs || (maxSteps !== undefined && this.#steps() >= maxSteps);
  }

  #result(stopped: boolean): TrainingResult {
    const { metrics, seconds } = this.#state;
    return { metrics, seconds, stopped };
  }

  /** Steps done in all. */
  #steps(): number {
    const { epoch, step } = this.#state.position;
    return epoch * this.#options.trainLoader.length + step;
  }

  /** The rest of the epoch under way; false when the signal stopped it. */
  async #epoch(): Promise<boolean> {
    const { algorithm, signal, trainLoader, epochs, maxSteps = Infinity } = this.#options;
    const { saveInterval = Infinity, valInterval = 1 } = this.#options;
    const { epoch } = this.#state.position;
    algorithm.train();
    for (const hook of this.#hooks) hook.beforeEpoch?.(this.#run);
    for (let { step } = this.#state.position; step < trainLoader.length && this.#steps() < maxSteps; step++) {
      await trainLoader.prepare(epoch, step);
      this.#step(epoch, step);
      await nextTurn();
      const settled = [...this.#parts.values()].every((part) => part.settled);
      if (this.#replicas.any(signal?.aborted === true) && settled) {
        this.#save();
        return false;
      }
      if (settled && (step + 1) % saveInterval === 0) this.#save();
    }
    for (const part of this.#parts.values()) part.endEpoch();
    this.#state.position = { epoch: epoch + 1, step: 0 };
    for (const hook of this.#hooks) hook.afterEpoch?.(this.#run);
    const last = epoch + 1 === epochs || this.#steps() >= maxSteps;
    this.#state.evaluationDue = (epoch + 1) % valInterval === 0 || last;
    this.#save();
    if (this.#state.evaluationDue) {
      await this.#evaluate();
      this.#save();
    }
    return true;
  }

  /** One step: losses of a batch, gradients, update. All it makes is freed at its end. */
  #step(epoch: number, step: number): void {
    const { algorithm, trainLoader, epochs, precision, progress = silent } = this.#options;
    const began = performance.now();
    algorithm.setProgress({ epoch: epoch + step / trainLoader.length, step: this.#steps() });
    const lr = this.#parts.values().next().value!.lr;
    const { losses, images } = tidy(() => {
      const batch = trainLoader.load(epoch, step);
      const where = `epoch ${epoch + 1}, step ${step + 1}`;
      const explain = (): string | undefined => {
        const { group } = this.#options;
        const again = (): string | undefined =>
          firstNonFinite(algorithm, () => void algorithm.trainStep(batch, () => undefined));
        return group === undefined ? again() : group.alone(again);
      };
      const update = (request: UpdateRequest): void => {
        requireFinite(numbers(request.entries), where, explain);
        this.#update(request);
      };
      const train = (): Readonly<Record<string, number>> => numbers(algorithm.trainStep(batch, update));
      return { losses: precision === 'bfloat16' ? autocast(train) : train(), images: batch.dataSamples.length };
    });
    for (const part of this.#parts.values()) part.endStep();
    this.#replicas.averageStatistics(algorithm);
    algorithm.afterStep();
    this.#state.position = { epoch, step: step + 1 };
    this.#state.seconds += (performance.now() - began) / 1000;
    const report: StepReport = {
      epoch: epoch + 1,
      epochs,
      step: step + 1,
      steps: trainLoader.length,
      images: images * this.#replicas.count,
      losses: this.#replicas.mean(losses),
      lr,
    };
    for (const hook of this.#hooks) hook.afterStep?.(this.#run, report);
    progress.step(report);
  }

  #update({ total, part }: UpdateRequest): void {
    const own = part === undefined ? undefined : this.#parts.get(part);
    if (own !== undefined) own.update(total, true);
    else if (part === undefined && this.#parts.size > 1) {
      // One total for several optimisers: the first differentiates, all move.
      throw new RetortError(
        `Trainer: ${this.#options.algorithm.constructor.name} trains everything with one total, but there are optimisers for ${[...this.#parts.keys()].join(', ')}`,
        { help: 'give one optimizer; parameter groups have learning rates of their own' },
      );
    } else {
      const all = this.#parts.get('');
      if (all === undefined || part !== undefined) {
        const known = [...this.#parts.keys()].map((name) => (name === '' ? 'everything' : name));
        throw new RetortError(
          `Trainer: there is no optimiser for "${part ?? 'everything'}"; ${didYouMean(part ?? '', known)}`,
          { help: `give optimisers by part: { ${part}: { ... } }` },
        );
      }
      all.update(total, false);
    }
  }

  async #evaluate(): Promise<void> {
    const { algorithm, valLoader, epochs, progress = silent, evaluators, agreement = false } = this.#options;
    this.#state.evaluationDue = false;
    if (valLoader === undefined) return;
    const frozen = new Set(algorithm.frozen().flatMap((module) => module.modules()));
    const { group } = this.#options;
    const options = { ...(evaluators === undefined ? {} : { evaluators }), ...(group === undefined ? {} : { group }) };
    const metrics: Record<string, Metrics> = {};
    const networks = algorithm.evaluated();
    const wanted = this.#options.evaluated ?? Object.keys(networks);
    for (const [name, model] of Object.entries(networks)) {
      if (!wanted.includes(name)) continue;
      metrics[name] = this.#settled.get(model) ?? (await evaluate(model, valLoader, { ...options, view: name }));
      if (frozen.has(model)) this.#settled.set(model, metrics[name]);
    }
    const { teacher } = networks;
    if (agreement && teacher !== undefined) {
      metrics['agreement'] = await evaluateAgreement({ student: algorithm.student, teacher }, valLoader, group);
    }
    for (const hook of this.#hooks) {
      Object.assign(
        metrics,
        await hook.evaluateMore?.(this.#run, () => evaluate(algorithm.student, valLoader, options)),
      );
    }
    this.#state.metrics = metrics;
    progress.line(`epoch ${this.position.epoch}/${epochs}  ${shownMetrics(metrics)}`);
    for (const hook of this.#hooks) hook.afterEvaluate?.(this.#run, metrics);
  }

  #saved(): TrainingParts {
    return { algorithm: this.#options.algorithm, parts: this.#parts, hooks: this.#hooks, replicas: this.#replicas };
  }

  #save(): void {
    const { workDir, algorithm } = this.#options;
    if (workDir === undefined) return;
    saveTraining(workDir, this.#saved(), this.#state);
    if (!this.#replicas.first) return;
    const students = algorithm.students();
    for (const [name, model] of Object.entries(students)) {
      saveModule(join(workDir, model === algorithm.student ? runFiles.student : `student-${name}.safetensors`), model);
    }
    for (const hook of this.#hooks) hook.afterSave?.(this.#run);
  }
}

function partsOf(
  { optimizer, parts, ...options }: TrainerOptions,
  replicas: Replicas,
): ReadonlyMap<string, OptimizedPart> {
  const { stepSchedulers, epochSchedulers, accumulate, maxGradNorm } = options;
  const limits = {
    ...(accumulate === undefined ? {} : { accumulate }),
    ...(maxGradNorm === undefined ? {} : { maxGradNorm }),
  };
  if ((optimizer === undefined) === (parts === undefined)) {
    throw new RetortError(
      'Trainer: either optimizer or parts was expected, got ' + (optimizer === undefined ? 'neither' : 'both'),
    );
  }
  if (parts !== undefined) {
    return new Map(
      Object.entries(parts).map(([name, part]) => [name, new OptimizedPart({ ...limits, ...part }, replicas)]),
    );
  }
  const all: PartOptions = {
    ...limits,
    optimizer: optimizer!,
    ...(stepSchedulers === undefined ? {} : { stepSchedulers }),
    ...(epochSchedulers === undefined ? {} : { epochSchedulers }),
  };
  return new Map([['', new OptimizedPart(all, replicas)]]);
}

function numbers(entries: Readonly<Record<string, { item(): number }>>): Record<string, number> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, value.item()]));
}

/** `accuracy: student 91.20%  teacher 92.78%`, then the other metrics. */
function shownMetrics(metrics: NetworkMetrics): string {
  const names = [...new Set(Object.values(metrics).flatMap((values) => Object.keys(values)))];
  const percent = (name: string): boolean => name === 'accuracy' || name === 'agreement' || /^top\d+$/.test(name);
  return names
    .map((name) => {
      const values = Object.entries(metrics).filter(([, all]) => all[name] !== undefined);
      const shown = values.map(([network, all]) => {
        const value = percent(name) ? `${all[name]!.toFixed(2)}%` : all[name]!.toPrecision(4);
        return network === name || network === 'agreement' ? value : `${network} ${value}`;
      });
      return `${name}: ${shown.join('  ')}`;
    })
    .join('  ');
}

function whole(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new RetortError(`Trainer: ${name} must be a whole number of at least 1, got ${value}`);
}
