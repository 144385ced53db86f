// The parameters that one optimiser moves, with its schedulers: differentiates totals, gathers gradients over several steps,
// limits them, steps.
import { RetortError } from '../errors.ts';
import { clipGradNorm } from '../optim/index.ts';
import type { Optimizer, Scheduler } from '../optim/index.ts';
import { backward } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Replicas } from './replicas.ts';

export interface PartOptions {
  optimizer: Optimizer;
  /** Stepped after every training step in which the optimiser moved, however often it did. */
  stepSchedulers?: readonly Scheduler[];
  /** Stepped after every epoch. */
  epochSchedulers?: readonly Scheduler[];
  /** Updates whose gradients are averaged before the optimiser steps. Default 1. */
  accumulate?: number;
  /** Limit on the norm of all gradients together. Default none. */
  maxGradNorm?: number;
}

export class OptimizedPart {
  readonly optimizer: Optimizer;
  readonly schedulers: readonly Scheduler[];
  readonly #options: PartOptions;
  readonly #replicas: Replicas;
  readonly #accumulate: number;
  #gathered = 0;
  #moved = false;

  /** @throws {RetortError} when `accumulate` is no whole number of at least 1. */
  constructor(options: PartOptions, replicas = new Replicas()) {
    this.#options = options;
    this.#replicas = replicas;
    this.optimizer = options.optimizer;
    this.schedulers = [...(options.stepSchedulers ?? []), ...(options.epochSchedulers ?? [])];
    this.#accumulate = options.accumulate ?? 1;
    if (!Number.isInteger(this.#accumulate) || this.#accumulate < 1) {
      throw new RetortError(`accumulate must be a whole number of at least 1, got ${this.#accumulate}`);
    }
  }

  /** Whether no gradients are waiting for more: only then the state of training is whole. */
  get settled(): boolean {
    return this.#gathered === 0;
  }

  /** The learning rate of the first group. */
  get lr(): number {
    return this.optimizer.paramGroups[0]!.lr;
  }

  /**
   * Differentiates a total and, with the last of `accumulate` updates, moves the parameters.
   * @param alone whether only this part's parameters get gradients (others are on the way, but not trained by it).
   */
  update(total: Tensor, alone: boolean): void {
    if (this.#gathered === 0) this.optimizer.zeroGrad();
    const loss = this.#accumulate === 1 ? total : total.div(this.#accumulate);
    backward([loss], [null], alone ? { inputs: this.optimizer.parameters() } : {});
    if (++this.#gathered === this.#accumulate) this.flush();
  }

  /** Moves the parameters by what has been gathered, if anything. */
  flush(): void {
    if (this.#gathered === 0) return;
    this.#gathered = 0;
    const { maxGradNorm } = this.#options;
    this.#replicas.averageGradients(this.optimizer.parameters());
    if (maxGradNorm !== undefined) clipGradNorm(this.optimizer.parameters(), maxGradNorm);
    this.optimizer.step();
    this.#moved = true;
  }

  endStep(): void {
    if (!this.#moved) return;
    this.#moved = false;
    for (const scheduler of this.#options.stepSchedulers ?? []) scheduler.step();
  }

  endEpoch(): void {
    this.flush();
    this.endStep();
    for (const scheduler of this.#options.epochSchedulers ?? []) scheduler.step();
  }
}
