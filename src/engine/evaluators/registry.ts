// The evaluators that configs can name.
import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { Accuracy, accuracyOptions } from './accuracy.ts';
import type { Evaluator } from './evaluator.ts';

const table = {
  Accuracy: entry(accuracyOptions, (options) => new Accuracy(options), {
    summary: 'Share of images whose right class is among the highest scores.',
  }),
};

export const evaluators = new Registry<Evaluator, typeof table>('evaluator', table);

export function buildEvaluator(config: TypedConfig, where?: string): Evaluator {
  return evaluators.build(config, where);
}
