// What becomes of a student after training: ONNX models, smaller ones, how they compare.

export { exportOnnx, OnnxExport } from './export-onnx.ts';
export type { ExportCheck, ExportOnnxOptions } from './export-onnx.ts';
export { float } from './graph-builder.ts';
export type { Attributes, GraphBuilder } from './graph-builder.ts';
export { writtenOperators } from './onnx-operators.ts';
export type { OperatorTable, OperatorWriter } from './onnx-operators.ts';
export type { OperatorCall } from './operator-call.ts';
export type { Preprocessing } from './surroundings.ts';
export type { Size } from './trace.ts';
