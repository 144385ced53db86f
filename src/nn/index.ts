// Networks: modules, layers, functions, initializers.
export { firstSamples, integers, mapInputs, samplesAt, sizeOf, targetsOf, withSamples } from './batch.ts';
export type {
  Batch,
  BatchOrigin,
  DataSample,
  GivenBatch,
  GivenTargets,
  Inputs,
  Outputs,
  SampleMeta,
  Targets,
} from './batch.ts';
export * from './blocks/index.ts';
export { classShares, requireClasses } from './class-targets.ts';
export { foldNorms, runLayers } from './folded-norms.ts';
export { Identity, ModuleDict, ModuleList, Sequential } from './containers.ts';
export { floatAgain, QuantizationAware, quantizationAwareOptions } from './quantization-aware.ts';
export type { QuantizationAwareOptions } from './quantization-aware.ts';
export { Module } from './module.ts';
export type { ForwardHook, ForwardPreHook, Layer, ToOptions, WalkOptions } from './module.ts';
export { Buffer, Parameter } from './parameter.ts';
export type { BufferOptions, ParameterOptions } from './parameter.ts';
export { initialWeights, markTrained } from './state-dict.ts';
export type { LoadOptions, LoadReport } from './state-dict.ts';
export { loadModule, saveModule } from './checkpoint.ts';
export { loadTensors, saveTensors, tensorFile } from './tensor-files.ts';
export type { LoadedTensors, LoadTensorsOptions } from './tensor-files.ts';
export * as functional from './functional/index.ts';
export * as init from './init.ts';
export { initializeModule, initializers, initSchema } from './initializers.ts';
export type {
  FillOptions,
  InitConfig,
  InitializeOptions,
  Initializer,
  InitOption,
  InitOverride,
} from './initializers.ts';
export * from './layers/index.ts';
export { hasNamedValues } from './model.ts';
export type { ForwardMode, LearnedBatch, LossModel, NamedValues, Network, UpdateRequest } from './model.ts';
export { moveAverage } from './running-average.ts';
export { spectralNorm } from './spectral-norm.ts';
export type { SpectralNormOptions } from './spectral-norm.ts';
