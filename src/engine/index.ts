// Training: the loop, evaluation, checkpoints, progress.
export { evaluate } from './evaluate.ts';
export type { Metrics } from './evaluate.ts';
export { duration, silent, TerminalProgress } from './progress.ts';
export type { Progress, ProgressOptions, StepReport } from './progress.ts';
export type { Trainable } from './trainable.ts';
export { runFiles, Trainer } from './trainer.ts';
export type { TrainerOptions, TrainingResult } from './trainer.ts';
export { loadTraining, saveTraining } from './training-checkpoint.ts';
export type { Position, TrainingParts } from './training-checkpoint.ts';
