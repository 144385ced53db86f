// Schedulers made of others: one after the other, or all at once.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions } from '../../registry/index.ts';
import type { Optimizer } from '../optimizer.ts';
import { FormulaScheduler, Scheduler } from './scheduler.ts';
import type { SchedulerDescription, SchedulerState } from './scheduler.ts';

abstract class Combined extends Scheduler {
  protected readonly schedulers: readonly FormulaScheduler[];

  constructor(optimizer: Optimizer, schedulers: readonly FormulaScheduler[]) {
    super(optimizer);
    if (schedulers.length === 0)
      throw new RetortError(`${new.target.name}: schedulers: expected at least one, got none`);
    for (const [i, scheduler] of schedulers.entries()) {
      if (!(scheduler instanceof FormulaScheduler)) {
        throw new RetortError(
          `${new.target.name}: schedulers: scheduler ${i} is a combined one, which cannot be nested`,
          {
            code: 'unsupported',
          },
        );
      }
      if (scheduler.optimizer !== optimizer) {
        throw new RetortError(`${new.target.name}: schedulers: scheduler ${i} belongs to another optimizer`);
      }
    }
    this.schedulers = schedulers;
  }

  override describe(): SchedulerDescription {
    return { ...super.describe(), schedulers: this.schedulers.map((scheduler) => scheduler.describe()) };
  }

  override stateDict(): SchedulerState {
    return { ...super.stateDict(), schedulers: this.schedulers.map((scheduler) => scheduler.stateDict()) };
  }

  override loadStateDict(state: SchedulerState): void {
    super.loadStateDict(state);
    this.schedulers.forEach((scheduler, i) => scheduler.loadStateDict(state.schedulers![i]!));
  }
}

/**
 * Steps all schedulers together: their factors multiply.
 *
 * @example
 * ```ts
 * const optimizer = new SGD(new Linear(4, 2).parameters(), { lr: 0.1 });
 * const warmUp = new LinearLR(optimizer, { totalIters: 5 });
 * const decay = new ExponentialLR(optimizer, { gamma: 0.9 });
 * const scheduler = new ChainedScheduler(optimizer, [warmUp, decay]);
 * ```
 */
export class ChainedScheduler extends Combined {
  override step(): void {
    this.lastEpoch++;
    for (const scheduler of this.schedulers) scheduler.step();
  }
}

export interface SequentialLROptions {
  /** At which step each scheduler after the first begins. */
  milestones: readonly number[];
}

const sequentialLROptions = z.strictObject({ milestones: z.array(z.number().int().nonnegative()).readonly() });

/**
 * Runs schedulers one after the other; each starts from the optimizer's own rate when its turn comes.
 *
 * @example
 * ```ts
 * const optimizer = new SGD(new Linear(4, 2).parameters(), { lr: 0.1 });
 * const warmUp = new LinearLR(optimizer, { totalIters: 5 });
 * const decay = new CosineAnnealingLR(optimizer, { tMax: 95 });
 * const scheduler = new SequentialLR(optimizer, [warmUp, decay], { milestones: [5] });
 * ```
 */
export class SequentialLR extends Combined {
  readonly milestones: readonly number[];

  constructor(optimizer: Optimizer, schedulers: readonly FormulaScheduler[], options: SequentialLROptions) {
    super(optimizer, schedulers);
    const { milestones } = checkOptions(sequentialLROptions, options, 'SequentialLR');
    if (milestones.length !== schedulers.length - 1) {
      throw new RetortError(
        `SequentialLR: milestones: expected ${schedulers.length - 1} for ${schedulers.length} schedulers, got ${milestones.length}`,
      );
    }
    this.milestones = milestones;
    // Each changed the rate when it was made: begin again with the first alone.
    for (const group of optimizer.paramGroups) group.lr = group.initialLr ?? group.lr;
    schedulers[0]!.apply();
  }

  override step(): void {
    this.lastEpoch++;
    const turn = this.milestones.filter((milestone) => milestone <= this.lastEpoch).length;
    const scheduler = this.schedulers[turn]!;
    if (turn > 0 && this.milestones[turn - 1] === this.lastEpoch) scheduler.restart();
    else scheduler.step();
  }
}
