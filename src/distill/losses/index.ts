// Losses: how far the student is from the teacher.
export { KLDivergence } from './kl-divergence.ts';
export type { KLDivergenceArguments, KLDivergenceOptions, KLReduction } from './kl-divergence.ts';
export { DistillLoss } from './loss.ts';
export type { LossArguments } from './loss.ts';
export { buildLoss, losses } from './registry.ts';
