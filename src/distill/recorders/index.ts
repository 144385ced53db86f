// Recorders: what flows inside a network, without touching its code.
export { ModuleOutputsRecorder } from './module-outputs.ts';
export { Recorder } from './recorder.ts';
export type { Recording } from './recorder.ts';
export { RecorderManager } from './recorder-manager.ts';
export type { RecorderConfigs } from './recorder-manager.ts';
export { buildRecorder, recorders } from './registry.ts';
