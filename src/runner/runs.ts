// Runs that are there: found in a folder, each with how far it has come and its metrics; and several side by side, those that differ
// in their seeds alone as one, with mean and standard deviation.
import type { Dirent } from 'node:fs';
import { join, resolve } from 'node:path';

import {
  bestMetrics,
  flatMetrics,
  hasCheckpoint,
  readMetrics,
  runFiles,
  savedStanding,
  trainedIn,
} from '../engine/index.ts';
import type { BestValue, EvaluationRecord, RunMetrics } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { exists, isFolder, listFolder, seen } from '../files.ts';
import { readRecord } from './run-folder.ts';
import type { Asked } from './resume.ts';

/**
 * `'running'`: a process trains there. `'finished'`: nothing is left to do. `'stopped'`: it can go on from a checkpoint (`--resume`).
 * `'lost'`: it ended before there was one.
 */
export type RunState = 'running' | 'finished' | 'stopped' | 'lost';

/** How far a stage of a run has come, and what was measured. */
export interface StageSummary {
  /** `''` where a run has no stages. */
  name: string;
  folder: string;
  state: RunState;
  /** Epochs done, with a fraction inside of one; by the last line of its metrics, or else its checkpoint. */
  epoch: number;
  /** Epochs asked for, where that is known. */
  epochs?: number;
  /** Updates of the weights so far. */
  steps: number;
  /** Spent in steps. */
  seconds: number;
  /** Of the last evaluation, by path: `{ 'student.accuracy': 91.2 }`. `NaN` is what was measured as that. */
  last: Readonly<Record<string, number>>;
  /** The best of each metric, and when that was. */
  best: Readonly<Record<string, BestValue>>;
  /** Lines of `metrics.jsonl` that cannot be read, such as one that a crash tore. */
  damaged: number;
}

/** A run that is there. */
export interface RunSummary {
  folder: string;
  /** That of the stage it has come to. */
  state: RunState;
  /** When it was started, ISO 8601; `''` where that is not known. */
  started: string;
  /** When something was measured last, ISO 8601; `''` where nothing was. */
  updated: string;
  /** By the name of the stage, every value of its config by path; undefined where its record does not say. */
  asked?: Asked;
  /** How many trained together, where its record says. */
  processes?: number;
  stages: readonly StageSummary[];
  /** What cannot be read of it. */
  problems: readonly string[];
}

/** Whether a folder is that of a run. */
export const isRun = (folder: string): boolean =>
  [runFiles.run, runFiles.metrics].some((name) => exists(join(folder, name))) || hasCheckpoint(folder);

/** Deeper no run is looked for. */
const deepest = 6;

/** The folders of runs in a folder and those below it, itself included. @internal */
export function foldersOfRuns(folder: string, depth = 0): string[] {
  if (isRun(folder)) return [folder];
  if (depth === deepest) return [];
  let inside: readonly Dirent[];
  try {
    inside = listFolder(folder);
  } catch (error) {
    if (depth === 0 || !(error instanceof RetortError)) throw error;
    return []; // one that is gone by now, or that others may not look into, hides no run beside it
  }
  return inside
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .flatMap(({ name }) => foldersOfRuns(join(folder, name), depth + 1));
}

/**
 * The runs in a folder and those below it, the oldest first: state, progress, last and best metrics. Also those that train now.
 * @param folder of runs, or of one. Default `runs`.
 * @throws {RetortError} when there is no such folder, or no run in it.
 * @example
 * ```ts
 * for (const { folder, state, stages } of listRuns('runs')) console.log(folder, state, stages.at(-1)?.best);
 * ```
 */
export function listRuns(folder = 'runs'): RunSummary[] {
  const help = 'retort train CONFIG makes one in runs/; name the folder in which yours are';
  if (!isFolder(folder)) {
    const what = seen(folder) === undefined ? `there is no folder ${folder}` : `${folder} is not a folder`;
    throw new RetortError(what, { code: 'not-found', help });
  }
  const found = foldersOfRuns(folder.replace(/(?<=.)\/+$/, '')).map((one) => summaryOf(one));
  if (found.length === 0) throw new RetortError(`${folder} has no runs`, { code: 'not-found', help });
  const order = ({ started, updated }: RunSummary): string => started || updated;
  return found.toSorted(
    (a, b) => compareTexts(order(a), order(b)) || a.folder.localeCompare(b.folder, 'en', { numeric: true }),
  );
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Gives the last step and all evaluations of a stage; undefined where it has no metrics. */
type MetricsReader = (folder: string) => Pick<RunMetrics, 'steps' | 'evaluations' | 'damaged'> | undefined;

const lastMetrics: MetricsReader = (folder) =>
  exists(join(folder, runFiles.metrics)) ? readMetrics(folder, { steps: 'last' }) : undefined;

/** A run as {@link listRuns} gives it. @param read for those who have read its metrics already. @internal */
export function summaryOf(folder: string, read: MetricsReader = lastMetrics): RunSummary {
  const problems: string[] = [];
  const tried = <T>(body: () => T): T | undefined => {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      problems.push(error.what.split('\n')[0]!);
      return undefined;
    }
  };
  const record = tried(() => readRecord(folder));
  const asked = record?.asked;
  const running = tried(() => trainedIn(folder)) !== undefined;
  const names = Object.keys(asked ?? {});
  const stages: StageSummary[] = [];
  let updated = '';
  for (const name of names.length > 0 ? names : ['']) {
    const { time, ...stage } = stageOf(join(folder, name), { name, asked: asked?.[name], tried, read });
    if (time > updated) updated = time;
    if (name === '' || time !== '' || hasCheckpoint(stage.folder)) stages.push(stage);
  }
  const last = stages.at(-1);
  const complete = stages.length === Math.max(1, names.length);
  const ended = last === undefined ? 'lost' : complete || last.state !== 'finished' ? last.state : 'stopped';
  if (running && last !== undefined) last.state = 'running';
  return {
    ...{ folder, state: running ? 'running' : ended, started: record?.started ?? '', updated },
    ...(asked === undefined ? {} : { asked }),
    ...(record === undefined ? {} : { processes: record.processes }),
    ...{ stages, problems },
  };
}

interface StageContext {
  name: string;
  asked: Readonly<Record<string, unknown>> | undefined;
  tried: <T>(body: () => T) => T | undefined;
  read: MetricsReader;
}

function stageOf(folder: string, { name, asked, tried, read }: StageContext): StageSummary & { time: string } {
  const saved = hasCheckpoint(folder) ? tried(() => savedStanding(folder)) : undefined;
  const metrics = tried(() => read(folder));
  const evaluations = metrics?.evaluations ?? [];
  const step = metrics?.steps.at(-1);
  const evaluation = evaluations.at(-1);
  const wanted = saved?.shape?.epochs ?? asked?.['epochs'];
  const progressed = saved?.progressed;
  const isLater = step !== undefined && step.step > (evaluation?.step ?? 0);
  const perEpoch = saved?.shape?.steps ?? step?.epochSteps;
  const inside = step === undefined ? 0 : step.epoch - 1 + (perEpoch === undefined ? 0 : step.epochStep / perEpoch);
  const epoch = isLater ? Number(inside.toFixed(3)) : (evaluation?.epoch ?? progressed?.position.epoch ?? 0);
  const last = evaluation?.metrics ?? progressed?.metrics ?? {};
  return {
    ...{ name, folder, state: saved === undefined ? 'lost' : saved.finished === true ? 'finished' : 'stopped' },
    epoch,
    ...(typeof wanted === 'number' ? { epochs: wanted } : {}),
    steps: Math.max(step?.step ?? 0, evaluation?.step ?? 0, progressed?.steps ?? 0),
    seconds: Math.max(step?.seconds ?? 0, evaluation?.seconds ?? 0, progressed?.seconds ?? 0),
    last: flatMetrics(last),
    best: bestMetrics(evaluations.length > 0 ? evaluations : asEvaluation(last, epoch)),
    damaged: metrics?.damaged ?? 0,
    time: [step?.time ?? '', evaluation?.time ?? ''].toSorted(compareTexts).at(-1)!,
  };
}

/** Of a run of before there were lines of metrics, what its checkpoint says. */
const asEvaluation = (
  metrics: EvaluationRecord['metrics'],
  epoch: number,
): Pick<EvaluationRecord, 'metrics' | 'epoch' | 'step'>[] => [{ metrics, epoch, step: 0 }];

/** Runs that differ in their seeds alone, or one. */
export interface RunGroup {
  /** The folders of its runs. */
  runs: readonly string[];
  seeds: readonly (number | undefined)[];
  /** By path (`student.accuracy`, or of stages `first/student.accuracy`): of the last evaluations, and of the best. */
  metrics: Readonly<Record<string, { last: Spread; best: Spread }>>;
}

/** A metric over the runs of a group. */
export interface Spread {
  /** Over runs that have it. */
  mean: number;
  /** With n - 1; undefined for one run. */
  std?: number;
  /** Of each run, in order; undefined for one that does not have it. */
  values: readonly (number | undefined)[];
}

/** Runs side by side. */
export interface RunsSideBySide {
  groups: readonly RunGroup[];
  /** The values of configs that differ, by path, one for each group: what is not set is undefined. Seeds make no difference. */
  differences: Readonly<Record<string, readonly unknown[]>>;
  /** Runs whose config is not known: they are none of the differences. */
  unknown: readonly string[];
}

const isSeed = (path: string): boolean => /(^|\.)(seed|augmentSeed)$/.test(path) && !path.includes('dataset');

/**
 * Puts runs side by side: where their configs differ, and their metrics. Runs that differ in `seed` (and `augmentSeed`) alone are a
 * group, with mean and standard deviation over its seeds.
 * @param folders of runs; the folder of several runs stands for all of them.
 * @throws {RetortError} for a folder that has no run, or fewer than two runs in all.
 * @example
 * ```ts
 * const { groups, differences } = compareRuns(['runs/tau-1', 'runs/tau-4']);
 * console.log(differences, groups[0]!.metrics['student.accuracy']!.last.mean);
 * ```
 */
export function compareRuns(folders: readonly string[]): RunsSideBySide {
  const named = folders.flatMap((folder) => listRuns(folder));
  const all = [...new Map(named.map((run) => [resolve(run.folder), run])).values()];
  if (all.length < 2) {
    throw new RetortError(`expected two runs or more to compare, got ${all.length === 1 ? all[0]!.folder : 'none'}`, {
      help: 'name the folders of runs, or one that holds several: retort compare runs/kd runs/kd-2',
    });
  }
  return sideBySide(all);
}

/** What runs have in common that differ in their seeds alone. @internal */
export function configKey(run: RunSummary): string {
  if (run.asked === undefined) return run.folder;
  const entries = Object.entries(configOf(run)).filter(([path]) => !isSeed(path));
  return JSON.stringify(entries.toSorted(([a], [b]) => compareTexts(a, b)));
}

/** {@link compareRuns} of runs that are listed already. @internal */
export function sideBySide(all: readonly RunSummary[]): RunsSideBySide {
  const groups = new Map<string, RunSummary[]>();
  for (const run of all) {
    const key = configKey(run);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const configs = [...groups.values()].map(([first]) => (first!.asked === undefined ? undefined : configOf(first!)));
  const known = configs.filter((config) => config !== undefined);
  const paths = [...new Set(known.flatMap((config) => Object.keys(config)))].filter((path) => !isSeed(path));
  const differing = paths.filter((path) => new Set(known.map((config) => JSON.stringify(config[path]))).size > 1);
  return {
    groups: [...groups.values()].map(groupOf),
    differences: Object.fromEntries(differing.map((path) => [path, configs.map((config) => config?.[path])])),
    unknown: all.filter(({ asked }) => asked === undefined).map(({ folder }) => folder),
  };
}

const inStage = (stage: string, path: string): string => (stage === '' ? path : `${stage}/${path}`);

function configOf({ asked = {}, processes = 1 }: RunSummary): Record<string, unknown> {
  const entries = Object.entries(asked).flatMap(([stage, values]) =>
    Object.entries(values).map(([path, value]) => [inStage(stage, path), value] as const),
  );
  return { ...Object.fromEntries(entries), processes };
}

function groupOf(runs: readonly RunSummary[]): RunGroup {
  const values = runs.map(({ stages }) => {
    const found: Record<string, { last?: number; best?: number }> = {};
    for (const { name, last, best } of stages) {
      for (const path of new Set([...Object.keys(last), ...Object.keys(best)])) {
        const [one, top] = [last[path], best[path]?.value];
        found[inStage(name, path)] = {
          ...(one === undefined ? {} : { last: one }),
          ...(top === undefined ? {} : { best: top }),
        };
      }
    }
    return found;
  });
  const names = [...new Set(values.flatMap((one) => Object.keys(one)))];
  const metrics = names.map((name) => [
    name,
    { last: spreadOf(values.map((one) => one[name]?.last)), best: spreadOf(values.map((one) => one[name]?.best)) },
  ]);
  return {
    runs: runs.map(({ folder }) => folder),
    seeds: runs.map(({ asked = {} }) => Object.values(asked)[0]?.['seed'] as number | undefined),
    metrics: Object.fromEntries(metrics) as RunGroup['metrics'],
  };
}

function spreadOf(values: readonly (number | undefined)[]): Spread {
  const known = values.filter((value) => value !== undefined);
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  if (known.length < 2) return { mean, values };
  const std = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (known.length - 1));
  return { mean, std, values };
}
