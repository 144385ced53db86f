// What a trainer is given, checked as configs are, and what it gives back.
import { z } from 'zod';

import { isObject } from '../check.ts';
import type { DataLoader } from '../data/index.ts';
import type { Inputs } from '../nn/index.ts';
import type { Optimizer, Scheduler } from '../optim/index.ts';
import type { ProcessGroup } from '../torch/index.ts';
import type { CoreShare } from './core-share.ts';
import type { EvaluationOptions } from './evaluation.ts';
import type { Evaluator } from './evaluators/index.ts';
import type { Hook, NetworkMetrics } from './hooks/index.ts';
import type { PartOptions, PartsOptions } from './optimized-part.ts';
import { loopOptions } from './options.ts';
import type { LoopOptions } from './options.ts';
import type { ProfileReport } from './profile.ts';
import type { Progress } from './progress.ts';
import type { RunLock } from './run-lock.ts';

/**
 * A step is one update of the weights: a batch, or with `accumulate: n` the mean of n batches, each counting the same, however many
 * images it has (the last step of an epoch has the batches that are left, and is the mean of those). All that counts steps counts
 * these: `maxSteps`, `saveInterval`, step schedulers, schedules of loss weights, running averages, hooks, progress, logs.
 */
export interface TrainerOptions extends LoopOptions, EvaluationOptions, PartsOptions {
  trainLoader: DataLoader<Inputs>;
  /** Where checkpoints go; without it none are written. A folder that holds a run is refused, unless it is that which is resumed. */
  workDir?: string;
  /** Remove the run that `workDir` holds, when this one begins. Default false: it is refused. */
  overwrite?: boolean;
  /** The lock of `workDir`, where the caller has it. Default: it is taken by `run`, and held until that has ended. */
  lock?: RunLock;
  /** What keeps the number of threads to the cores that others leave. Default: what the machine says. @internal */
  cores?: CoreShare;
  progress?: Progress;
  /** When aborted, the step under way is finished, the run saved, and `run` returns with `stopped`. */
  signal?: AbortSignal;
  /**
   * Measure where the time goes: a table through `progress` when `run` ends, however it ends, the numbers in its result, and the first
   * 100 steps one by one in `profile.json` of the work dir, for chrome://tracing or ui.perfetto.dev. Of several processes, the first.
   * Default false.
   */
  profile?: boolean;
}

const given = <T>(what: string): z.ZodType<T, T> => z.custom<T>(isObject, `expected ${what}`);
const listOf = <T>(what: string) => z.array(given<T>(what)).readonly().exactOptional();
/**
 * The schema of {@link TrainerOptions}: what the loop is told is checked here, as configs are; what it is given, by those who use it.
 * @internal
 */
export const trainerOptions = z.strictObject({
  ...loopOptions,
  algorithm: given<TrainerOptions['algorithm']>('an algorithm'),
  trainLoader: given<DataLoader<Inputs>>('a DataLoader'),
  valLoader: given<DataLoader<Inputs>>('a DataLoader').exactOptional(),
  evaluators: listOf<Evaluator>('an evaluator'),
  hooks: listOf<Hook>('a hook'),
  group: given<ProcessGroup>('a process group').exactOptional(),
  optimizer: given<Optimizer>('an optimizer').exactOptional(),
  stepSchedulers: listOf<Scheduler>('a scheduler'),
  epochSchedulers: listOf<Scheduler>('a scheduler'),
  parts: z.record(z.string(), given<PartOptions>('{ optimizer, ... }')).exactOptional(),
  workDir: z.string().exactOptional(),
  overwrite: z.boolean().exactOptional(),
  lock: given<RunLock>('the lock of a run').exactOptional(),
  cores: given<CoreShare>('a share of the cores').exactOptional(),
  progress: given<Progress>('{ line, step }').exactOptional(),
  signal: given<AbortSignal>('an AbortSignal').exactOptional(),
  profile: z.boolean().exactOptional(),
});

/** What `Trainer.run` returns. */
export interface TrainingResult {
  /** Metrics of the last evaluation by network: `student`, `teacher`. */
  metrics: NetworkMetrics;
  /** Seconds spent in steps, those before a resume too. */
  seconds: number;
  /** Whether a signal ended the run before its last step. */
  stopped: boolean;
  /** Where the time of this call went, with the option `profile`. */
  profile?: ProfileReport;
}
