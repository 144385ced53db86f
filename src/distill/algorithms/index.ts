// Algorithms: who teaches whom.
export { Algorithm } from './algorithm.ts';
export { parseLosses } from './parse-losses.ts';
export type { LossRecord } from './parse-losses.ts';
export { algorithms, buildAlgorithm } from './registry.ts';
export { SingleTeacherDistill } from './single-teacher-distill.ts';
export type { SingleTeacherDistillOptions } from './single-teacher-distill.ts';
export { Supervised } from './supervised.ts';
