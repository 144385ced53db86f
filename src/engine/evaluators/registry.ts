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

/** The evaluators that configs can name. */
export const evaluators = new Registry<Evaluator, typeof table>('evaluator', table);

/**
 * An evaluator from its config.
 *
 * @param where what errors call it; default `evaluator`
 * @throws {RetortError} for an unknown type, or options that its schema refuses.
 *
 * @example
 * ```ts
 * const evaluator = buildEvaluator({ type: 'Accuracy', topk: [1, 5] });
 * ```
 */
export function buildEvaluator(config: TypedConfig, where?: string): Evaluator {
  return evaluators.build(config, where);
}
