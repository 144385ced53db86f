// Evaluators: from what networks give to numbers.
export { Accuracy } from './accuracy.ts';
export type { AccuracyOptions } from './accuracy.ts';
export { AgreementMetric } from './agreement.ts';
export type { Evaluator, Metric, Metrics } from './evaluator.ts';
export { buildEvaluator, evaluators } from './registry.ts';
