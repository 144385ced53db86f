// Evaluators: from scores to numbers.
export { Accuracy } from './accuracy.ts';
export type { AccuracyOptions } from './accuracy.ts';
export { AgreementMeasurement } from './agreement.ts';
export type { Evaluator, Measurement, Metrics } from './evaluator.ts';
export { buildEvaluator, evaluators } from './registry.ts';
