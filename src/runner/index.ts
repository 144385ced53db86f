// From a config to what it is for: checked, built, trained, tested. What the commands of `retort` do, for programs.
export { build } from './build.ts';
export type { BuildOptions, BuiltExperiment, BuiltStage } from './build.ts';
export { buildCache, cacheInfo, pruneCache, removeCache, verifyCache } from './cache.ts';
export type { BuildCacheOptions, BuiltCache, CacheProgress, VerifiedCache } from './cache.ts';
export { check } from './check.ts';
export type { CheckedStageReport, CheckMistake, CheckOptions, CheckReport } from './check.ts';
export { compare, distill, Side, Source } from './distill.ts';
export type { BatchSources, Comparison, DistillOptions, DistillResult, ModulePath, RecordOptions } from './distill.ts';
export type { Experiment, LoadedWeights } from './experiment.ts';
export { exportRun } from './export.ts';
export type { ExportRunOptions, ExportRunResult } from './export.ts';
export { features, featureSides } from './features.ts';
export type { DrawnFeature, FeaturesOptions } from './features.ts';
export { inspect } from './inspect.ts';
export type {
  Inspected,
  InspectedOnnx,
  InspectedTensor,
  InspectedValue,
  InspectedWeights,
  InspectOptions,
} from './inspect.ts';
export { load, LoadedExperiment } from './load.ts';
export type { ConfigSource, LoadOptions } from './load.ts';
export { registries } from './registries.ts';
export type { KnownRegistry } from './registries.ts';
export { run } from './run.ts';
export type { RunOptions, RunResult, StageResult } from './run.ts';
export { readRun } from './run-folder.ts';
export type { Overrides, RecordedRun, RunRecord } from './run-folder.ts';
export { compareRuns, listRuns } from './runs.ts';
export type { RunGroup, RunsSideBySide, RunState, RunSummary, Spread, StageSummary } from './runs.ts';
export { loadRunStudent } from './student.ts';
export type { RunStudentOptions } from './student.ts';
export { test } from './test.ts';
export type { TestOptions, TestResult } from './test.ts';
export { sweep, tableInMarkdown, tuneSweep, tuningInMarkdown } from './sweep/index.ts';
export type {
  Bracket,
  CellOutcome,
  CellState,
  Paired,
  Rung,
  RungCell,
  Sample,
  SweepEvent,
  SweepOptions,
  SweepResult,
  SweepSource,
  SweepTable,
  TableCell,
  TableRow,
  Tuning,
} from './sweep/index.ts';
