// From a trained student to what uses it: loaded in one line, exported, made smaller.
export { loadStudent, Student } from './student.ts';
export type { LoadStudentOptions, Prediction, PredictOptions } from './student.ts';
export type { ImageInput } from './images.ts';
export { readModelInfo } from './model-info.ts';
export type { ModelInfo, Preprocessing } from './model-info.ts';
