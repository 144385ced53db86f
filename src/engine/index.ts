// Training: the loop, evaluation, checkpoints, hooks, progress.
export { evaluate, evaluateAgreement, probeEvaluation } from './evaluate.ts';
export type { EvaluateOptions, EvaluationProbeOptions } from './evaluate.ts';
export * from './evaluators/index.ts';
export * from './hooks/index.ts';
export { bestMetrics, lowerIsBetter } from './best-metrics.ts';
export type { BestValue } from './best-metrics.ts';
export { PredictionsRecorder, readPredictions } from './predictions.ts';
export type { Predictions } from './predictions.ts';
export { metricsRecordOf, readMetrics } from './metrics-file.ts';
export type { EvaluationRecord, MetricsRecord, ReadMetricsOptions, RunMetrics, StepRecord } from './metrics-file.ts';
export type { PartOptions } from './optimized-part.ts';
export { parameterGroups } from './parameter-groups.ts';
export type { LoopOptions, Multipliers, ParamwiseOptions } from './options.ts';
export type { ProfilePart, ProfileReport } from './profile.ts';
export { duration, silent, TerminalProgress, valueOf } from './progress.ts';
export type { Progress, ProgressOptions, StepReport } from './progress.ts';
export type { Trainable } from './trainable.ts';
export { Trainer } from './trainer.ts';
export type { TrainerOptions, TrainingResult } from './trainer-options.ts';
export { hasCheckpoint, madeIn, removeRun, runFiles, studentPath } from './run-files.ts';
export { lockRun, RunInUseError, trainedIn } from './run-lock.ts';
export type { RunLock } from './run-lock.ts';
export { loadTraining, savedProgress, savedStanding, saveTraining } from './training-checkpoint.ts';
export type {
  LoadTrainingOptions,
  Position,
  TrainerState,
  Restored,
  RunShape,
  TrainingParts,
} from './training-checkpoint.ts';
