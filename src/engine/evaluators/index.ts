// Evaluators: from what networks give to numbers.
export { Accuracy } from './accuracy.ts';
export type { AccuracyOptions } from './accuracy.ts';
export { AgreementMetric } from './agreement.ts';
export { ClassificationReport } from './classification-report.ts';
export type { ClassificationResult, ClassReport } from './classification-report.ts';
export type { Evaluator, Metric, Metrics } from './evaluator.ts';
export { buildEvaluator, evaluators } from './registry.ts';
