// What becomes of a student after training: loaded in one line, exported as ONNX, made smaller, compared, put on a page.
export type { CalibrationBatches, CalibrationMethod, CalibrationOptions, Range } from './calibrate.ts';
export { DeploymentTable, deploymentTable, sensitivity } from './compare.ts';
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
export { toHalf } from './half.ts';
export type { ImageInput } from './images.ts';
export { readModelInfo } from './model-info.ts';
export type { ModelInfo, Preprocessing } from './model-info.ts';
export { writtenOperators } from './onnx-operators.ts';
export type { OperatorTable, OperatorWriter } from './onnx-operators.ts';
export type { OperatorCall } from './operator-call.ts';
export { quantizeOnnx } from './quantize.ts';
export type { QuantizedOnnx, QuantizeOptions } from './quantize.ts';
export { loadStudent, Student } from './student.ts';
export type { LoadStudentOptions, Prediction, PredictOptions } from './student.ts';
export { addPreprocessing, addSoftmax } from './surroundings.ts';
export type { GraphPreprocessing } from './surroundings.ts';
export type { Size } from './trace.ts';
export { writeWebPage } from './web-page.ts';
