// Runs networks over a data loader in evaluation mode, and measures them. Where several processes train together, each runs its
// share of the batches; all measure all scores, in the order of the batches, so that they end with the same numbers. A probe does it
// on a few images first, so that what cannot be measured is known before training.
import type { DataLoader } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import type { DataSample, LossModel } from '../nn/index.ts';
import { getRandomState, keep, noGrad, setRandomState, tidy, zeros } from '../torch/index.ts';
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

export interface EvaluationProbeOptions {
  /** Default: {@link Accuracy}. */
  evaluators?: readonly Evaluator[];
  /** The networks whose agreement is to be measured. Default: it is not. */
  agreement?: { student: LossModel; teacher: LossModel };
}

/** How many images {@link probeEvaluation} looks at. */
const probed = 4;

/**
 * What would keep an evaluation from being made, found on a few images: each network through each evaluator, and the agreement.
 * Random numbers and the modes of the networks are put back.
 * @param networks by name; each sees its own view of the loader, if there is one
 */
export async function probeEvaluation(
  networks: Readonly<Record<string, LossModel>>,
  loader: DataLoader,
  { evaluators = [new Accuracy()], agreement }: EvaluationProbeOptions = {},
): Promise<string[]> {
  if (loader.length === 0) return ['evaluation: the loader has no batch: the data set is empty'];
  const mistakes: string[] = [];
  const attempt = (where: string, body: () => void): void => {
    try {
      noGrad(() => tidy(body));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      mistakes.push(`${where}: ${error.message}`);
    }
  };
  await loader.prepare(0, 0);
  const random = tidy(() => keep(getRandomState()));
  const restore = evaluating([...Object.values(networks), ...Object.values(agreement ?? {})]);
  try {
    noGrad(() =>
      tidy(() => {
        const batch = loader.load(0, 0);
        const dataSamples = batch.dataSamples.slice(0, probed);
        const scoresOf = (model: LossModel, view: string): Tensor =>
          model.forward((batch.views?.[view] ?? batch.inputs).narrow(0, 0, dataSamples.length), undefined, 'tensor');
        for (const [name, model] of Object.entries(networks)) {
          attempt(`evaluation of ${name}`, () => {
            const scores = scoresOf(model, name);
            for (const evaluator of evaluators) {
              const measurement = evaluator.begin();
              measurement.add(scores, dataSamples);
              measurement.result();
            }
          });
        }
        if (agreement === undefined) return;
        attempt('evaluation', () => {
          const measurement = new AgreementMeasurement();
          measurement.add(scoresOf(agreement.student, 'student'), scoresOf(agreement.teacher, 'teacher'));
          measurement.result();
        });
      }),
    );
  } finally {
    restore();
    setRandomState(random);
    random.dispose();
  }
  return mistakes;
}

/** Puts networks into evaluation mode; the returned function puts back what was. */
function evaluating(models: readonly LossModel[]): () => void {
  const modes = models.flatMap((model) => model.modules().map((module) => [module, module.training] as const));
  for (const model of models) model.eval();
  return () => {
    for (const [module, training] of modes) module.training = training;
  };
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
  const restore = evaluating(networks.map(([model]) => model));
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
    restore();
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
