// What every scheduler does: change the learning rate of an optimizer's groups, once a step or an epoch, as its owner decides.
// Formulas are PyTorch's recursive ones, from one rate to the next, so that several schedulers may work on one optimizer.
import type { Optimizer } from '../optimizer.ts';

/** All that a scheduler remembers; JSON can hold it. */
export interface SchedulerState {
  /** Steps taken so far. */
  lastEpoch: number;
  /** The rates it started from, one per group. */
  baseLrs: number[];
  /** Of schedulers made of others. */
  schedulers?: SchedulerState[];
}

/** What a scheduler was asked to do, as JSON can hold it: its class and its options. */
export interface SchedulerDescription {
  type: string;
  [option: string]: unknown;
}

/**
 * The base of learning-rate schedulers: each {@link step} sets the rate of every group of its optimizer. Whether a step is an update
 * of the weights or an epoch is up to the caller; the trainer takes both.
 *
 * @example
 * ```ts
 * const optimizer = new SGD(new Linear(4, 2).parameters(), { lr: 0.1 });
 * const scheduler = new CosineAnnealingLR(optimizer, { tMax: 100 });
 * scheduler.step();
 * const [group] = optimizer.paramGroups; // group.lr is a little below 0.1
 * ```
 */
export abstract class Scheduler {
  /** The optimizer whose rates it sets. */
  readonly optimizer: Optimizer;
  /** How often it has stepped. */
  lastEpoch = 0;
  /** The rates it started from, one per group. */
  protected baseLrs: number[];

  constructor(optimizer: Optimizer) {
    this.optimizer = optimizer;
    for (const group of optimizer.paramGroups) group.initialLr ??= group.lr;
    this.baseLrs = optimizer.paramGroups.map((group) => group.initialLr ?? group.lr);
  }

  /** Sets the next rates. */
  abstract step(): void;

  /** The rate of each group now. */
  getLastLr(): number[] {
    return this.optimizer.paramGroups.map((group) => group.lr);
  }

  /** Its class and its options, by which a resumed run tells whether the schedule is still the same. */
  describe(): SchedulerDescription {
    const { optimizer: _optimizer, lastEpoch: _lastEpoch, baseLrs: _baseLrs, ...options } = this;
    return {
      type: this.constructor.name,
      ...Object.fromEntries(Object.entries(options).filter(([, one]) => isWritable(one))),
    };
  }

  stateDict(): SchedulerState {
    return { lastEpoch: this.lastEpoch, baseLrs: [...this.baseLrs] };
  }

  /** Takes over a state; the rates themselves are in the optimizer's state. */
  loadStateDict(state: SchedulerState): void {
    this.lastEpoch = state.lastEpoch;
    this.baseLrs = [...state.baseLrs];
  }
}

function isWritable(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isWritable) : ['number', 'string', 'boolean'].includes(typeof value);
}

/** A scheduler with a formula: the next rate from the present one, and the rate at a step from the first. */
export abstract class FormulaScheduler extends Scheduler {
  /** The rate at `epoch` from the one before; at 0 from the optimizer's own. */
  protected abstract next(lr: number, epoch: number, base: number, group: number): number;
  /** The rate at `epoch` from the first one. */
  protected abstract at(base: number, epoch: number, group: number): number;

  override step(): void {
    this.lastEpoch++;
    this.apply();
  }

  /** Sets the rates of the present step; constructors end with it. */
  apply(): void {
    this.optimizer.paramGroups.forEach((group, i) => {
      group.lr = this.next(group.lr, this.lastEpoch, this.baseLrs[i]!, i);
    });
  }

  /** Starts over from the first rates, when it is this one's turn in a sequence. */
  restart(): void {
    this.lastEpoch = 0;
    this.optimizer.paramGroups.forEach((group, i) => {
      group.lr = this.at(this.baseLrs[i]!, 0, i);
    });
  }
}
