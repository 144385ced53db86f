// Recorders: what flows inside a network, without touching its code.
export { FunctionInputsRecorder } from './function-inputs.ts';
export { FunctionOutputsRecorder } from './function-outputs.ts';
export { MethodInputsRecorder } from './method-inputs.ts';
export { MethodOutputsRecorder } from './method-outputs.ts';
export { ModuleGradientsRecorder } from './module-gradients.ts';
export { ModuleInputsRecorder } from './module-inputs.ts';
export { ModuleOutputsRecorder } from './module-outputs.ts';
export { ParameterRecorder } from './parameter.ts';
export { Recorder } from './recorder.ts';
export type { Recording, RecorderSource } from './recorder.ts';
export { RecorderManager } from './recorder-manager.ts';
export type { RecorderConfigs } from './recorder-manager.ts';
export { buildRecorder, recorders } from './registry.ts';
