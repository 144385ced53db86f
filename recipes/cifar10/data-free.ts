// What the recipes without data share. CIFAR-10's images are there to measure only: of the training data nothing but the size of batches counts.
import type { SchedulerConfig, TrainingConfig } from 'retort-kd/config';

import { budget, teacher } from './common.ts';

/** So many steps of `batchSize` images that a generator makes, measured at the end. */
export function dataFree(maxSteps: number, batchSize = 256): Omit<TrainingConfig, 'optimizer' | 'schedulers'> {
  const { valData, precision, memoryFormat } = budget;
  const epochs = Math.ceil(maxSteps / Math.floor(50_000 / batchSize));
  const trainData = { ...budget.trainData, batchSize, transforms: budget.trainData.transforms!.slice(-1) };
  return {
    trainData,
    valData,
    precision: precision!,
    memoryFormat: memoryFormat!,
    epochs,
    maxSteps,
    valInterval: epochs,
  };
}

/** A rate that falls to 0 along a cosine. */
export const falling = (steps: number): SchedulerConfig[] => [{ type: 'CosineAnnealingLR', by: 'step', tMax: steps }];

/** WRN-16-2, under the name that sources begin with. */
export const teachers = { big: { buildCfg: teacher.teacher, ckptPath: teacher.teacherCkpt } } as const;

/** Logits of both. */
export const logitsOfBoth = {
  studentRecorders: { logits: { type: 'ModuleOutputs', source: 'head.fc' } },
  teacherRecorders: { big_logits: { type: 'ModuleOutputs', source: 'big.head.fc' } },
} as const;

/** Logits under the names that losses of logits have for them. */
export const predictions = {
  predsS: { recorder: 'logits', fromStudent: true },
  predsT: { recorder: 'big_logits', fromStudent: false },
} as const;

/** Logits under the names that losses of features have for them. */
export const features = {
  sFeature: { recorder: 'logits', fromStudent: true },
  tFeature: { recorder: 'big_logits', fromStudent: false },
} as const;
