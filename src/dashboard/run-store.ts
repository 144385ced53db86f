// What the page shows of a folder of runs, kept in memory and brought up to date: it only reads, takes no lock, and reads again only what
// has changed.
import { basename, join, relative, sep } from 'node:path';

import { bytesInWords } from '../check.ts';
import { readPredictions, runFiles, trainedIn } from '../engine/index.ts';
import type { RunMetrics } from '../engine/index.ts';
import { readTrace } from '../engine/profile.ts';
import { RetortError } from '../errors.ts';
import { exists, isFolder, listFolder, readText, realPath, statOf } from '../files.ts';
import { foldersOfRuns, configKey, sideBySide, summaryOf } from '../runner/runs.ts';
import type { RunSummary } from '../runner/index.ts';
import type {
  Comparison,
  MapPictures,
  RunEntry,
  RunList,
  SeriesAnswer,
  StageDetails,
  StageEntry,
  StepPart,
} from './api.ts';
import { sample } from './downsample.ts';
import type { Window } from './downsample.ts';
import { MetricsIndex } from './metrics-index.ts';
import type { AxisName } from './metrics-index.ts';

/** A run that is known, and how its files were when it was looked at. */
interface Known {
  summary: RunSummary;
  marks: string;
}

/** The files by whose size and time a change is noticed. */
const watched = [
  runFiles.run,
  runFiles.metrics,
  runFiles.predictions,
  runFiles.profile,
  runFiles.lock,
  runFiles.training,
];

/** Points of the small drawing of a run's loss. */
const coursePoints = 40;

/** The runs in a folder. */
export class RunStore {
  readonly folder: string;
  readonly #runs = new Map<string, Known>();
  readonly #indexes = new Map<string, MetricsIndex>();
  /** By stage, the revision at which it changed. */
  readonly #changed = new Map<string, number>();
  #revision = 0;
  #updating: Promise<boolean> | undefined;

  /** @throws {RetortError} where there is no such folder. */
  constructor(folder: string) {
    if (!isFolder(folder)) {
      throw new RetortError(`there is no folder ${folder}`, {
        code: 'not-found',
        help: 'retort train CONFIG makes one in runs/; name the folder in which yours are',
      });
    }
    this.folder = folder;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Looks for what is new. Calls at the same time share one look. @returns whether anything was */
  update(): Promise<boolean> {
    this.#updating ??= this.#look().finally(() => {
      this.#updating = undefined;
    });
    return this.#updating;
  }

  async #look(): Promise<boolean> {
    const before = this.#revision;
    const found = new Set(foldersOfRuns(this.folder));
    for (const gone of [...this.#runs.keys()].filter((folder) => !found.has(folder))) {
      this.#runs.delete(gone);
      for (const stage of this.#indexes.keys())
        if (stage === gone || stage.startsWith(join(gone, sep))) this.#indexes.delete(stage);
      this.#revision++;
    }
    for (const folder of found) {
      const marks = marksOf(folder, this.#runs.get(folder)?.summary);
      if (this.#runs.get(folder)?.marks === marks) continue;
      this.#revision++;
      const stages = this.#stageFolders(folder);
      for (const stage of stages) await this.#index(stage).update();
      const summary = summaryOf(folder, (stage) => this.#metrics(stage));
      for (const { folder: stage } of summary.stages) this.#changed.set(this.#idOf(stage), this.#revision);
      this.#runs.set(folder, { summary, marks: marksOf(folder, summary) === marks ? marks : '' });
    }
    return this.#revision !== before;
  }

  /** The folder itself and those in it: stages lie there. */
  #stageFolders(folder: string): string[] {
    const inside = listFolder(folder).filter((entry) => entry.isDirectory());
    const all = [folder, ...inside.map(({ name }) => join(folder, name))];
    return all.filter((one) => exists(join(one, runFiles.metrics)));
  }

  #index(folder: string): MetricsIndex {
    let index = this.#indexes.get(folder);
    if (index === undefined) this.#indexes.set(folder, (index = new MetricsIndex(folder)));
    return index;
  }

  #metrics(folder: string): Pick<RunMetrics, 'steps' | 'evaluations' | 'damaged'> | undefined {
    if (!exists(join(folder, runFiles.metrics))) return undefined;
    const { last, evaluations, damaged } = this.#index(folder);
    return { steps: last === undefined ? [] : [last], evaluations: [...evaluations], damaged };
  }

  /** A path below the folder, with `/`; that of the folder itself is `.`. */
  #idOf(folder: string): string {
    return relative(this.folder, folder).split(sep).join('/') || '.';
  }

  /** What has changed since a revision, by the ids of stages. */
  since(revision: number): string[] {
    return [...this.#changed].filter(([, at]) => at > revision).map(([id]) => id);
  }

  list(): RunList {
    const groups = new Map<string, number>();
    const summaries = [...this.#runs.values()].map(({ summary }) => summary);
    const order = ({ started, updated }: RunSummary): string => started || updated;
    const runs = summaries
      .toSorted((a, b) => order(a).localeCompare(order(b)) || a.folder.localeCompare(b.folder, 'en', { numeric: true }))
      .map((summary): RunEntry => {
        const key = configKey(summary);
        if (!groups.has(key)) groups.set(key, groups.size);
        const seed = Object.values(summary.asked ?? {})[0]?.['seed'];
        const id = this.#idOf(summary.folder);
        return {
          ...{ id, name: id === '.' ? basename(summary.folder) : id },
          ...{ state: summary.state, started: order(summary), group: groups.get(key)! },
          ...(typeof seed === 'number' ? { seed } : {}),
          stages: summary.stages.map((stage) => this.#stage(stage)),
          problems: summary.problems,
        };
      });
    return { folder: this.folder, revision: this.#revision, runs };
  }

  #stage({ name, folder, state, epoch, epochs, steps, seconds, last, best }: RunSummary['stages'][number]): StageEntry {
    const index = this.#indexes.get(folder);
    const rows = index?.stepsBy('step');
    const loss = rows?.columns.get('losses.loss');
    const course =
      loss === undefined
        ? []
        : sample(new Map([['', rows!]]), (column) => column === 'losses.loss', { points: coursePoints }).series['']![
            'losses.loss'
          ]!.mean.flatMap((value) => value ?? []);
    const short =
      course.length <= coursePoints
        ? course
        : course.filter((_, i) => i % Math.ceil(course.length / coursePoints) === 0);
    return {
      ...{ name, id: this.#idOf(folder), state, epoch, steps, seconds },
      ...(epochs === undefined ? {} : { epochs }),
      last: Object.fromEntries(
        Object.entries(last).map(([path, value]) => [path, Number.isFinite(value) ? value : null]),
      ),
      best: Object.fromEntries(
        Object.entries(best).map(([path, one]) => [path, { value: one.value, epoch: one.epoch }]),
      ),
      course: short,
      names: index?.names ?? [],
    };
  }

  /** The folder of a stage. @throws {RetortError} for an id that is none of those in the list. */
  #folderOf(id: string): string {
    const stage = [...this.#runs.values()]
      .flatMap(({ summary }) => summary.stages)
      .find(({ folder }) => this.#idOf(folder) === id);
    if (stage !== undefined) return stage.folder;
    throw new RetortError(`there is no run or stage "${id}"`, { code: 'not-found' });
  }

  /** Curves of several stages over one x. */
  series(ids: readonly string[], axis: AxisName, window: Window): SeriesAnswer {
    const indexes = ids.map((id) => [id, this.#index(this.#folderOf(id))] as const);
    const all = (): boolean => true;
    const steps = sample(new Map(indexes.map(([id, index]) => [id, index.stepsBy(axis)])), all, window);
    const { x, series } = sample(new Map(indexes.map(([id, index]) => [id, index.evaluationsBy(axis)])), all, {
      points: window.points,
    });
    return { steps, evaluations: { x, series } };
  }

  /** How the configs of runs differ, and their metrics side by side. */
  comparison(ids: readonly string[]): Comparison {
    const chosen = [...this.#runs.values()]
      .map(({ summary }) => summary)
      .filter(({ folder }) => ids.includes(this.#idOf(folder)));
    const found = sideBySide(chosen);
    return {
      ...found,
      groups: found.groups.map((group) => ({ ...group, runs: group.runs.map((folder) => this.#idOf(folder)) })),
    };
  }

  details(id: string): StageDetails {
    const folder = this.#folderOf(id);
    const problems: string[] = [];
    const tried = <T>(name: string, read: (path: string) => T, where = folder): T | undefined => {
      const path = join(where, name);
      if (!exists(path)) return undefined;
      try {
        requireShowable(where, name);
        return read(path);
      } catch (error) {
        if (!(error instanceof RetortError)) throw error;
        problems.push(error.what.split('\n')[0]!);
        return undefined;
      }
    };
    const run = [...this.#runs.values()].find(({ summary }) =>
      summary.stages.some((stage) => stage.folder === folder),
    )!;
    const config = tried(runFiles.printed, readText, run.summary.folder);
    const predictions = tried(runFiles.predictions, () => readPredictions(folder));
    const profile = tried(runFiles.profile, profileOf);
    return {
      id,
      ...(config === undefined ? {} : { config }),
      ...(predictions === undefined ? {} : { predictions }),
      ...(profile === undefined ? {} : { profile }),
      maps: mapsIn(folder),
      problems,
    };
  }

  /** The path of a picture of a stage. @throws {RetortError} for what is none, and for links that lead elsewhere. */
  picture(id: string, file: string): string {
    const folder = this.#folderOf(id);
    const path = join(folder, file);
    if (!picture.test(file) || !exists(path) || !isOwn(folder, file)) {
      throw new RetortError(`there is no picture "${file}"`, { code: 'not-found' });
    }
    requireShowable(folder, file);
    return path;
  }
}

/** The pictures of `predictions.json` and of `VisualizationHook`. */
const picture = /^(predictions\/\d+|vis\/\w[\w.-]*\/sample-\d+-epoch-\d+)\.png$/;

/** Whether a file lies in a folder itself: a link could show, or put into a report, any file of this machine. */
const isOwn = (folder: string, file: string): boolean => realPath(join(folder, file)) === join(realPath(folder), file);

/** What a page is sent whole is no larger. */
const mostBytes = 64 * 2 ** 20;

/** @throws {RetortError} for a link that leads elsewhere, and for what no page would stand. */
function requireShowable(folder: string, name: string): void {
  const path = join(folder, name);
  if (!isOwn(folder, name)) {
    throw new RetortError(`${path} is a link that leads elsewhere: what is there is not shown`, {
      code: 'invalid-file',
      help: 'put the file itself there',
    });
  }
  const size = statOf(path)?.size ?? 0;
  if (size <= mostBytes) return;
  throw new RetortError(`${path} has ${bytesInWords(size)}: no more than ${bytesInWords(mostBytes)} are shown`, {
    code: 'invalid-file',
  });
}

/** By which a run that has changed is told from one that has not. */
function marksOf(folder: string, summary: RunSummary | undefined): string {
  const folders = new Set([folder, ...(summary?.stages.map((stage) => stage.folder) ?? [])]);
  const marks = [...folders].flatMap((one) =>
    watched.map((name) => {
      const stats = statOf(join(one, name));
      return stats === undefined ? '' : `${stats.size}:${stats.mtimeMs}`;
    }),
  );
  return [...marks, isTrained(folder) ? 'running' : ''].join();
}

/** Whether a process trains there. One that was killed leaves all files as they were, so the files alone do not tell. */
function isTrained(folder: string): boolean {
  try {
    return trainedIn(folder) !== undefined;
  } catch (error) {
    if (error instanceof RetortError) return false; // the summary says what is wrong with the lock
    throw error;
  }
}

/** Folders in which hooks and `retort features` put pictures: `vis/NAME/sample-0-epoch-003.png`. */
function mapsIn(folder: string): MapPictures[] {
  const root = join(folder, 'vis');
  if (!isFolder(root)) return [];
  const found = new Map<string, { name: string; sample: string; pictures: { epoch: number; file: string }[] }>();
  for (const { name } of listFolder(root).filter((entry) => entry.isDirectory())) {
    for (const entry of listFolder(join(root, name))) {
      const [, sampled, epoch] = /^sample-(\d+)-epoch-(\d+)\.png$/.exec(entry.name) ?? [];
      if (sampled === undefined || epoch === undefined || !entry.isFile()) continue;
      const key = `${name}/${sampled}`;
      const one = found.get(key) ?? { name, sample: sampled, pictures: [] };
      one.pictures.push({ epoch: Number(epoch), file: `vis/${name}/${entry.name}` });
      found.set(key, one);
    }
  }
  return [...found.values()]
    .map((one) => ({ ...one, pictures: one.pictures.toSorted((a, b) => a.epoch - b.epoch) }))
    .toSorted((a, b) => a.name.localeCompare(b.name) || Number(a.sample) - Number(b.sample));
}

/** The parts of a step, from the trace of the first ones. */
function profileOf(path: string): StageDetails['profile'] {
  const { steps, events } = readTrace(path);
  const parts = new Map<string, Map<string, number>>();
  for (const { name, cat = '', ph, dur = 0 } of events) {
    if (ph !== 'X' || cat === 'evaluation' || cat === 'saving') continue;
    const names = parts.get(cat) ?? new Map<string, number>();
    names.set(name, (names.get(name) ?? 0) + dur / 1000 / Math.max(1, steps));
    parts.set(cat, names);
  }
  return {
    steps,
    parts: [...parts].map(([name, names]) => partOf(name, names)).toSorted((a, b) => b.ms - a.ms),
  };
}

function partOf(name: string, names: ReadonlyMap<string, number>): StepPart {
  const own = names.get(name);
  const inner = [...names].filter(([inside]) => inside !== name);
  const parts = inner
    .map(([inside, ms]): StepPart => ({ name: inside, ms, parts: [] }))
    .toSorted((a, b) => b.ms - a.ms);
  // A part that is not measured as a whole is the sum of what is in it.
  return { name, ms: own ?? parts.reduce((sum, part) => sum + part.ms, 0), parts };
}
