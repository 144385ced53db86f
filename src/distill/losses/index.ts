// Losses: how far the student is from the teacher.
export { DistillLoss, lossSchema } from './loss.ts';
export type { Compat, LossArguments, LossOptions, LossSettings, Reduction } from './loss.ts';
export * from './all.ts';
export type { ContrastSample } from './common/contrast-samples.ts';
export { buildLoss, losses } from './registry.ts';
export { oneClass, withoutMixing } from './common/classes.ts';
export { requireRank, requireSameBatch, requireSameShape, suggestConnector } from './common/shapes.ts';
export { openTeacherSchema, teacherSchema } from './common/sides.ts';
export type { ClassOptions, ClassSettings, Labeled, LabelOptions, LabelSettings, Masked } from './common/classes.ts';
export { Divergence, divergenceSchema } from './common/divergence.ts';
export type { DivergenceArguments, DivergenceOptions, DivergenceSettings } from './common/divergence.ts';
export type { Box, BoxSource } from './common/focal-masks.ts';
export type { LayerPair } from './common/layers.ts';
export type { FeaturePair, LogitPair, OpenTeacherOptions, TeacherOptions, TeacherSettings } from './common/sides.ts';
export { standardize } from './common/standardize.ts';
export type { StandardizeOptions } from './common/standardize.ts';
