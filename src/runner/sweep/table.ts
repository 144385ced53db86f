// The table of a sweep: cells that differ in their seeds alone are a row. It is made of what lies in the folders of the cells, so it is
// the same however often the sweep was killed.
import { seedAxis } from '../../config/index.ts';
import { duration, lowerIsBetter, valueOf } from '../../engine/index.ts';
import { didYouMean } from '../../errors.ts';
import { table as alignedTable } from '../markdown-table.ts';
import type { CellOutcome, CellState } from './cell-folder.ts';
import { baselineValues, groupKey, isBaselineFor, shownValues, withoutSeed } from './baseline.ts';
import type { PlannedRun, SweepPlan } from './plan.ts';
import { holm, pairedOf, sampleOf } from './statistics.ts';
import type { Paired, Sample } from './statistics.ts';

/** A cell in a table. */
export interface TableCell extends CellOutcome {
  /** Its folder in that of the sweep. */
  name: string;
  /** Hash of what it was asked for. */
  asked: string;
  /** By axis. */
  values: Readonly<Record<string, string>>;
  /** Of a sweep with shared teacher caches: why it runs its teacher plainly; `''` where it has the cache. */
  plain?: string;
  /** What is compared; undefined where it is not done, or was not measured. */
  value?: number;
}

/** Cells that differ in their seeds alone. */
export interface TableRow {
  /** By axis, but for the seed. */
  values: Readonly<Record<string, string>>;
  /** Of the cells that are done; not there where none is. */
  metric?: Sample;
  /**
   * What it is better than the baseline by, over the seeds that both have done: positive is better, also where less of the metric is.
   * Not there for the baseline itself and where no seed is in both.
   */
  gain?: Paired & {
    /** P corrected by Holm's method for all rows that have one. */
    adjusted?: number;
  };
  /** Whether gains are over this one. */
  isBaseline: boolean;
  /** Means over the cells that are done. */
  seconds?: number;
  cpuSeconds?: number;
  wallSeconds?: number;
  imagesPerSecond?: number;
  /** The largest of the cells that are done, bytes. */
  peakMemory?: number;
  /** How many there are of each state. */
  states: Readonly<Partial<Record<CellState, number>>>;
  cells: readonly TableCell[];
}

/** What a sweep came to. */
export interface SweepTable {
  metric: string;
  /** All axes but the seed's, as columns. */
  axes: readonly string[];
  /** How many cells there are, and how many are done. */
  cells: number;
  done: number;
  rows: readonly TableRow[];
  /** The names of all runs, in the order in which they are trained. */
  order: readonly string[];
  /** The teachers that the sweep trained. */
  teachers: readonly TableCell[];
  /** What is worth a look. */
  notes: readonly string[];
}

/** The table of a plan. @param outcomes by the names of runs */
export function tableOf(plan: SweepPlan, outcomes: ReadonlyMap<string, CellOutcome>): SweepTable {
  const { metric } = plan.loaded.value;
  const notes: string[] = [];
  const cellOf = (run: PlannedRun): TableCell => {
    const outcome = outcomes.get(run.name)!;
    const value = outcome.metrics[metric];
    const { name, asked, values, plain } = run;
    const about = { name, asked, values, ...(plain === undefined ? {} : { plain }) };
    return { ...about, ...outcome, ...(Number.isFinite(value) ? { value: value! } : {}) };
  };
  const groups = new Map<string, PlannedRun[]>();
  for (const run of plan.cells) {
    const key = groupKey(run.values);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const rows = [...groups.values()].map((runs) => {
    return { values: withoutSeed(runs[0]!.values), cells: runs.map(cellOf) };
  });
  const all = rows.flatMap(({ cells }) => cells);
  const unmeasured = all.filter(({ state, metrics }) => state === 'done' && metrics[metric] === undefined);
  if (unmeasured.length > 0) {
    const known = Object.keys(unmeasured[0]!.metrics);
    notes.push(
      `${unmeasured[0]!.name}${unmeasured.length > 1 ? ` and ${unmeasured.length - 1} more` : ''}: no metric "${metric}"; ${didYouMean(metric, known)}`,
    );
  }
  const elsewhere = all.filter((cell) => cell.elsewhere === true).length;
  if (elsewhere > 0)
    notes.push(`trained elsewhere, and known from a table (--from): ${elsewhere} of ${all.length} cells`);
  const baselines = new Map(rows.map((row) => [row, baselineOf(row, rows, plan)]));
  const compared = rows.map((row) => {
    const baseline = baselines.get(row);
    return baseline === undefined || baseline === row ? undefined : gainOver(baseline.cells, row.cells, metric);
  });
  const tested = compared.flatMap((gain, i) => (gain?.p === undefined ? [] : [{ i, p: gain.p }]));
  const adjusted = holm(tested.map(({ p }) => p));
  return {
    metric,
    axes: plan.loaded.axes.map(({ name }) => name).filter((name) => name !== seedAxis),
    cells: all.length,
    done: all.filter(({ state }) => state === 'done').length,
    rows: rows.map(({ values, cells }, i) => {
      const gain = compared[i];
      const at = tested.findIndex((one) => one.i === i);
      const row = rows[i]!;
      return {
        ...rowOf(values, cells),
        ...(gain === undefined ? {} : { gain: at < 0 ? gain : { ...gain, adjusted: adjusted[at]! } }),
        isBaseline: baselines.get(row) === row,
      };
    }),
    order: [...plan.teachers, ...plan.cells].map(({ name }) => name),
    teachers: plan.teachers.map(cellOf),
    notes: [...notes, ...notesOf(plan)],
  };
}

/** What is worth knowing of how a table came about. */
function notesOf({ loaded, cells }: SweepPlan): string[] {
  const notes: string[] = [];
  const all = loaded.axes.map(({ name }) => name).filter((name) => name !== 'method' && name !== seedAxis);
  const tuned = loaded.value.halving?.over ?? all;
  if (tuned.length > 0) {
    notes.push(
      `rows that differ in ${tuned.join(', ')}: to take the best of them is to choose by what is measured here; --successive-halving chooses on ` +
        'training data that is held out',
    );
  }
  const [shared, plainly] = [
    cells.filter(({ plain }) => plain === ''),
    cells.filter(({ plain }) => (plain ?? '') !== ''),
  ];
  if (shared.length > 0) {
    const others = plainly.some(({ experiment }) =>
      experiment.stages.some(({ config }) => config.trainData.augmentSeed === undefined),
    );
    notes.push(
      `${shared.length} cells share teacher caches: they see the same augmented images with every seed, ` +
        (others ? 'others do not' : 'as the others do'),
    );
  }
  for (const why of new Set(plainly.map(({ plain }) => plain!))) {
    const names = plainly.filter(({ plain }) => plain === why).map(({ values }) => shownValues(withoutSeed(values)));
    notes.push(`without a shared teacher cache, as ${why}: ${[...new Set(names)].join(', ')}`);
  }
  return notes;
}

interface Row {
  values: Readonly<Record<string, string>>;
  cells: readonly TableCell[];
}

/** The row that the gain of a row is over: with the baseline's values, and all others the same. */
function baselineOf(row: Row, rows: readonly Row[], { loaded }: SweepPlan): Row | undefined {
  const wanted = baselineValues(loaded);
  if (wanted === undefined) return undefined;
  return rows.find((one) => isBaselineFor(one.values, row.values, wanted));
}

function gainOver(baseline: readonly TableCell[], own: readonly TableCell[], metric: string): Paired | undefined {
  const sign = lowerIsBetter(metric) ? -1 : 1;
  const differences = own.flatMap(({ values, value }) => {
    const other = baseline.find((one) => one.values[seedAxis] === values[seedAxis])?.value;
    return value === undefined || other === undefined ? [] : [sign * (value - other)];
  });
  return differences.length === 0 ? undefined : pairedOf(differences);
}

function rowOf(values: Row['values'], cells: readonly TableCell[]): Omit<TableRow, 'gain' | 'isBaseline'> {
  const done = cells.filter(({ state }) => state === 'done');
  const measured = done.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const mean = (of: (cell: TableCell) => number | undefined): number | undefined => {
    const known = done.map(of).filter((one) => one !== undefined);
    return known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0) / known.length;
  };
  const peaks = done.flatMap(({ peakMemory }) => (peakMemory === undefined ? [] : [peakMemory]));
  const states: Partial<Record<CellState, number>> = {};
  for (const { state } of cells) states[state] = (states[state] ?? 0) + 1;
  const optional = {
    seconds: mean(({ seconds }) => seconds),
    cpuSeconds: mean(({ cpuSeconds }) => cpuSeconds),
    wallSeconds: mean(({ wallSeconds }) => wallSeconds),
    imagesPerSecond: mean(({ imagesPerSecond }) => imagesPerSecond),
    peakMemory: peaks.length === 0 ? undefined : Math.max(...peaks),
  };
  return {
    values,
    ...(measured.length === 0 ? {} : { metric: sampleOf(measured) }),
    ...(Object.fromEntries(Object.entries(optional).filter(([, one]) => one !== undefined)) as Partial<
      typeof optional
    >),
    ...{ states, cells },
  } as Omit<TableRow, 'gain' | 'isBaseline'>;
}

const dash = '–';
/** What a table of people shows. */
const columns = ['n', 'mean ± std', 'gain', '95% interval', 'p', 'p (Holm)', 'steps', 'CPU', 'img/s', 'memory', 'left'];

/** The table in Markdown, with what its columns mean. */
export function tableInMarkdown(table: SweepTable, draw = alignedTable): string {
  const { metric, axes, rows, cells, done, teachers, notes } = table;
  const header = [...(axes.length > 0 ? axes : ['cells']), ...columns];
  const body = rows.map((row) => [...namesOf(row, axes), ...shownRow(row, metric)]);
  const lines = [
    `${metric} of the last epoch; ${done} of ${cells} cells done.`,
    '',
    draw(header, body, Math.max(1, axes.length)),
    '',
    legend(table),
  ];
  for (const { name, metrics, state, seconds } of teachers) {
    const value = metrics[metric] ?? metrics['student.accuracy'];
    const shown = value === undefined ? state : `${metric} ${valueOf(metric, value)}`;
    lines.push('', `${name}: ${shown}, ${duration(seconds)} in steps`);
  }
  const failed = rows.flatMap((row) => row.cells.filter(({ state }) => state === 'failed'));
  for (const { name, error = '' } of [...failed, ...teachers.filter(({ state }) => state === 'failed')]) {
    lines.push('', `${name} failed: ${error.split('\n')[0]}`);
  }
  for (const note of notes) lines.push('', `note: ${note}`);
  return `${lines.join('\n')}\n`;
}

const namesOf = ({ values }: TableRow, axes: readonly string[]): string[] =>
  axes.length === 0 ? ['all'] : axes.map((axis) => values[axis] ?? '');

function legend({ rows }: SweepTable): string {
  const over = rows.some(({ gain }) => gain !== undefined)
    ? " gain: by how much it is better than the baseline (marked *) with the same seed, its mean with the 95% interval by Student's t; " +
      'p: two-sided paired t-test; Holm: corrected for all rows.'
    : '';
  return (
    `n: seeds; ± std: with n - 1.${over} steps: time in training steps; CPU: of the whole process; img/s: median over steps, mean over seeds; ` +
    `memory: peak resident, the largest. ${dash}: not known, as with one seed.`
  );
}

function shownRow({ metric: sample, gain, isBaseline, states, ...row }: TableRow, metric: string): string[] {
  const digits = isPercent(metric) ? (value: number) => value.toFixed(2) : (value: number) => value.toPrecision(3);
  const signed = (value: number): string => `${value >= 0 ? '+' : '-'}${digits(Math.abs(value))}`;
  const time = (value: number | undefined): string => (value === undefined ? dash : duration(value));
  const { done: _, ...left } = states;
  return [
    String(sample?.n ?? 0),
    sample === undefined
      ? dash
      : `${valueOf(metric, sample.mean)}${sample.std === undefined ? '' : ` ± ${digits(sample.std)}`}${isBaseline ? ' *' : ''}`,
    gain === undefined ? dash : signed(gain.mean),
    gain?.interval === undefined ? dash : `${signed(gain.interval[0])} to ${signed(gain.interval[1])}`,
    gain?.p === undefined ? dash : shownP(gain.p),
    gain?.adjusted === undefined ? dash : shownP(gain.adjusted),
    time(row.seconds),
    time(row.cpuSeconds),
    row.imagesPerSecond === undefined ? dash : row.imagesPerSecond.toFixed(0),
    row.peakMemory === undefined ? dash : `${(row.peakMemory / 2 ** 20).toFixed(0)} MiB`,
    Object.entries(left)
      .map(([state, count]) => `${count} ${state}`)
      .join(', '),
  ];
}

const isPercent = (metric: string): boolean => valueOf(metric, 1).endsWith('%');
const shownP = (p: number): string => (p < 0.001 ? '<0.001' : p.toFixed(3));

/** The table as CSV, a line a row, numbers as they are. */
export function tableInCsv({ metric, axes, rows }: SweepTable): string {
  const header = [
    ...axes,
    ...[
      'metric',
      'n',
      'mean',
      'std',
      'low',
      'high',
      'baseline',
      'pairs',
      'gain',
      'gain_low',
      'gain_high',
      'p',
      'p_holm',
    ],
    ...['step_seconds', 'cpu_seconds', 'wall_seconds', 'images_per_second', 'peak_memory_bytes', 'done', 'failed'],
  ];
  const lines = rows.map(({ values, metric: sample, gain, isBaseline, states, ...row }) => [
    ...axes.map((axis) => values[axis]),
    ...[metric, sample?.n ?? 0, sample?.mean, sample?.std, ...(sample?.interval ?? [undefined, undefined]), isBaseline],
    ...[gain?.n, gain?.mean, ...(gain?.interval ?? [undefined, undefined]), gain?.p, gain?.adjusted],
    ...[row.seconds, row.cpuSeconds, row.wallSeconds, row.imagesPerSecond, row.peakMemory],
    ...[states.done ?? 0, states.failed ?? 0],
  ]);
  return [header, ...lines].map((line) => `${line.map(csvField).join(',')}\n`).join('');
}

function csvField(value: string | number | boolean | undefined): string {
  const text = value === undefined ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
