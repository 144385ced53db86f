// Trains runs of a sweep, several at once where that is asked for, each in a process of its own; teachers before the cells that have them.
import { availableParallelism } from 'node:os';

import { outcomeOf, recordCell } from './cell-folder.ts';
import type { CellOutcome } from './cell-folder.ts';
import type { PlannedRun, PlanOptions, SweepSource } from './plan.ts';
import { startCell, waitForFolder } from './processes.ts';

/** What happens while a sweep runs. */
export type SweepEvent =
  /** At the beginning: what is to be trained. `lines` names every run with its state. */
  | { kind: 'plan'; folder: string; jobs: number; total: number; done: number }
  | { kind: 'begin'; name: string; resumes: boolean }
  | {
      kind: 'step';
      name: string;
      epoch: number;
      epochs: number;
      secondsLeft?: number;
      best?: { metric: string; value: number };
    }
  /** How a run ended; `value`: of the metric of the sweep. */
  | { kind: 'end'; name: string; state: CellOutcome['state']; error?: string; value?: number; seconds: number }
  /** After that: how many cells are done, and how long the rest takes where that can be told. */
  | { kind: 'rest'; done: number; total: number; secondsLeft?: number }
  | { kind: 'note'; text: string };

/** How runs are trained. */
export interface PoolOptions {
  /** So many at once. */
  jobs: number;
  /** How far all runs of the sweep are; renewed when one has ended. */
  outcomes: Map<string, CellOutcome>;
  /** What is compared. */
  metric: string;
  source: SweepSource;
  plan: PlanOptions;
  signal: AbortSignal | undefined;
  say: (event: SweepEvent) => void;
  /** Called when a run has ended, however it did. */
  onOver: () => void;
}

/** Trains runs, those first that come first; where the signal is aborted, those under way are saved and no other is begun. */
export function trainAll(runs: readonly PlannedRun[], options: PoolOptions): Promise<void> {
  return new Pool(runs, options).run();
}

/** Runs, several at once, teachers before the cells that have them. */
class Pool {
  readonly #runs: readonly PlannedRun[];
  readonly #options: PoolOptions;
  readonly #waiting: PlannedRun[];
  readonly #ended = new Set<string>();
  /** Seconds that are left of runs under way. */
  readonly #under = new Map<string, { since: number; left?: number }>();
  /** Teachers that are not there, though their turn is over. */
  readonly #lacking = new Set<string>();
  /** Seconds of runs that have ended in this call. */
  readonly #took: number[] = [];

  constructor(runs: readonly PlannedRun[], options: PoolOptions) {
    this.#runs = runs;
    this.#options = options;
    this.#waiting = [...runs];
  }

  async run(): Promise<void> {
    const under = new Set<Promise<void>>();
    for (;;) {
      while (under.size < this.#options.jobs && !this.#stopped) {
        const next = this.#next();
        if (next === undefined) break;
        const one = this.#train(next).finally(() => under.delete(one));
        under.add(one);
      }
      if (under.size === 0) return;
      await Promise.race(under);
    }
  }

  get #stopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  /** The next run whose teachers are there. */
  #next(): PlannedRun | undefined {
    const over = (name: string): boolean => this.#ended.has(name) || !this.#runs.some((run) => run.name === name);
    const at = this.#waiting.findIndex(({ after }) => after.every(over));
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  async #train(run: PlannedRun): Promise<void> {
    const { outcomes, say, jobs, source, signal, plan } = this.#options;
    const { name, folder, asked, experiment, ...rest } = run;
    const about = { name, ...rest };
    const lacking = run.after.find((teacher) => outcomes.get(teacher)?.state !== 'done');
    if (lacking !== undefined) {
      if (!this.#lacking.has(lacking)) say({ kind: 'note', text: `${lacking} is not there: cells that need it wait` });
      this.#lacking.add(lacking);
      return;
    }
    await waitForFolder(folder, signal, () =>
      say({ kind: 'note', text: `${folder}: another process still trains there: waiting for it` }),
    );
    if (this.#stopped) return;
    recordCell(run);
    say({ kind: 'begin', name, resumes: outcomes.get(name)!.epoch > 0 });
    this.#under.set(name, { since: performance.now() });
    const { base, allowScripts, packages, workDir } = plan;
    const cell = startCell(
      {
        ...{ about, folder, asked, config: experiment.data },
        sweep: typeof source === 'string' ? source : '',
        options: { base, allowScripts, packages, workDir },
      },
      {
        // One alone follows what other programs leave; several would take each other's share.
        threads: jobs === 1 ? undefined : Math.max(1, Math.floor(availableParallelism() / jobs)),
        onMessage: (message) => {
          if (message.kind !== 'step') return;
          const known = this.#under.get(name);
          if (known !== undefined && message.secondsLeft !== undefined) known.left = message.secondsLeft;
          say({ ...message, name });
        },
      },
    );
    const stop = (): void => cell.stop();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted === true) stop();
    const end = await cell.ended;
    signal?.removeEventListener('abort', stop);
    const known = this.#under.get(name)!;
    this.#under.delete(name);
    if (end.kind === 'failed') recordCell(run, { error: end.message });
    if (end.kind === 'done') this.#took.push((performance.now() - known.since) / 1000);
    this.#over(run);
  }

  /** Looks at what a run came to, and writes the tables. */
  #over(run: PlannedRun): void {
    const { outcomes, say, metric, onOver } = this.#options;
    const outcome = outcomeOf(run);
    const { state, error, seconds } = outcome;
    outcomes.set(run.name, outcome);
    this.#ended.add(run.name);
    onOver();
    const value = outcome.metrics[metric];
    say({
      ...{ kind: 'end', name: run.name, state, seconds },
      ...(error === undefined ? {} : { error }),
      ...(value === undefined ? {} : { value }),
    });
    const total = this.#runs.length;
    const done = this.#runs.filter(({ name }) => this.#ended.has(name)).length;
    const rest = this.#rest();
    say({ kind: 'rest', done, total, ...(rest === undefined ? {} : { secondsLeft: rest }) });
  }

  /** Seconds until all is done, from those that are. */
  #rest(): number | undefined {
    if (this.#took.length === 0) return undefined;
    const mean = this.#took.reduce((sum, one) => sum + one, 0) / this.#took.length;
    const under = [...this.#under.values()].map(
      ({ since, left }) => left ?? Math.max(0, mean - (performance.now() - since) / 1000),
    );
    return (this.#waiting.length * mean + under.reduce((sum, one) => sum + one, 0)) / this.#options.jobs;
  }
}
