// Recorders: what flows inside a network, without touching its code.
export {
  FunctionInputsRecorder,
  FunctionOutputsRecorder,
  MethodInputsRecorder,
  MethodOutputsRecorder,
} from './call-recorders.ts';
export { ModuleGradientsRecorder } from './module-gradients.ts';
export { ModuleInputsRecorder, ModuleOutputsRecorder } from './module-recorders.ts';
export { OnnxOutputsRecorder } from './onnx-outputs.ts';
export { ParameterRecorder } from './parameter.ts';
export { Recorder } from './recorder.ts';
export type { Recording, RecorderSource } from './recorder.ts';
export { RecorderManager } from './recorder-manager.ts';
export type { RecorderConfigs } from './recorder-manager.ts';
export { buildRecorder, recorders } from './registry.ts';
