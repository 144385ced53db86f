// Runs networks over a data loader in evaluation mode, and measures them. Where several processes train together, each runs its
// share of the batches; all measure all scores, in the order of the batches, so that they end with the same numbers.
import type { DataLoader } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import type { DataSample, LossModel } from '../nn/index.ts';
import { noGrad, tidy, zeros } from '../torch/index.ts';
import type { ProcessGroup, Tensor } from '../torch/index.ts';
import { Accuracy, AgreementMeasurement } from './evaluators/index.ts';
import type { Evaluator, Metrics } from './evaluators/index.ts';
import { nextTurn } from './next-turn.ts';

export interface EvaluateOptions {
  /** Default: {@link Accuracy}. */
  evaluators?: readonly Evaluator[];
  /** The loader's view that the network sees. Default: the student's images. */
  view?: string;
  /** Processes that evaluate together; all must call this. Default: this one alone. */
  group?: ProcessGroup;
}

/**
 * Every evaluator's numbers of a network; its mode is put back afterwards.
 * @throws {RetortError} when the loader has no batch.
 */
export async function evaluate(model: LossModel, loader: DataLoader, options: EvaluateOptions = {}): Promise<Metrics> {
  const { evaluators = [new Accuracy()], view, group } = options;
  const measurements = evaluators.map((evaluator) => evaluator.begin());
  await overBatches([[model, view]], loader, group, ([scores], dataSamples) => {
    for (const measurement of measurements) measurement.add(scores!, dataSamples);
  });
  return Object.assign({}, ...measurements.map((measurement) => measurement.result())) as Metrics;
}

/** How alike two networks are: see {@link AgreementMeasurement}. Each sees its own view of the loader, if there is one. */
export async function evaluateAgreement(
  { student, teacher }: { student: LossModel; teacher: LossModel },
  loader: DataLoader,
  group?: ProcessGroup,
): Promise<Metrics> {
  const measurement = new AgreementMeasurement();
  const networks = [
    [student, 'student'],
    [teacher, 'teacher'],
  ] as const;
  await overBatches(networks, loader, group, ([own, others]) => measurement.add(own!, others!));
  return measurement.result();
}

/** What the networks make of a batch, and its samples. */
interface Evaluated {
  scores: readonly Tensor[];
  dataSamples: readonly DataSample[];
}

async function overBatches(
  networks: readonly (readonly [model: LossModel, view: string | undefined])[],
  loader: DataLoader,
  group: ProcessGroup | undefined,
  measure: (scores: readonly Tensor[], dataSamples: readonly DataSample[]) => void,
): Promise<void> {
  if (loader.length === 0) {
    throw new RetortError('evaluate: the loader has no batch', { help: 'the data set is empty: check its options' });
  }
  const { rank, worldSize } = group ?? { rank: 0, worldSize: 1 };
  const run = (i: number): Evaluated => {
    const { inputs, dataSamples, views } = loader.load(0, i);
    const scores = networks.map(([model, view]) =>
      model.forward((view === undefined ? undefined : views?.[view]) ?? inputs, undefined, 'tensor'),
    );
    return { scores, dataSamples };
  };
  const modes = networks.flatMap(([model]) => model.modules().map((module) => [module, module.training] as const));
  for (const [model] of networks) model.eval();
  try {
    for (let i = 0; i < loader.length; i += worldSize) {
      const own = i + rank < loader.length ? i + rank : undefined;
      if (own !== undefined) await loader.prepare(0, own);
      noGrad(() =>
        tidy(() => {
          const batch = own === undefined ? undefined : run(own);
          const all = group === undefined ? [batch!] : exchange(batch, group);
          for (const { scores, dataSamples } of all) measure(scores, dataSamples);
        }),
      );
      await nextTurn();
    }
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}

/** The batches of all processes that have one; the last ones may have none. */
function exchange(batch: Evaluated | undefined, group: ProcessGroup): Evaluated[] {
  const dtypes = batch?.scores.map(({ dtype }) => dtype);
  const said = group.allGatherObject(batch === undefined ? null : { dataSamples: batch.dataSamples, dtypes: dtypes! });
  const some = said.find((one) => one !== null)!;
  const scores = some.dtypes.map((dtype, n) => group.allGather(batch?.scores[n] ?? zeros([0], { dtype })));
  return said.flatMap((one, rank) =>
    one === null ? [] : [{ dataSamples: one.dataSamples, scores: scores.map((byRank) => byRank[rank]!) }],
  );
}
