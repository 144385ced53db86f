// A scheduler that works for a part of training only: from one step to another.
import { RetortError } from '../../errors.ts';
import type { Optimizer } from '../optimizer.ts';
import { Scheduler } from './scheduler.ts';
import type { FormulaScheduler, SchedulerDescription, SchedulerState } from './scheduler.ts';

export interface WindowOptions {
  /** The step at which it begins, from the rate of that time. Default 0. */
  begin?: number | undefined;
  /** The step at which it has ended; the rate then stays. Default: never. */
  end?: number | undefined;
}

/**
 * Steps another scheduler while `begin <= t < end`, `t` counting steps of this one; before and after, rates are left to others. The
 * other one is made when its time comes.
 */
export class WindowedScheduler extends Scheduler {
  readonly #make: () => FormulaScheduler;
  readonly #begin: number;
  readonly #end: number;
  #inner: FormulaScheduler | undefined;

  /** @throws {RetortError} for a window that ends before it begins. */
  constructor(optimizer: Optimizer, make: () => FormulaScheduler, { begin = 0, end = Infinity }: WindowOptions) {
    super(optimizer);
    if (!(begin >= 0) || !(end > begin)) {
      throw new RetortError(`scheduler: end: expected more than begin, got begin ${begin} and end ${end}`);
    }
    this.#make = make;
    this.#begin = begin;
    this.#end = end;
    if (begin === 0) this.#inner = make();
  }

  override step(): void {
    this.lastEpoch++;
    if (this.lastEpoch < this.#begin || this.lastEpoch >= this.#end) return;
    if (this.#inner === undefined) this.#inner = this.#make();
    else this.#inner.step();
  }

  override describe(): SchedulerDescription {
    const inner = this.#inner ?? this.#withRatesKept(this.#make);
    return { type: 'WindowedScheduler', begin: this.#begin, end: this.#end, scheduler: inner.describe() };
  }

  override stateDict(): SchedulerState {
    return { ...super.stateDict(), ...(this.#inner === undefined ? {} : { schedulers: [this.#inner.stateDict()] }) };
  }

  override loadStateDict(state: SchedulerState): void {
    super.loadStateDict(state);
    const [inner] = state.schedulers ?? [];
    if (inner === undefined) return;
    this.#inner ??= this.#withRatesKept(this.#make); // the rates that count are in the optimizer's state
    this.#inner.loadStateDict(inner);
  }

  /** What `make` makes, without the change of rates and momenta that comes with it. */
  #withRatesKept(make: () => FormulaScheduler): FormulaScheduler {
    const groups = this.optimizer.paramGroups;
    const before = groups.map((group) => ({ ...group }));
    const made = make();
    groups.forEach((group, i) => Object.assign(group, before[i]));
    return made;
  }
}
