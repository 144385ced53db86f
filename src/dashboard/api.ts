// What the page is told: the answers of the server, and the same embedded in a report. Types alone: the page imports them too.
import type { Predictions } from '../engine/index.ts';
import type { RunsSideBySide, RunState } from '../runner/index.ts';

/** A metric at its best. */
export interface Best {
  value: number;
  epoch: number;
}

/** A stage of a run, or the whole of one without stages. */
export interface StageEntry {
  /** `''` where a run has no stages. */
  name: string;
  /** By which its series are asked for. */
  id: string;
  state: RunState;
  epoch: number;
  epochs?: number;
  steps: number;
  seconds: number;
  last: Readonly<Record<string, number | null>>;
  best: Readonly<Record<string, Best>>;
  /** The course of its loss, for a small drawing: 40 numbers at most. */
  course: readonly number[];
  /** What its steps have: `losses.loss`, `lr`. */
  names: readonly string[];
}

/** A run in the list. */
export interface RunEntry {
  id: string;
  /** Its folder, relative to that of all. */
  name: string;
  state: RunState;
  started: string;
  /** Runs that differ in their seeds alone have the same. */
  group: number;
  seed?: number;
  stages: readonly StageEntry[];
  /** What cannot be read of it. */
  problems: readonly string[];
}

/** The list of runs. */
export interface RunList {
  folder: string;
  /** Grows with everything that changes. */
  revision: number;
  runs: readonly RunEntry[];
}

/** What was measured, by point of x; null where nothing was. */
export interface Series {
  mean: readonly (number | null)[];
  /** The least and the most, where a point stands for several rows. */
  min?: readonly (number | null)[];
  max?: readonly (number | null)[];
}

/** Series of several stages over one x. */
export interface SeriesAnswer {
  steps: { x: readonly number[]; reduced: boolean; series: Readonly<Record<string, Readonly<Record<string, Series>>>> };
  evaluations: { x: readonly number[]; series: Readonly<Record<string, Readonly<Record<string, Series>>>> };
}

/** A part of the step and how long it took, in milliseconds a step. */
export interface StepPart {
  name: string;
  ms: number;
  parts: readonly StepPart[];
}

/** Pictures of one map of one sample, by epoch. */
export interface MapPictures {
  name: string;
  sample: string;
  pictures: readonly { epoch: number; file: string }[];
}

/** All there is to see of a stage besides its curves. */
export interface StageDetails {
  id: string;
  /** The merged config, each value with where it comes from. */
  config?: string;
  predictions?: Predictions;
  /** Where the time of a step goes. */
  profile?: { steps: number; parts: readonly StepPart[] };
  maps: readonly MapPictures[];
  problems: readonly string[];
}

/** How the configs of runs differ, and their metrics. */
export type Comparison = RunsSideBySide;

/** What a report has embedded, in place of a server. */
export interface ReportData {
  list: RunList;
  /** By the axis. */
  series: Readonly<Record<string, SeriesAnswer>>;
  details: Readonly<Record<string, StageDetails>>;
  comparison?: Comparison;
  /** Pictures as data URLs, by stage and file. */
  files: Readonly<Record<string, string>>;
  written: string;
  version: string;
}
