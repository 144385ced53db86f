// The training loop: epochs of steps, an evaluation after each, checkpoints from which it goes on exactly.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { DataLoader } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import { saveModule } from '../nn/index.ts';
import type { LossModel } from '../nn/index.ts';
import { clipGradNorm } from '../optim/index.ts';
import type { Optimizer, Scheduler } from '../optim/index.ts';
import { tidy } from '../torch/index.ts';
import { evaluate } from './evaluate.ts';
import type { Metrics } from './evaluate.ts';
import { nextTurn } from './next-turn.ts';
import { silent } from './progress.ts';
import type { Progress } from './progress.ts';
import type { Trainable } from './trainable.ts';
import { loadTraining, saveTraining } from './training-checkpoint.ts';
import type { Position } from './training-checkpoint.ts';

export interface TrainerOptions {
  algorithm: Trainable;
  trainLoader: DataLoader;
  /** Evaluated after every epoch; without it nothing is. */
  valLoader?: DataLoader;
  optimizer: Optimizer;
  /** Stepped after every optimiser step. */
  stepSchedulers?: readonly Scheduler[];
  /** Stepped after every epoch. */
  epochSchedulers?: readonly Scheduler[];
  epochs: number;
  /** Clip the norm of all gradients together. Default: not at all. */
  maxGradNorm?: number;
  /** Epochs between two evaluations; the last is always evaluated. Default 1. */
  valInterval?: number;
  /** Where checkpoints go; without it none are written. */
  workDir?: string;
  progress?: Progress;
  /** When aborted, the step under way is finished, the run saved, and `run` returns with `stopped`. */
  signal?: AbortSignal;
}

export interface TrainingResult {
  /** Metrics of the last epoch by network: `student`, `teacher`. */
  metrics: Readonly<Record<string, Metrics>>;
  /** Seconds spent in steps. */
  seconds: number;
  /** Whether a signal ended the run before its last step. */
  stopped: boolean;
}

/** The names of files in a run's folder. */
export const runFiles = { training: 'training.safetensors', student: 'student.safetensors' } as const;

export class Trainer {
  readonly #options: TrainerOptions;
  readonly #schedulers: readonly Scheduler[];
  /** Metrics of networks that do not change. */
  readonly #settled = new Map<LossModel, Metrics>();
  #position: Position = { epoch: 0, step: 0 };

  /** @throws {RetortError} for counts that make no sense. */
  constructor(options: TrainerOptions) {
    if (!Number.isInteger(options.epochs) || options.epochs < 1) {
      throw new RetortError(`Trainer: epochs must be a whole number of at least 1, got ${options.epochs}`);
    }
    if (options.trainLoader.length === 0) {
      throw new RetortError('Trainer: the training loader has no batch', {
        help: 'the data set is smaller than one batch and dropLast is set: use a smaller batchSize',
      });
    }
    this.#options = options;
    this.#schedulers = [...(options.stepSchedulers ?? []), ...(options.epochSchedulers ?? [])];
    if (options.workDir !== undefined) mkdirSync(options.workDir, { recursive: true });
  }

  /** Where the run stands. */
  get position(): Readonly<Position> {
    return this.#position;
  }

  /** Goes on from the training checkpoint in a run's folder. @throws {RetortError} when there is none. */
  resume(workDir: string): this {
    const path = join(workDir, runFiles.training);
    if (!existsSync(path)) {
      throw new RetortError(`${workDir} has no ${runFiles.training} to resume from`, {
        help: 'name the folder of a run that was stopped; without --resume a new run begins',
      });
    }
    this.#position = loadTraining(path, this.#parts());
    return this;
  }

  /** Trains to the last epoch, or until the signal. */
  async run(): Promise<TrainingResult> {
    const { epochs, valInterval = 1, signal, trainLoader } = this.#options;
    let metrics: Record<string, Metrics> = {};
    let seconds = 0;
    while (this.#position.epoch < epochs) {
      const { epoch } = this.#position;
      this.#options.algorithm.train();
      for (let { step } = this.#position; step < trainLoader.length; step++) {
        const began = performance.now();
        this.#step(epoch, step);
        seconds += (performance.now() - began) / 1000;
        this.#position = { epoch, step: step + 1 };
        await nextTurn();
        if (signal?.aborted === true) {
          this.#save();
          return { metrics, seconds, stopped: true };
        }
      }
      for (const scheduler of this.#options.epochSchedulers ?? []) scheduler.step();
      this.#position = { epoch: epoch + 1, step: 0 };
      this.#save();
      if ((epoch + 1) % valInterval === 0 || epoch + 1 === epochs) metrics = await this.#evaluate();
    }
    return { metrics: Object.keys(metrics).length > 0 ? metrics : await this.#evaluate(), seconds, stopped: false };
  }

  /** One step: losses of a batch, gradients, update. All it makes is freed at its end. */
  #step(epoch: number, step: number): void {
    const { algorithm, optimizer, trainLoader, epochs, maxGradNorm } = this.#options;
    const report = tidy(() => {
      const { inputs, dataSamples } = trainLoader.load(epoch, step);
      const [total, entries] = algorithm.parseLosses(algorithm.forward(inputs, dataSamples));
      const losses = Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, value.item()]));
      requireFinite(losses, epoch, step);
      optimizer.zeroGrad();
      total.backward();
      if (maxGradNorm !== undefined) clipGradNorm(optimizer.parameters(), maxGradNorm);
      optimizer.step();
      return { losses, images: dataSamples.length };
    });
    const lr = optimizer.paramGroups[0]!.lr;
    for (const scheduler of this.#options.stepSchedulers ?? []) scheduler.step();
    const progress = this.#options.progress ?? silent;
    progress.step({ ...report, epoch: epoch + 1, epochs, step: step + 1, steps: trainLoader.length, lr });
  }

  async #evaluate(): Promise<Record<string, Metrics>> {
    const { algorithm, valLoader, epochs, progress = silent } = this.#options;
    if (valLoader === undefined) return {};
    const frozen = new Set<unknown>(algorithm.frozen());
    const metrics: Record<string, Metrics> = {};
    for (const [name, model] of Object.entries(algorithm.evaluated())) {
      const known = this.#settled.get(model);
      metrics[name] = known ?? (await evaluate(model, valLoader));
      if (frozen.has(model)) this.#settled.set(model, metrics[name]);
    }
    const shown = Object.entries(metrics).map(([name, { accuracy }]) => `${name} ${accuracy.toFixed(2)}%`);
    progress.line(`epoch ${this.#position.epoch}/${epochs}  accuracy: ${shown.join('  ')}`);
    return metrics;
  }

  #parts(): Parameters<typeof saveTraining>[1] {
    const { algorithm, optimizer } = this.#options;
    return { algorithm, optimizer, schedulers: this.#schedulers };
  }

  #save(): void {
    const { workDir, algorithm } = this.#options;
    if (workDir === undefined) return;
    saveTraining(join(workDir, runFiles.training), this.#parts(), this.#position);
    saveModule(join(workDir, runFiles.student), algorithm.student);
  }
}

function requireFinite(losses: Readonly<Record<string, number>>, epoch: number, step: number): void {
  const bad = Object.entries(losses).filter(([, value]) => !Number.isFinite(value));
  if (bad.length === 0) return;
  const named = bad.map(([name, value]) => `${name} is ${value}`).join(', ');
  throw new RetortError(`epoch ${epoch + 1}, step ${step + 1}: ${named}`, {
    help: 'lower the learning rate, warm it up, clip gradients (maxGradNorm), or lower the weight of that loss',
  });
}
