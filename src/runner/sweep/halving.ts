// Hyper-parameters by successive halving: all cells for few epochs, the best part of them for more, the last ones for all. Measured on
// training data that is held out, so that the test set stays unseen. Each rung is trained from the start with its own whole schedule: a
// schedule that goes by steps means something else in a longer run, and what a run was before its rate has fallen says little.
import { join } from 'node:path';

import { isPlain, shown } from '../../check.ts';
import { cellFolder, seedAxis } from '../../config/index.ts';
import type { CellValues, ConfigChange } from '../../config/index.ts';
import { lowerIsBetter, valueOf } from '../../engine/index.ts';
import { RetortError } from '../../errors.ts';
import { writeFileAtomicSync } from '../../formats/index.ts';
import { table } from '../markdown-table.ts';
import { groupKey, shownValues, withoutSeed } from './baseline.ts';
import type { CellOutcome, CellState } from './cell-folder.ts';
import { outcomeOf } from './cell-folder.ts';
import { cellOf, checkRuns, planCell } from './plan.ts';
import type { PlannedRun, SweepPlan, SweepSource } from './plan.ts';
import { planSweep } from './plan-sweep.ts';
import { trainAll } from './pool.ts';
import type { SweepOptions } from './sweep.ts';
import { discard, failedIn, locked, neededFor, outcomesOf, refuseStale } from './sweep-folder.ts';

/** A cell in a rung. */
export interface RungCell {
  values: CellValues;
  /** The mean over seeds; not there unless all are done and finite. */
  value?: number;
  states: readonly CellState[];
  /** Whether it is among the best. */
  goesOn: boolean;
}

/** Cells that were trained for equally many epochs. */
export interface Rung {
  epochs: number;
  cells: readonly RungCell[];
}

/** Cells of which one is chosen. */
export interface Bracket {
  /** What they have in common. */
  values: CellValues;
  rungs: readonly Rung[];
  /** The best of the last rung; not there before that is done, and where none is left that could be. */
  winner?: CellValues;
}

/** What {@link tuneSweep} ended with. */
export interface Tuning {
  folder: string;
  metric: string;
  /** What was measured on, in words. */
  measuredOn: string;
  /** The axes whose values were chosen. */
  over: readonly string[];
  seeds: readonly number[];
  brackets: readonly Bracket[];
  /** Runs that failed. */
  failed: readonly string[];
  /** Whether the signal ended it before its end. */
  stopped: boolean;
  /** What is worth a look. */
  notes: readonly string[];
}

/**
 * Chooses hyper-parameters of a sweep by successive halving, as `retort sweep --successive-halving` does: for each value of the other
 * axes (each method), the values of `halving.over`. Jamieson, Talwalkar 2016, arXiv 1502.07943. It may be stopped and called again.
 * `halving.md` and `halving.json` in the sweep's folder have all numbers; `sweep(source, { tuned: true })` trains the winners.
 * @throws {ConfigError} that lists all that is wrong with the sweep and the configs of its cells, before anything is trained.
 * @throws {RetortError} where cells would be chosen on test data, there is nothing to choose from, or as `sweep` does.
 * @example
 * ```ts
 * const { brackets, measuredOn } = await tuneSweep('methods.ts');
 * for (const { values, winner } of brackets) console.log(values, winner, measuredOn);
 * ```
 */
export async function tuneSweep(
  source: SweepSource,
  options: Omit<SweepOptions, 'only' | 'dryRun' | 'tuned'> = {},
): Promise<Tuning> {
  const { onEvent: say = () => undefined, jobs = 1, signal } = options;
  const plan = await planSweep(source, options);
  const halving = new Halving(plan);
  using _lock = locked(plan.folder, (text) => say({ kind: 'note', text }));
  const redone = new Set<string>();
  const failed = new Set<string>();
  const tuning = await halving.run(async (runs, standing) => {
    const { redo = [], overwrite } = options;
    const all = [...plan.teachers, ...runs];
    const again = redo.filter((name) => !redone.has(name) && all.some((run) => run.name.startsWith(name)));
    for (const name of again) redone.add(name);
    discard(all, { redo: again, overwrite });
    const outcomes = outcomesOf(all);
    const wanted = neededFor(plan.teachers, runs, outcomes);
    refuseStale(plan.folder, wanted, outcomes);
    const left = wanted.filter(({ name }) => outcomes.get(name)!.state !== 'done');
    if (left.length > 0) await checkRuns(plan, left);
    say({ kind: 'plan', folder: plan.folder, jobs, total: wanted.length, done: wanted.length - left.length });
    await trainAll(left, {
      ...{ jobs, outcomes, source, plan: options, signal, say, metric: plan.loaded.value.metric },
      onOver: () => undefined,
    });
    for (const name of failedIn(outcomes)) failed.add(name);
    const { folder } = plan;
    record({ ...standing(outcomes), folder, failed: [...failed], stopped: false });
    return outcomes;
  });
  const undone = tuning.brackets.some(({ winner }) => winner === undefined);
  const result = { ...tuning, folder: plan.folder, failed: [...failed], stopped: undone && signal?.aborted === true };
  record(result);
  return result;
}

/**
 * The cells that halving has chosen, by what lies there.
 * @throws {RetortError} where it is not done.
 */
export async function chosenCells(plan: SweepPlan): Promise<PlannedRun[]> {
  const { brackets } = await new Halving(plan).run((runs) =>
    Promise.resolve(new Map(runs.map((run) => [run.name, outcomeOf(run)]))),
  );
  const undone = brackets.find(({ winner }) => winner === undefined);
  if (undone !== undefined) {
    throw new RetortError(`tuned: nothing is chosen yet of ${shownValues(undone.values) || 'the cells'}`, {
      code: 'invalid-state',
      help: 'choose first: retort sweep FILE --successive-halving, or tuneSweep(file)',
    });
  }
  const winners = new Set(brackets.map(({ winner }) => groupKey(winner!)));
  return plan.cells.filter(({ values }) => winners.has(groupKey(values)));
}

type Standing = Pick<Tuning, 'metric' | 'measuredOn' | 'over' | 'seeds' | 'brackets' | 'notes'>;
type Outcomes = ReadonlyMap<string, CellOutcome>;

/** A bracket while it is gone through. */
interface Open {
  values: CellValues;
  rungs: Rung[];
  winner?: CellValues;
  /** Of each rung. */
  epochs: number[];
  left: CellValues[];
  runs: PlannedRun[];
}

class Halving {
  readonly #plan: SweepPlan;
  readonly #over: readonly string[];
  readonly #seeds: readonly number[];
  readonly #split: NonNullable<SweepPlan['loaded']['value']['validation']> | undefined;

  /** @throws {RetortError} where cells cannot be chosen among. */
  constructor(plan: SweepPlan) {
    this.#plan = plan;
    const { loaded, cells } = plan;
    const { halving, validation } = loaded.value;
    const names = loaded.axes.map(({ name }) => name);
    this.#over = halving?.over ?? names.filter((name) => name !== 'method' && name !== seedAxis);
    const first = loaded.axes.find(({ name }) => name === seedAxis)?.points[0];
    this.#seeds = halving?.seeds ?? (first === undefined ? [] : [Number(first.text)]);
    this.#split = validation;
    if (this.#over.length === 0 || this.#over.includes(seedAxis)) {
      const got = this.#over.length === 0 ? 'none' : seedAxis;
      throw new RetortError(`${loaded.name}: expected an axis whose values are chosen, such as tau, got ${got}`, {
        code: 'invalid-config',
        help: 'halving.over names them; default: all but method and seed',
      });
    }
    for (const run of cells) {
      const [stage, second] = run.experiment.stages;
      if (second !== undefined) {
        throw new RetortError(`${loaded.name}: ${run.name}: a config of several stages has no one number of epochs`, {
          code: 'unsupported',
          help: 'choose the hyper-parameters of each stage by itself',
        });
      }
      if (validation !== undefined) continue;
      const why = testedOn(stage!.config);
      if (why === undefined) continue;
      throw new RetortError(`${loaded.name}: ${run.name}: hyper-parameters would be chosen on the test set: ${why}`, {
        code: 'invalid-config',
        help: 'write validation: { share: 0.1 } in the sweep: a part of the training data is then held out to choose by',
      });
    }
  }

  get #measuredOn(): string {
    if (this.#split === undefined) return 'valData';
    const { share, seed } = this.#split;
    return `a validation split: ${Number((100 * share).toFixed(4))}% of each class of the training data, held out by seed ${seed}`;
  }

  /** Goes from rung to rung. @param train sees that runs are done, as far as it can */
  async run(
    train: (runs: readonly PlannedRun[], standing: (outcomes: Outcomes) => Standing) => Promise<Outcomes>,
  ): Promise<Standing> {
    const brackets = this.#brackets();
    for (;;) {
      const open = brackets.filter(
        ({ winner, left, epochs }) => winner === undefined && left.length > 0 && epochs.length > 0,
      );
      if (open.length === 0) break;
      for (const bracket of open) bracket.runs = await this.#runsOf(bracket);
      const shownNow = (outcomes: Outcomes): Standing =>
        this.#standing(
          brackets.map((one) =>
            open.includes(one) ? { ...one, rungs: [...one.rungs, this.#rung(one, outcomes)] } : one,
          ),
        );
      const outcomes = await train(
        open.flatMap(({ runs }) => runs),
        shownNow,
      );
      let advanced = false;
      for (const bracket of open) advanced = this.#advance(bracket, outcomes) || advanced;
      if (!advanced) break;
    }
    return this.#standing(brackets);
  }

  #standing(brackets: readonly Open[]): Standing {
    return {
      ...{ metric: this.#plan.loaded.value.metric, measuredOn: this.#measuredOn, over: this.#over, seeds: this.#seeds },
      brackets: brackets.map(({ values, rungs, winner }) => ({
        values,
        rungs,
        ...(winner === undefined ? {} : { winner }),
      })),
      notes: this.#notes(),
    };
  }

  /** Cells with equal values on all axes but those that are chosen. */
  #brackets(): Open[] {
    const { cells, loaded } = this.#plan;
    const found = new Map<string, CellValues[]>();
    for (const { values } of new Map(cells.map((run) => [groupKey(run.values), run])).values()) {
      const key = JSON.stringify(this.#common(values));
      found.set(key, [...(found.get(key) ?? []), withoutSeed(values)]);
    }
    const { eta = 3, minEpochs = 1, maxEpochs } = loaded.value.halving ?? {};
    return [...found.values()].map((left) => {
      const keys = new Set(left.map(groupKey));
      const own = cells.filter(({ values }) => keys.has(groupKey(values)));
      const most = maxEpochs ?? Math.max(...own.map(({ experiment }) => experiment.stages[0]!.config.epochs));
      const values = this.#common(left[0]!);
      const only = left.length === 1 ? { winner: left[0]! } : {};
      return { values, rungs: [], epochs: rungEpochs(left.length, { eta, minEpochs, most }), left, runs: [], ...only };
    });
  }

  #common(values: CellValues): CellValues {
    return Object.fromEntries(Object.entries(withoutSeed(values)).filter(([axis]) => !this.#over.includes(axis)));
  }

  async #runsOf({ left, epochs }: Open): Promise<PlannedRun[]> {
    const runs: PlannedRun[] = [];
    for (const values of left) {
      for (const seed of this.#seeds.length === 0 ? [undefined] : this.#seeds) {
        const own = seed === undefined ? values : { ...values, [seedAxis]: String(seed) };
        const cell = cellOf(this.#plan, { values: own });
        const changes: ConfigChange[] = [
          { path: ['epochs'], value: epochs[0] },
          ...(seed === undefined ? [] : [{ path: ['seed'], value: seed }]),
          ...(await this.#splitChanges(values)),
        ];
        const name = `halving/epochs-${epochs[0]}/${cellFolder(own) || 'cell'}`;
        runs.push(await planCell(this.#plan, cell, { name, values: own, changes }));
      }
    }
    return runs;
  }

  /** What puts the split in place of training and validation data. */
  async #splitChanges(values: CellValues): Promise<ConfigChange[]> {
    if (this.#split === undefined) return [];
    const { trainData } = await this.#plan.loaded.plain(cellOf(this.#plan, { values }));
    const from: string[] = ['trainData', 'dataset'];
    let dataset = isPlain(trainData) ? trainData['dataset'] : undefined;
    while (isPlain(dataset) && dataset['type'] === 'CrdDataset') {
      dataset = dataset['dataset'];
      from.push('dataset');
    }
    const part = (name: string) => ({ type: 'Split', part: name, ...this.#split });
    const holding = { key: 'dataset', from };
    return [
      { path: from, value: part('train'), holding },
      { path: ['valData', 'dataset'], value: part('validation'), holding },
      { path: ['testData'] },
    ];
  }

  #rung({ left, runs, epochs }: Open, outcomes: Outcomes): Rung {
    const { metric } = this.#plan.loaded.value;
    const sign = lowerIsBetter(metric) ? -1 : 1;
    const cells = left.map((values, at) => {
      const own = runs
        .filter((run) => groupKey(run.values) === groupKey(values))
        .map(({ name }) => outcomes.get(name)!);
      const numbers = own.map(({ state, metrics }) => (state === 'done' ? (metrics[metric] ?? NaN) : NaN));
      const value = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
      return { values, at, states: own.map(({ state }) => state), ...(Number.isFinite(value) ? { value } : {}) };
    });
    const over = cells.every(({ states }) => states.every((state) => state === 'done' || state === 'failed'));
    const { eta = 3 } = this.#plan.loaded.value.halving ?? {};
    const count = epochs.length === 1 ? 1 : Math.ceil(left.length / eta);
    const best = cells
      .filter(({ value }) => value !== undefined)
      .toSorted((a, b) => sign * (b.value! - a.value!) || a.at - b.at)
      .slice(0, over ? count : 0);
    return {
      epochs: epochs[0]!,
      cells: cells.map(({ at, ...cell }) => ({ ...cell, goesOn: best.some((one) => one.at === at) })),
    };
  }

  /** Goes on to the next rung, if all of this one is over. */
  #advance(bracket: Open, outcomes: Outcomes): boolean {
    const rung = this.#rung(bracket, outcomes);
    bracket.rungs.push(rung);
    const best = rung.cells.filter(({ goesOn }) => goesOn).map(({ values }) => values);
    if (best.length === 0) {
      bracket.left = [];
      return false;
    }
    bracket.left = best;
    bracket.epochs.shift();
    if (bracket.epochs.length === 0) bracket.winner = best[0]!;
    return true;
  }

  /** Schedules that a rung does not shorten. */
  #notes(): string[] {
    const long = this.#plan.cells.flatMap(({ experiment, values }) => {
      const schedulers: unknown[] = [experiment.stages[0]?.config.schedulers ?? []].flat();
      const fixed = schedulers.find(
        (one) => isPlain(one) && ['milestones', 'tMax', 'stepSize'].some((option) => option in one),
      );
      return isPlain(fixed) ? [{ type: shown(fixed['type']), cell: shownValues(withoutSeed(values)) }] : [];
    });
    if (long.length === 0) return [];
    const [{ type, cell }] = long as [(typeof long)[number]];
    return [`${cell}: ${type} says its own length: a rung of fewer epochs sees the beginning of it alone`];
  }
}

/**
 * Epochs of each rung: the last is trained for all, each before for one of `eta` as many, but never fewer than `minEpochs`.
 * @param cells to choose from
 */
export function rungEpochs(
  cells: number,
  { eta, minEpochs, most }: { eta: number; minEpochs: number; most: number },
): number[] {
  if (cells < 2) return [];
  let count = 1;
  for (let left = Math.ceil(cells / eta); left > 1; left = Math.ceil(left / eta)) count++;
  return Array.from({ length: count }, (_, i) =>
    Math.min(most, Math.max(minEpochs, Math.round(most / eta ** (count - 1 - i)))),
  );
}

/** Why the validation data of a config is what it is tested on, or learned from; undefined where it is neither. */
function testedOn({
  trainData,
  valData,
  testData,
}: PlannedRun['experiment']['stages'][number]['config']): string | undefined {
  const { split } = valData.dataset as { split?: unknown };
  if (split === 'test') return "valData is the split 'test'";
  const same = (one: { dataset: unknown }, other: { dataset: unknown }): boolean =>
    JSON.stringify(one.dataset) === JSON.stringify(other.dataset);
  if (testData === undefined) return 'there is no testData, so that valData is what is tested on';
  if (same(valData, testData)) return 'valData and testData are the same';
  return same(valData, trainData) ? 'valData and trainData are the same' : undefined;
}

function record(tuning: Tuning): void {
  const write = (name: string, text: string): void => writeFileAtomicSync(join(tuning.folder, name), Buffer.from(text));
  write('halving.json', `${JSON.stringify(tuning, null, 2)}\n`);
  write('halving.md', tuningInMarkdown(tuning));
}

/** What halving has chosen and by which numbers, in Markdown. */
export function tuningInMarkdown({ metric, measuredOn, over, seeds, brackets, notes }: Tuning, draw = table): string {
  const lines = [`${metric} of the last epoch on ${measuredOn}; seed ${seeds.join(', ') || "the config's"}.`];
  for (const { values, rungs, winner } of brackets) {
    const name = shownValues(values);
    const own =
      winner && shownValues(Object.fromEntries(Object.entries(winner).filter(([axis]) => over.includes(axis))));
    const lost = rungs.at(-1)?.cells.every(({ states }) => states.includes('failed')) === true;
    const none = lost ? 'none is left: all have failed' : 'nothing is chosen yet';
    const chosen = rungs.length === 0 && winner !== undefined ? 'nothing to choose' : (own ?? none);
    lines.push('', `**${name || 'all'}: ${chosen}**`);
    if (rungs.length === 0) continue;
    const axes = [...new Set(rungs[0]!.cells.flatMap((cell) => Object.keys(cell.values)))].filter((axis) =>
      over.includes(axis),
    );
    const header = [...axes, ...rungs.map(({ epochs }) => `${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}`)];
    const body = rungs[0]!.cells.map(({ values: one }) => {
      const numbers = rungs.map(({ cells }) => {
        const cell = cells.find((other) => groupKey(other.values) === groupKey(one));
        if (cell === undefined) return '';
        const text = cell.value === undefined ? [...new Set(cell.states)].join(', ') : valueOf(metric, cell.value);
        return cell.goesOn ? `**${text}**` : text;
      });
      return [...axes.map((axis) => one[axis] ?? ''), ...numbers];
    });
    lines.push('', draw(header, body, axes.length));
  }
  for (const note of notes) lines.push('', `note: ${note}`);
  return `${lines.join('\n')}\n`;
}
