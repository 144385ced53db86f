// The runs of a sweep: the config of every cell and teacher, where it is trained, and a hash of what is asked for, by which a later call
// tells whether what lies there is that.
import { createHash } from 'node:crypto';
import { basename, dirname, extname, join, resolve } from 'node:path';

import { isPlain } from '../../check.ts';
import { ConfigError, isFor, loadSweep, seedAxis } from '../../config/index.ts';
import type {
  CellValues,
  ConfigChange,
  ConfigMistake,
  LoadedConfig,
  LoadedSweep,
  SweepCell,
  SweepConfig,
  TeacherPlan,
} from '../../config/index.ts';
import { runFiles } from '../../engine/index.ts';
import { RetortError } from '../../errors.ts';
import { exists } from '../../files.ts';
import { check } from '../check.ts';
import { fileMistakes } from '../check-files.ts';
import { LoadedExperiment, readingOf } from '../load.ts';
import type { LoadOptions } from '../load.ts';
import { askedOf } from '../resume.ts';
import { stageFolder } from '../stages.ts';
import { baselineMistakes, groupKey } from './baseline.ts';

/** What says what is swept: the path of a sweep's file, or what `defineSweep` gives. */
export type SweepSource = string | SweepConfig;

/** One run of a sweep: a cell, or a teacher. */
export interface PlannedRun {
  /** Its folder in that of the sweep, which names it. */
  readonly name: string;
  readonly folder: string;
  readonly role: 'cell' | 'teacher';
  /** By axis; none of a teacher. */
  readonly values: CellValues;
  readonly experiment: LoadedExperiment;
  /** Hash of what it is asked for. */
  readonly asked: string;
  /** The teachers that are to be trained before it, by their names. */
  readonly after: readonly string[];
  /** What its config has in place of the cell's. */
  readonly changes: readonly ConfigChange[];
  /** Why it has no part in the shared teacher cache, where it was to have one; `''` where it has. */
  readonly plain?: string;
}

/** Where runs are planned. */
export interface PlanContext {
  readonly loaded: LoadedSweep;
  /** In which everything lies. */
  readonly folder: string;
  readonly teachers: readonly PlannedRun[];
}

/** What a sweep is to train. */
export interface SweepPlan extends PlanContext {
  /** In the order in which they are trained. */
  readonly cells: readonly PlannedRun[];
}

/** How a plan is made. */
export interface PlanOptions extends Pick<LoadOptions, 'base' | 'allowScripts' | 'packages'> {
  /** Default: `runs/` and the sweep's name. */
  workDir?: string | undefined;
}

/** Reads a sweep. */
function loadSweepFile(sweep: SweepSource, { base, allowScripts, packages = {} }: PlanOptions): Promise<LoadedSweep> {
  const asked = { cfgOptions: [], packages };
  return loadSweep(sweep, { ...readingOf({ allowScripts, note: undefined }, asked), folder: base });
}

/**
 * The runs of a sweep, with the config of every one merged and checked as far as it is written.
 * @throws {ConfigError} with all that is wrong, each mistake once, with the cells that have it.
 */
export async function planRuns(sweep: SweepSource, options: PlanOptions = {}): Promise<SweepPlan> {
  const loaded = await loadSweepFile(sweep, options);
  const name = loaded.value.name ?? (loaded.path === '' ? 'sweep' : basename(loaded.path, extname(loaded.path)));
  const folder = options.workDir ?? join('runs', name);
  const found = new Mistakes(loaded.name);
  const teachers: PlannedRun[] = [];
  for (const teacher of loaded.teachers) {
    const own = teacherFolder(teacher);
    const run = await found.of(own, async () => {
      const config = await loaded.loadTeacher(teacher);
      const about = { name: own, role: 'teacher', values: {}, after: [], changes: [] } as const;
      return planned({ loaded, folder, teachers }, about, config);
    });
    if (run !== undefined) teachers.push(run);
  }
  const context = { loaded, folder, teachers };
  const used = new Set<string>();
  const cells: PlannedRun[] = [];
  for (const cell of loaded.cells) {
    const run = await found.of(cell.folder, () => planCell(context, cell));
    for (const one of run?.after ?? []) used.add(one);
    if (run !== undefined) cells.push(run);
  }
  for (const teacher of loaded.teachers) {
    if (used.has(teacherFolder(teacher)) || found.any) continue;
    const what = teacher.name === '' ? 'teacher' : `teachers.${teacher.name}`;
    found.add(`${what}: no cell has a teacher that it could be`, undefined);
  }
  for (const text of baselineMistakes(loaded)) found.add(text, undefined);
  found.throwAny();
  return { ...context, cells };
}

const teacherFolder = ({ name }: TeacherPlan): string => (name === '' ? 'teacher' : `teachers/${name}`);

/** How a run differs from its cell. */
export interface CellVariant {
  /** Default: the cell's folder. */
  name?: string;
  /** Default: the cell's. */
  values?: CellValues;
  /** Besides the weights of teachers. */
  changes?: readonly ConfigChange[];
  plain?: string;
}

/** The run of a cell. @throws {ConfigError} with all that is wrong with its config, as far as it is written. */
export async function planCell(
  context: PlanContext,
  cell: SweepCell,
  { name = cell.folder, values = cell.values, changes: more = [], plain }: CellVariant = {},
): Promise<PlannedRun> {
  const { loaded } = context;
  const { changes, after } = teacherChanges(await loaded.plain(cell), { ...context, cell });
  const all = [...changes, ...more];
  const about: RunAbout = {
    ...{ name, role: 'cell', values, after, changes: all },
    ...(plain === undefined ? {} : { plain }),
  };
  return planned(context, about, await loaded.load(cell, all));
}

/** What is known of a run but its config: another process makes that of it again. */
export type RunAbout = Omit<PlannedRun, 'folder' | 'experiment' | 'asked'>;

/** The same run, from what is known of it. @throws {ConfigError} with all that is wrong with its config by now. */
export async function planAgain(context: PlanContext, about: RunAbout): Promise<PlannedRun> {
  const { loaded, teachers } = context;
  if (about.role === 'teacher') return teachers.find(({ name }) => name === about.name)!;
  return planned(context, about, await loaded.load(cellOf(context, about), about.changes));
}

/** The cell that a run is of. */
export function cellOf({ loaded }: PlanContext, { values }: Pick<PlannedRun, 'values'>): SweepCell {
  const key = groupKey(values);
  const cells = loaded.cells.filter((cell) => groupKey(cell.values) === key);
  return cells.find((cell) => cell.values[seedAxis] === values[seedAxis]) ?? cells[0]!;
}

function planned({ loaded, folder, teachers }: PlanContext, about: RunAbout, config: LoadedConfig): PlannedRun {
  const asked = { cfgOptions: [], packages: {} };
  const experiment = new LoadedExperiment(config, { name: about.name, run: undefined, asked });
  const before = teachers.filter(({ name }) => about.after.includes(name)).map((teacher) => teacher.asked);
  const text = portable({ folder, loaded }, JSON.stringify([askedOf(experiment), before]));
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return { ...about, folder: join(folder, about.name), experiment, asked: hash };
}

/** A text with its paths in the sweep's folder and beside its file as they are from there: the same on every machine, for hashes. */
export function portable({ folder, loaded: { path } }: Pick<PlanContext, 'folder' | 'loaded'>, text: string): string {
  const inFolder = text.replaceAll(resolve(folder), '<sweep>');
  return path === '' ? inFolder : inFolder.replaceAll(`${dirname(resolve(path))}/`, '<config>/');
}

/** What a cell's config gets so that it has the teachers of the sweep. */
function teacherChanges(
  plain: Readonly<Record<string, unknown>>,
  { loaded, cell, teachers }: PlanContext & { cell: SweepCell },
): { changes: ConfigChange[]; after: string[] } {
  const changes: ConfigChange[] = [];
  const after: string[] = [];
  for (const teacher of loaded.teachers.filter((one) => isFor(one, cell))) {
    const own = teacherFolder(teacher);
    const run = teachers.find(({ name }) => name === own);
    const value = run === undefined ? own : resolve(studentOf(run)); // one that is wrong itself is said as that
    const places = teacher.at?.map((at) => at.split('.')) ?? placesOfTeacher(plain);
    if (places.length === 0) continue;
    after.push(own);
    if (teacher.at === undefined && 'stages' in plain) changes.push({ path: ['model', 'teacherCkpt'] });
    changes.push(...places.map((path) => ({ path, value })));
  }
  return { changes, after };
}

/** Where the weights of the one teacher go. */
function placesOfTeacher({ model, stages }: Readonly<Record<string, unknown>>): ConfigChange['path'][] {
  if (!Array.isArray(stages)) return hasTeacher(model) ? [['model', 'teacherCkpt']] : [];
  return stages.flatMap((stage: unknown, i) => {
    const own = isPlain(stage) ? stage['model'] : undefined;
    const replaces = isPlain(own) && own['_delete_'] === true;
    const whole = { ...(isPlain(model) && !replaces ? model : {}), ...(isPlain(own) ? own : {}) };
    return hasTeacher(whole) ? [['stages', i, 'model', 'teacherCkpt']] : [];
  });
}

function hasTeacher(model: unknown): boolean {
  const teacher = isPlain(model) ? model['teacher'] : undefined;
  if (teacher === undefined || teacher === null) return false;
  return !(isPlain(teacher) && teacher['type'] === 'FromStage');
}

/**
 * Looks for all that is wrong with runs, as `retort config check` does: files, networks, mappings. Those that differ in their seeds
 * alone are looked at once.
 * @throws {ConfigError} with all that is wrong, each mistake once, with the runs that have it.
 */
export async function checkRuns(context: PlanContext, runs: readonly PlannedRun[]): Promise<void> {
  const found = new Mistakes(context.loaded.name);
  const seen = new Set<string>();
  for (const run of runs) {
    const key = run.role === 'teacher' ? run.name : groupKey(run.values);
    if (seen.has(key)) continue;
    seen.add(key);
    await found.of(run.name, async () => {
      const { mistakes, error } = await check(await lookedAt(context, run));
      if (error !== undefined) throw new ConfigError(error.what, mistakes);
    });
  }
  found.throwAny();
}

/** The config of a run with its files looked for, and without weights of teachers that are yet to be trained. */
export async function lookedAt(context: PlanContext, run: PlannedRun): Promise<LoadedExperiment> {
  const { loaded } = context;
  if (run.role === 'teacher') {
    const teacher = loaded.teachers.find((one) => teacherFolder(one) === run.name)!;
    return new LoadedExperiment(await loaded.loadTeacher(teacher, fileMistakes), run.experiment);
  }
  const coming = new Set(context.teachers.map((teacher) => resolve(studentOf(teacher))));
  const changes = run.changes.map((change) => {
    const { path, value } = change;
    return typeof value === 'string' && coming.has(value) && !exists(value) ? { path } : change;
  });
  const config = await loaded.load(cellOf(context, run), changes, fileMistakes);
  return new LoadedExperiment(config, run.experiment);
}

/** The student of a run. */
export function studentOf({ experiment, folder }: PlannedRun): string {
  return join(stageFolder(folder, experiment.stages.at(-1)!.name), runFiles.student);
}

/** Mistakes of many configs: each once, with those that have it. */
class Mistakes {
  readonly #name: string;
  readonly #found = new Map<string, { mistake: ConfigMistake; runs: string[] }>();

  constructor(name: string) {
    this.#name = name;
  }

  get any(): boolean {
    return this.#found.size > 0;
  }

  add(message: string, run: string | undefined, mistake: ConfigMistake = { message }): void {
    const known = this.#found.get(message) ?? { mistake, runs: [] };
    if (run !== undefined) known.runs.push(run);
    this.#found.set(message, known);
  }

  /** What `body` gives; mistakes of ours are noted as that run's. */
  async of<T>(run: string, body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      const mistakes = error instanceof ConfigError ? error.mistakes : [];
      if (mistakes.length === 0) this.add(error.message, run);
      for (const mistake of mistakes) this.add(mistake.message, run, mistake);
      return undefined;
    }
  }

  throwAny(): void {
    if (!this.any) return;
    const all = [...this.#found.values()].map(({ mistake, runs }) => {
      const [first, ...others] = runs;
      const where = first === undefined ? '' : `${first}${others.length > 0 ? ` and ${others.length} more` : ''}: `;
      return { ...mistake, message: `${where}${mistake.message}` };
    });
    const place = ({ file, line, message }: ConfigMistake): string =>
      line === undefined || message.includes(`${file}:${line}`) ? message : `${message} (${file}:${line})`;
    const lines = all.map((one) => place(one).replaceAll('\n', '\n    '));
    throw new ConfigError(`${this.#name}:\n    ${lines.join('\n    ')}`, all);
  }
}
