// What becomes of a student after training: ONNX models, smaller ones, how they compare.

export type { CalibrationBatches, CalibrationMethod, CalibrationOptions, Range } from './calibrate.ts';
export { deploymentTable, sensitivity } from './compare.ts';
export type {
  DeploymentOptions,
  DeploymentRow,
  LabeledBatch,
  LayerSensitivity,
  SensitivityOptions,
} from './compare.ts';
export { exportOnnx, OnnxExport } from './export-onnx.ts';
export type { ExportCheck, ExportOnnxOptions } from './export-onnx.ts';
export { float } from './graph-builder.ts';
export type { Attributes, GraphBuilder } from './graph-builder.ts';
export { writtenOperators } from './onnx-operators.ts';
export type { OperatorTable, OperatorWriter } from './onnx-operators.ts';
export { toHalf } from './half.ts';
export type { OperatorCall } from './operator-call.ts';
export { quantizeOnnx } from './quantize.ts';
export type { QuantizedOnnx, QuantizeOptions } from './quantize.ts';
export { addPreprocessing, addSoftmax } from './surroundings.ts';
export type { Preprocessing } from './surroundings.ts';
export type { Size } from './trace.ts';
