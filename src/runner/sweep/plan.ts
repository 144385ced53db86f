// What a sweep is to train: the config of every cell and teacher, where it is trained, and a hash of what is asked for, by which a later
// call tells whether what lies there is that.
import { createHash } from 'node:crypto';
import { basename, extname, join, resolve } from 'node:path';

import { isPlain } from '../../check.ts';
import { ConfigError, isTeacherOf, loadSweep, seedAxis } from '../../config/index.ts';
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
}

/** What a sweep is to train. */
export interface SweepPlan {
  readonly loaded: LoadedSweep;
  /** In which everything lies. */
  readonly folder: string;
  readonly teachers: readonly PlannedRun[];
  /** In the order in which they are trained. */
  readonly cells: readonly PlannedRun[];
}

/** How a plan is made. */
export interface PlanOptions extends Pick<LoadOptions, 'base' | 'allowScripts' | 'packages'> {
  /** Default: `runs/` and the sweep's name. */
  workDir?: string | undefined;
}

/** Reads a sweep. */
export function loadSweepFile(
  sweep: SweepSource,
  { base, allowScripts, packages = {} }: PlanOptions,
): Promise<LoadedSweep> {
  const asked = { cfgOptions: [], packages };
  return loadSweep(sweep, { ...readingOf({ allowScripts, note: undefined }, asked), folder: base });
}

/**
 * The plan of a sweep, with the config of every cell merged and checked as far as it is written.
 * @throws {ConfigError} with all that is wrong, each mistake once, with the cells that have it.
 */
export async function planSweep(sweep: SweepSource, options: PlanOptions = {}): Promise<SweepPlan> {
  const loaded = await loadSweepFile(sweep, options);
  const name = loaded.value.name ?? (loaded.path === '' ? 'sweep' : basename(loaded.path, extname(loaded.path)));
  const folder = options.workDir ?? join('runs', name);
  const found = new Mistakes(loaded.name);
  const teachers: PlannedRun[] = [];
  for (const teacher of loaded.teachers) {
    const own = teacherFolder(teacher);
    const run = await found.of(own, async () => {
      const config = await loaded.loadTeacher(teacher);
      return planned({ name: own, folder, role: 'teacher', values: {}, config, after: [] });
    });
    if (run !== undefined) teachers.push(run);
  }
  const used = new Set<string>();
  const cells: PlannedRun[] = [];
  for (const cell of loaded.cells) {
    const run = await found.of(cell.folder, async () => {
      const { changes, after } = teacherChanges(await loaded.plain(cell), { loaded, cell, teachers });
      for (const one of after) used.add(one);
      const config = await loaded.load(cell, changes);
      const { folder: own, values } = cell;
      return planned({ name: own, folder, role: 'cell', values, config, after, teachers });
    });
    if (run !== undefined) cells.push(run);
  }
  for (const teacher of loaded.teachers) {
    if (used.has(teacherFolder(teacher)) || found.any) continue;
    const what = teacher.name === '' ? 'teacher' : `teachers.${teacher.name}`;
    found.add(`${what}: no cell has a teacher that it could be`, undefined);
  }
  found.throwAny();
  return { loaded, folder, teachers, cells };
}

const teacherFolder = ({ name }: TeacherPlan): string => (name === '' ? 'teacher' : `teachers/${name}`);

interface Planning {
  name: string;
  folder: string;
  role: PlannedRun['role'];
  values: CellValues;
  config: LoadedConfig;
  after: readonly string[];
  teachers?: readonly PlannedRun[];
}

function planned({ name, folder, role, values, config, after, teachers = [] }: Planning): PlannedRun {
  const asked = { cfgOptions: [], packages: {} };
  const experiment = new LoadedExperiment(config, { name, run: undefined, asked });
  const before = teachers.filter((teacher) => after.includes(teacher.name)).map((teacher) => teacher.asked);
  const text = JSON.stringify([askedOf(experiment), before]).replaceAll(resolve(folder), '<sweep>');
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return { name, folder: join(folder, name), role, values, experiment, asked: hash, after };
}

/** What a cell's config gets so that it has the teachers of the sweep. */
function teacherChanges(
  plain: Readonly<Record<string, unknown>>,
  { loaded, cell, teachers }: { loaded: LoadedSweep; cell: SweepCell; teachers: readonly PlannedRun[] },
): { changes: ConfigChange[]; after: string[] } {
  const changes: ConfigChange[] = [];
  const after: string[] = [];
  for (const teacher of loaded.teachers.filter((one) => isTeacherOf(one, cell))) {
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
 * Looks for all that is wrong with a plan, as `retort config check` does: files, networks, mappings. Cells that differ in their seeds
 * alone are looked at once.
 * @throws {ConfigError} with all that is wrong, each mistake once, with the cells that have it.
 */
export async function checkPlan(plan: SweepPlan): Promise<void> {
  const { loaded, teachers, cells } = plan;
  const found = new Mistakes(loaded.name);
  const seen = new Set<string>();
  for (const run of [...teachers, ...cells]) {
    const { seed: _, ...values } = run.values;
    const key = run.role === 'teacher' ? run.name : JSON.stringify([values]);
    if (seen.has(key)) continue;
    seen.add(key);
    await found.of(run.name, async () => {
      const { mistakes, error } = await check(await lookedAt(plan, run), { build: true });
      if (error !== undefined) throw new ConfigError(error.what, mistakes);
    });
  }
  found.throwAny();
}

/** The config of a run with its files looked for, and without weights of teachers that are yet to be trained. */
async function lookedAt({ loaded, teachers }: SweepPlan, run: PlannedRun): Promise<LoadedExperiment> {
  const about = run.experiment;
  const cell = loaded.cells.find(({ folder }) => folder === run.name);
  if (run.role === 'teacher' || cell === undefined) {
    const teacher = loaded.teachers.find((one) => teacherFolder(one) === run.name)!;
    return new LoadedExperiment(await loaded.loadTeacher(teacher, fileMistakes), about);
  }
  const { changes } = teacherChanges(await loaded.plain(cell), { loaded, cell, teachers });
  const there = changes.map((change) =>
    typeof change.value === 'string' && !exists(change.value) ? { path: change.path } : change,
  );
  return new LoadedExperiment(await loaded.load(cell, there, fileMistakes), about);
}

/** Cells but for their seeds: what has a mean. */
export function groupKey(values: CellValues): string {
  return JSON.stringify(Object.entries(values).filter(([axis]) => axis !== seedAxis));
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
