// The evaluations of a training run: which of the algorithm's networks are measured, by what, and on which data.
import type { DataLoader } from '../data/index.ts';
import { didYouMean, RetortError } from '../errors.ts';
import type { Inputs, Network } from '../nn/index.ts';
import type { ProcessGroup } from '../torch/index.ts';
import type { CoreShare } from './core-share.ts';
import { evaluate, evaluateAgreement, probeEvaluation } from './evaluate.ts';
import { Accuracy } from './evaluators/index.ts';
import type { Evaluator, Metrics } from './evaluators/index.ts';
import type { Hook, NetworkMetrics, Run } from './hooks/index.ts';
import type { LoopOptions } from './options.ts';
import { PredictionsRecorder } from './predictions.ts';
import type { PredictionsOf } from './predictions.ts';
import type { Trainable } from './trainable.ts';

/** What of a trainer's options its evaluations depend on. */
export interface EvaluationOptions extends Pick<LoopOptions, 'agreement' | 'evaluated' | 'predictions'> {
  algorithm: Trainable;
  /** Evaluated after every epoch; without it nothing is. Its data set has the classes of the training data. */
  valLoader?: DataLoader<Inputs>;
  /** Default: accuracy. */
  evaluators?: readonly Evaluator[];
  hooks?: readonly Hook[];
  /**
   * Processes that train together, each with a trainer of the same options: a step takes a batch of each, and updates use the
   * mean of their gradients. The first writes files and shows progress. Default: this process alone.
   */
  group?: ProcessGroup;
}

/** Measures the networks of an algorithm; those that do not change, once. */
export class Evaluation {
  readonly #options: EvaluationOptions;
  /** Metrics of networks that do not change. */
  readonly #settled = new Map<Network, Metrics>();
  readonly #predictions = new PredictionsRecorder();

  constructor(options: EvaluationOptions) {
    this.#options = options;
  }

  /**
   * The networks that are evaluated, by name; those whose weights are not here are left out.
   * @throws {RetortError} for a name in `evaluated` that is not a network's, and where the weights of all that it names are not here.
   */
  #networks(): Readonly<Record<string, Network>> {
    const { algorithm } = this.#options;
    const networks = algorithm.evaluated();
    const absent = algorithm.absent?.() ?? {};
    const { evaluated = Object.keys(networks) } = this.#options;
    const known = [...Object.keys(networks), ...Object.keys(absent)];
    const unknown = evaluated.find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new RetortError(`evaluated: unknown network "${unknown}"; ${didYouMean(unknown, known)}`, {
        code: 'unknown-name',
      });
    }
    if (evaluated.length > 0 && evaluated.every((name) => Object.hasOwn(absent, name))) {
      throw new RetortError(`evaluated: the weights of ${evaluated.join(', ')} are not here, so nothing is measured`, {
        code: 'not-found',
        help: 'name the checkpoint, or evaluate the student too',
      });
    }
    return Object.fromEntries(Object.entries(networks).filter(([name]) => evaluated.includes(name)));
  }

  /** What is left out of evaluations as weights are not here, in a line; nothing where all is measured. */
  leftOut(): string | undefined {
    const { algorithm, valLoader, agreement = false, evaluated } = this.#options;
    if (valLoader === undefined) return undefined;
    const absent = algorithm.absent?.() ?? {};
    const unmeasured = [
      ...Object.keys(absent).filter((name) => evaluated?.includes(name) ?? true),
      ...(agreement && Object.hasOwn(absent, 'teacher') ? ['agreement'] : []),
    ];
    if (unmeasured.length === 0) return undefined;
    const are = unmeasured.length === 1 ? 'is' : 'are';
    return `${unmeasured.join(', ')} ${are} not measured: the weights of ${Object.keys(absent).join(', ')} are not here`;
  }

  /** What would make the evaluation fail, found by evaluating a few images: nothing where all is well. */
  async probe(): Promise<string[]> {
    const { algorithm, valLoader, evaluators, agreement = false } = this.#options;
    if (valLoader === undefined) return [];
    const networks = this.#networks();
    const { teacher } = algorithm.evaluated();
    return probeEvaluation(networks, valLoader, {
      ...(evaluators === undefined ? {} : { evaluators }),
      ...(agreement && teacher !== undefined ? { agreement: { student: algorithm.student, teacher } } : {}),
    });
  }

  /** The metrics of every network, and those that hooks add; undefined where there is nothing to evaluate on. */
  async measure(run: Run, cores?: CoreShare): Promise<NetworkMetrics | undefined> {
    const { algorithm, valLoader, agreement = false, predictions = true, hooks = [], group } = this.#options;
    const { evaluators = [new Accuracy()] } = this.#options;
    if (valLoader === undefined) return undefined;
    const frozen = new Set(algorithm.frozen().flatMap((module) => module.modules()));
    const options = {
      evaluators,
      ...(group === undefined ? {} : { group }),
      ...(cores === undefined ? {} : { cores }),
    };
    const metrics: Record<string, Metrics> = {};
    for (const [name, model] of Object.entries(this.#networks())) {
      const recorder = predictions ? [this.#predictions.of(name, valLoader.dataset.classes)] : [];
      const measuring = { ...options, evaluators: [...evaluators, ...recorder], view: name };
      metrics[name] = this.#settled.get(model) ?? (await evaluate(model, valLoader, measuring));
      if (frozen.has(model)) this.#settled.set(model, metrics[name]);
    }
    const { teacher } = algorithm.evaluated();
    if (agreement && teacher !== undefined) {
      metrics['agreement'] = await evaluateAgreement({ student: algorithm.student, teacher }, valLoader, group, cores);
    }
    for (const hook of hooks) {
      Object.assign(metrics, await hook.evaluateMore?.(run, () => evaluate(algorithm.student, valLoader, options)));
    }
    return metrics;
  }

  /** Writes what the networks made of the samples of the last evaluation, unless that is not wanted: see `predictions.json`. */
  async savePredictions(folder: string, done: Omit<PredictionsOf, 'loader'>): Promise<void> {
    const { valLoader, predictions = true } = this.#options;
    if (valLoader === undefined || !predictions) return;
    await this.#predictions.save(folder, { loader: valLoader, ...done });
  }
}
