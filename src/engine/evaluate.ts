// Runs networks over a data loader in evaluation mode, and measures them.
import type { DataLoader } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import type { LossModel } from '../nn/index.ts';
import { noGrad, tidy } from '../torch/index.ts';
import { Accuracy, AgreementMeasurement } from './evaluators/index.ts';
import type { Evaluator, Metrics } from './evaluators/index.ts';
import { nextTurn } from './next-turn.ts';

export interface EvaluateOptions {
  /** Default: {@link Accuracy}. */
  evaluators?: readonly Evaluator[];
  /** The loader's view that the network sees. Default: the student's images. */
  view?: string;
}

/**
 * Every evaluator's numbers of a network; its mode is put back afterwards.
 * @throws {RetortError} when the loader has no batch.
 */
export async function evaluate(model: LossModel, loader: DataLoader, options: EvaluateOptions = {}): Promise<Metrics> {
  const { evaluators = [new Accuracy()], view } = options;
  const measurements = evaluators.map((evaluator) => evaluator.begin());
  await overBatches([model], loader, (i) => {
    const { inputs, dataSamples, views } = loader.load(0, i);
    const seen = view === undefined ? inputs : (views?.[view] ?? inputs);
    const scores = model.forward(seen, undefined, 'tensor');
    for (const measurement of measurements) measurement.add(scores, dataSamples);
  });
  return Object.assign({}, ...measurements.map((measurement) => measurement.result())) as Metrics;
}

/** How alike two networks are: see {@link AgreementMeasurement}. Each sees its own view of the loader, if there is one. */
export async function evaluateAgreement(
  networks: { student: LossModel; teacher: LossModel },
  loader: DataLoader,
): Promise<Metrics> {
  const { student, teacher } = networks;
  const measurement = new AgreementMeasurement();
  await overBatches([student, teacher], loader, (i) => {
    const { inputs, views } = loader.load(0, i);
    const scores = (model: LossModel, view: string) => model.forward(views?.[view] ?? inputs, undefined, 'tensor');
    measurement.add(scores(student, 'student'), scores(teacher, 'teacher'));
  });
  return measurement.result();
}

async function overBatches(models: readonly LossModel[], loader: DataLoader, body: (i: number) => void): Promise<void> {
  if (loader.length === 0) {
    throw new RetortError('evaluate: the loader has no batch', { help: 'the data set is empty: check its options' });
  }
  const modes = models.flatMap((model) => model.modules().map((module) => [module, module.training] as const));
  for (const model of models) model.eval();
  try {
    for (let i = 0; i < loader.length; i++) {
      await loader.prepare(0, i);
      noGrad(() => tidy(() => body(i)));
      await nextTurn();
    }
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}
