// Samplers: in which order samples are visited.
export { DistributedSampler } from './distributed-sampler.ts';
export { RandomSampler, SequentialSampler } from './sampler.ts';
export type { RandomSamplerOptions, Sampler } from './sampler.ts';
