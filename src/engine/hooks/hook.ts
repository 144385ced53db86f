// What a hook is: something that acts at fixed points of a training run. A hook that remembers something puts it into
// `stateDict`, so that a resumed run goes on with it.
import type { DataLoader } from '../../data/index.ts';
import type { Inputs } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Metrics } from '../evaluators/index.ts';
import type { MetricsRecord } from '../metrics-file.ts';
import type { Progress, StepReport } from '../progress.ts';
import type { Trainable } from '../trainable.ts';
import type { Position } from '../training-checkpoint.ts';

/** What a hook sees of a run, and may ask of it. */
export interface Run {
  readonly algorithm: Trainable;
  readonly position: Readonly<Position>;
  /** An epoch has ended and its evaluation has not been made, or not been saved. */
  readonly evaluationDue: boolean;
  readonly epochs: number;
  /** Optimizer steps in a whole epoch. */
  readonly stepsPerEpoch: number;
  /** Where files of the run go; undefined when nothing is written. */
  readonly workDir: string | undefined;
  readonly progress: Progress;
  /** Ends training after the epoch under way. */
  stop(reason: string): void;
}

/** Metrics by network: `{ student: { accuracy: 92.1 } }`. */
export type NetworkMetrics = Readonly<Record<string, Metrics>>;

/** What a hook remembers: tensors by name, and values that JSON can hold. */
export interface HookState {
  tensors?: Readonly<Record<string, Tensor>>;
  values?: Readonly<Record<string, unknown>>;
}

/**
 * Acts at fixed points of a training run; every method may be left out. What it remembers goes into `stateDict`, so that a resumed
 * run has it again.
 *
 * @example
 * ```ts
 * const stopAtNinety: Hook = {
 *   name: 'StopAtNinety',
 *   afterEvaluate: (run, metrics) => {
 *     if ((metricOf(metrics, 'student.accuracy') ?? 0) >= 90) run.stop('90% reached');
 *   },
 * };
 * ```
 */
export interface Hook {
  /** Its name in checkpoints and errors; several hooks may have the same. */
  readonly name: string;
  beforeRun?(run: Run): void;
  beforeEpoch?(run: Run): void;
  /** After each step, when parameters have moved: once for all the batches that `accumulate` puts into it. */
  afterStep?(run: Run, report: StepReport): void;
  afterEpoch?(run: Run): void;
  /**
   * Before the first step of a run, and when an epoch has ended, is saved and evaluated: nothing is under way, so here is time to read and draw.
   * Of several processes in the first alone. `loader` is that of the validation data, if there is one. What it throws ends the run.
   */
  betweenEpochs?(run: Run, loader: DataLoader<Inputs> | undefined): Promise<void>;
  /** More networks to evaluate: `evaluate` measures the student as it is when it is called. */
  evaluateMore?(run: Run, evaluate: () => Promise<Metrics>): Promise<NetworkMetrics>;
  /** After each evaluation: a place to draw, compare, or keep the best. */
  afterEvaluate?(run: Run, metrics: NetworkMetrics): void;
  /** With each line of `metrics.jsonl`, whether or not one is written; of several processes, in the first. */
  afterRecord?(run: Run, record: MetricsRecord): void;
  /** After a checkpoint was written into `run.workDir`. */
  afterSave?(run: Run): void;
  /** When the run has ended, however it did; what it returns is waited for. */
  afterRun?(run: Run): void | Promise<void>;
  stateDict?(): HookState;
  loadStateDict?(state: Required<HookState>): void;
}

/** Epochs done, with the fraction of the one under way, where training ended inside one. */
export function epochsDone({ position, stepsPerEpoch }: Pick<Run, 'position' | 'stepsPerEpoch'>): number {
  return Number((position.epoch + position.step / stepsPerEpoch).toFixed(3));
}

/** Looks a metric up by its path, such as `student.accuracy`; undefined when there is none of this name. */
export function metricOf(metrics: NetworkMetrics, path: string): number | undefined {
  const dot = path.indexOf('.');
  return metrics[path.slice(0, dot)]?.[path.slice(dot + 1)];
}

/** Every metric by its path. */
export function flatMetrics(metrics: NetworkMetrics): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([network, values]) =>
      Object.entries(values).map(([name, value]) => [`${network}.${name}`, value]),
    ),
  );
}
