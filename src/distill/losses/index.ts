// Losses: how far the student is from the teacher.
export { DistillLoss } from './loss.ts';
export type { Compat, LossArguments, LossOptions } from './loss.ts';
export { KLDivergence } from './kl-divergence.ts';
export type { KLDivergenceArguments, KLDivergenceOptions, KLReduction } from './kl-divergence.ts';
export { buildLoss, losses } from './registry.ts';
export { suggestConnector } from './shapes.ts';
