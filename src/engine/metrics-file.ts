// `metrics.jsonl` of a run: one object a line, for each step and each evaluation. Written in whole lines; a run that goes on cuts off
// what it is going to write again; read back piece by piece, whatever a crash or an editor has left in it.
import { StringDecoder } from 'node:string_decoder';
import { join } from 'node:path';

import { isPlain } from '../check.ts';
import { RetortError } from '../errors.ts';
import { cutFile, exists, GrowingFile, isFolder, listFolder } from '../files.ts';
import { readPieces, withFile } from '../formats/read-file.ts';
import type { OpenFile } from '../formats/read-file.ts';
import type { NetworkMetrics } from './hooks/index.ts';
import { runFiles } from './run-files.ts';

/** What was measured of one update of the weights. */
export interface StepRecord {
  kind: 'step';
  /** When it was done, ISO 8601. */
  time: string;
  /** Updates of the weights so far, this one too; counted over all epochs and resumes. */
  step: number;
  /** Counted from 1. */
  epoch: number;
  /** The step within its epoch, counted from 1. */
  epochStep: number;
  /** Steps in an epoch. Files of earlier versions do not have it. */
  epochSteps?: number;
  /**
   * Each loss that the algorithm names, weighted, and their sum `loss`: means over the batches (`accumulate`) and processes of the step.
   * `NaN` and infinite values are `null` in the file, and `NaN` when it is read.
   */
  losses: Readonly<Record<string, number>>;
  /** Of the first group of parameters, as the step used it. */
  lr: number;
  /** Of each group, where there are several: `0`, `1`, ..., or by part `architecture`, `generator.0`. */
  lrs?: Readonly<Record<string, number>>;
  /** Norm of all gradients of the update together, before `maxGradNorm` limits it. Missing where nothing was updated. */
  gradNorm?: number;
  /** Of each part, where several have optimizers of their own. */
  gradNorms?: Readonly<Record<string, number>>;
  /** In the step, of all processes. */
  images: number;
  /** Of the whole step: waiting for data, hooks and exchange count. */
  imagesPerSecond: number;
  /** Bytes in tensors on the CPU, after the step, of the first process. */
  memory: number;
  /** Spent in steps so far, those before a resume too. */
  seconds: number;
}

/** What an evaluation has measured. */
export interface EvaluationRecord {
  kind: 'evaluation';
  /** When it was done, ISO 8601. */
  time: string;
  /** Updates of the weights before it. */
  step: number;
  /** Epochs done, with a fraction where training ended inside of one. */
  epoch: number;
  /** By network: `{ student: { accuracy: 91.2 }, teacher: { ... } }`. `NaN` and infinite values are `null` in the file. */
  metrics: NetworkMetrics;
  /** Spent in steps so far. */
  seconds: number;
}

/** A line of `metrics.jsonl`. */
export type MetricsRecord = StepRecord | EvaluationRecord;

/** Where a run stands that writes metrics. */
export interface Done {
  /** Updates of the weights so far. */
  steps: number;
  /** The evaluation after them is yet to be made. */
  evaluationDue: boolean;
}

/** Lines that wait for a disk that cannot take them. */
const mostWaiting = 10_000;

/**
 * Writes the lines of a run: each is with the system when it is written, so that a process may be killed; with the disk after
 * {@link sync}. Lines that cannot be written wait for the next one, and training goes on.
 */
export class MetricsFile implements Disposable {
  readonly #file: GrowingFile;
  readonly #say: (text: string) => void;
  #waiting: string[] = [];
  #told = false;

  /**
   * @param done what the run has done: what is in the file beyond it is cut off.
   * @throws {RetortError} when the file cannot be read or written.
   */
  constructor(folder: string, done: Done, say: (text: string) => void) {
    const path = join(folder, runFiles.metrics);
    this.#say = say;
    if (exists(path)) {
      const { kept, size } = withFile(path, (file) => ({ kept: keptBytes(file, done), size: file.size }));
      if (kept < size) cutFile(path, kept);
    }
    this.#file = new GrowingFile(path);
  }

  write(record: MetricsRecord): void {
    const line = `${JSON.stringify(record)}\n`;
    const text = this.#waiting.length === 0 ? line : [...this.#waiting, line].join('');
    this.#guarded(() => this.#file.append(text), line);
  }

  /** Waits until the disk has all lines: before a checkpoint that counts on them. */
  sync(): void {
    this.#guarded(() => this.#file.sync());
  }

  #guarded(body: () => void, line?: string): void {
    try {
      body();
      if (line === undefined) return;
      if (this.#told) this.#say(`note: ${this.#file.path} is written again`);
      this.#told = false;
      this.#waiting = [];
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      if (line !== undefined && this.#waiting.push(line) > mostWaiting) this.#waiting.shift();
      if (this.#told) return;
      this.#told = true;
      const kept = `the last ${mostWaiting.toLocaleString('en-US')} lines are kept and written when it can be`;
      this.#say(`note: ${error.message.split('\n')[0]}: training goes on, ${kept}`);
    }
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

const lineBreak = 10;
const tailBytes = 2 ** 16;

/** How many bytes of a file stay when a run goes on: the lines up to where it stands. Steps only grow, so it is read from its end. */
function keptBytes(file: OpenFile, done: Done): number {
  let begin = file.size;
  let tail: Uint8Array = new Uint8Array();
  /** Where the line ends that is over before `place`: behind its break; 0 where there is none. */
  const endBefore = (place: number): number => {
    for (;;) {
      const found = place > begin ? tail.lastIndexOf(lineBreak, place - 1 - begin) : -1;
      if (found >= 0 || begin === 0) return found < 0 ? 0 : begin + found + 1;
      const from = Math.max(0, begin - tailBytes);
      tail = Buffer.concat([file.read(from, begin - from), tail.subarray(0, Math.max(0, place - begin))]);
      begin = from;
    }
  };
  let end = endBefore(file.size); // a line that a crash tore has no end
  while (end > 0) {
    const start = endBefore(end - 1);
    const record = metricsRecordOf(Buffer.from(tail.subarray(start - begin, end - 1 - begin)).toString());
    if (record !== undefined && isDone(record, done)) break;
    end = start;
  }
  return end;
}

const isDone = ({ kind, step }: MetricsRecord, { steps, evaluationDue }: Done): boolean =>
  kind === 'step' ? step <= steps : step < steps || (step === steps && !evaluationDue && steps > 0);

/** The record in a line; undefined for what is none. @internal */
export function metricsRecordOf(line: string): MetricsRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (!isPlain(value) || !Number.isInteger(value['step'])) return undefined;
    if (value['kind'] === 'step' && isPlain(value['losses'])) return withNaN(value) as StepRecord;
    if (value['kind'] !== 'evaluation' || !isPlain(value['metrics'])) return undefined;
    const metrics = mapped(value['metrics'], (values) => (isPlain(values) ? values : {}));
    return withNaN({ ...value, metrics }) as EvaluationRecord;
  } catch {
    return undefined;
  }
}

/** JSON writes numbers that are not finite as `null`. */
const withNaN = (value: unknown): unknown =>
  isPlain(value) ? mapped(value, withNaN) : value === null ? Number.NaN : value;

const mapped = <W>(record: Readonly<Record<string, unknown>>, change: (value: unknown) => W): Record<string, W> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));

/** What a run has measured. */
export interface RunMetrics {
  steps: StepRecord[];
  evaluations: EvaluationRecord[];
  /** Lines that are none of these, such as one that a crash tore. */
  damaged: number;
}

/** Options of {@link readMetrics}. */
export interface ReadMetricsOptions {
  /** `'all'` (default), or `'last'`: of the steps only the last, which is much faster with a long file. */
  steps?: 'all' | 'last' | undefined;
}

/**
 * Reads `metrics.jsonl` of a run, also while it trains. Lines that a crash tore are counted and left out.
 * @param folder of a run, or of a stage in a run.
 * @throws {RetortError} when it has none, with the folders below it that have.
 * @example
 * ```ts
 * const { steps, evaluations } = readMetrics('runs/kd');
 * console.log(steps.at(-1)?.losses['loss'], evaluations.at(-1)?.metrics['student']);
 * ```
 */
export function readMetrics(folder: string, options: ReadMetricsOptions = {}): RunMetrics {
  const path = join(folder, runFiles.metrics);
  if (!exists(path)) throw noMetrics(folder);
  const found: RunMetrics = { steps: [], evaluations: [], damaged: 0 };
  let last = '';
  const take = (line: string): void => {
    const record = metricsRecordOf(line);
    if (record === undefined) found.damaged++;
    else if (record.kind === 'step') found.steps.push(record);
    else found.evaluations.push(record);
  };
  const onlyLast = options.steps === 'last';
  eachLine(path, (line) => {
    if (onlyLast && line.startsWith('{"kind":"step"') && line.endsWith('}')) last = line;
    else take(line);
  });
  if (last !== '') take(last);
  // What a crash tore may end as a whole line does.
  if (last !== '' && found.steps.length === 0) return { ...found, steps: readMetrics(folder).steps.slice(-1) };
  return found;
}

function noMetrics(folder: string): RetortError {
  const below = isFolder(folder)
    ? listFolder(folder).filter((entry) => entry.isDirectory() && exists(join(folder, entry.name, runFiles.metrics)))
    : [];
  const names = below.map(({ name }) => join(folder, name)).slice(0, 5);
  return new RetortError(isFolder(folder) ? `${folder} has no ${runFiles.metrics}` : `there is no folder ${folder}`, {
    code: 'not-found',
    help:
      names.length > 0
        ? `these have: ${names.join(', ')}`
        : 'name the folder of a run that has trained at least one step (retort runs lists them)',
  });
}

function eachLine(path: string, visit: (line: string) => void): void {
  withFile(path, (file) => {
    const decoder = new StringDecoder();
    let rest = '';
    readPieces(file, { position: 0, length: file.size }, (piece) => {
      const lines = (rest + decoder.write(Buffer.from(piece))).split('\n');
      rest = lines.pop()!;
      for (const line of lines) if (line !== '') visit(line);
    });
    rest += decoder.end();
    if (rest !== '') visit(rest);
  });
}
