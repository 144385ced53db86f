// The parameters that one optimiser moves, with its schedulers: differentiates totals, gathers gradients over the batches of a
// step, refuses those that are none, limits them, moves.
import { RetortError } from '../errors.ts';
import { gradNorm, limitGradNorm } from '../optim/index.ts';
import type { Optimizer, Scheduler } from '../optim/index.ts';
import { backward, callOperator, gradsOf, noGrad, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { NonFiniteGradient, nonFiniteGradients } from './non-finite.ts';
import { Replicas } from './replicas.ts';

export interface PartOptions {
  optimizer: Optimizer;
  /** Stepped after every training step in which the optimiser moved, however often it did. */
  stepSchedulers?: readonly Scheduler[];
  /** Stepped after every epoch. */
  epochSchedulers?: readonly Scheduler[];
  /** Limit on the norm of all gradients together. Default none. */
  maxGradNorm?: number;
}

const known = ['optimizer', 'stepSchedulers', 'epochSchedulers', 'maxGradNorm'];

export class OptimizedPart {
  readonly optimizer: Optimizer;
  readonly schedulers: readonly Scheduler[];
  readonly #options: PartOptions;
  readonly #replicas: Replicas;
  /** How many updates are averaged: the batches of the step under way. */
  #round = 1;
  #gathered = 0;
  #moved = false;

  /** @throws {RetortError} for an option that there is not, or a limit that is no number above 0. */
  constructor(options: PartOptions, replicas = new Replicas()) {
    const wrong = Object.keys(options).filter((name) => !known.includes(name));
    if (wrong.length > 0) {
      throw new RetortError(`Trainer: parts: unknown option "${wrong.join('", "')}"; a part has ${known.join(', ')}`, {
        ...(wrong.includes('accumulate') ? { help: 'accumulate is one for all parts: give it to the trainer' } : {}),
      });
    }
    const { maxGradNorm } = options;
    if (maxGradNorm !== undefined && !(maxGradNorm > 0)) {
      throw new RetortError(`Trainer: maxGradNorm: expected a number above 0, got ${maxGradNorm}`);
    }
    this.#options = options;
    this.#replicas = replicas;
    this.optimizer = options.optimizer;
    this.schedulers = [...(options.stepSchedulers ?? []), ...(options.epochSchedulers ?? [])];
  }

  /** The learning rate of the first group. */
  get lr(): number {
    return this.optimizer.paramGroups[0]!.lr;
  }

  /** Begins a step of so many batches: as many updates are averaged each time before the parameters move. */
  beginStep(batches: number): void {
    this.#round = batches;
    this.#gathered = 0;
  }

  /**
   * Differentiates a total and, with the last update of a round, moves the parameters.
   * @param alone whether only this part's parameters get gradients (others are on the way, but not trained by it).
   * @throws {NonFiniteGradient} before anything moves.
   */
  update(total: Tensor, alone: boolean): void {
    if (this.#gathered === 0) this.optimizer.zeroGrad();
    const loss = this.#round === 1 ? total : total.div(this.#round);
    backward([loss], [null], alone ? { inputs: this.optimizer.parameters() } : {});
    if (++this.#gathered === this.#round) this.#move();
  }

  /** Moves the parameters by the mean of what has been gathered. */
  #move(): void {
    const parameters = this.optimizer.parameters();
    // An algorithm that does not update a part with every batch ends a step with fewer updates.
    if (this.#gathered < this.#round) scaleGradients(parameters, this.#round / this.#gathered);
    this.#gathered = 0;
    this.#replicas.averageGradients(parameters);
    this.#limit(parameters);
    this.optimizer.step();
    this.#moved = true;
  }

  /** One reduction over all gradients tells whether they are finite, and is the norm that is limited. */
  #limit(parameters: readonly Tensor[]): void {
    const { maxGradNorm } = this.#options;
    tidy(() => {
      let norm = gradNorm(parameters);
      if (!Number.isFinite(norm.item())) {
        const bad = nonFiniteGradients(parameters);
        if (bad.length > 0) throw new NonFiniteGradient(bad);
        norm = gradNorm(parameters, { dtype: 'float64' }); // it overflowed: every gradient is finite
      }
      if (maxGradNorm !== undefined) limitGradNorm(parameters, norm, maxGradNorm);
    });
  }

  /** Ends a step: what is still gathered moves the parameters, schedulers that count steps go on. */
  endStep(): void {
    if (this.#gathered > 0) this.#move();
    if (!this.#moved) return;
    this.#moved = false;
    for (const scheduler of this.#options.stepSchedulers ?? []) scheduler.step();
  }

  endEpoch(): void {
    for (const scheduler of this.#options.epochSchedulers ?? []) scheduler.step();
  }
}

function scaleGradients(parameters: readonly Tensor[], factor: number): void {
  noGrad(() =>
    tidy(() => {
      const gradients = gradsOf(parameters).filter((gradient) => gradient !== null);
      if (gradients.length > 0) callOperator('_foreach_mul_', [gradients, factor]);
    }),
  );
}
