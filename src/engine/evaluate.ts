// Runs networks over a data loader in evaluation mode, and measures them. Where several processes train together, each runs its
// share of the batches; all measure all scores, in the order of the batches, so that they end with the same numbers. A probe does it
// on a few images first, so that what cannot be measured is known before training.
import type { DataLoader } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import { firstSamples } from '../nn/index.ts';
import type { Inputs, Module, Network, Outputs, Targets } from '../nn/index.ts';
import { getRandomState, keep, mapLeaves, noGrad, ops, setRandomState, Tensor, tidy, zeros } from '../torch/index.ts';
import type { Device, DType, ProcessGroup } from '../torch/index.ts';
import { CoreShare } from './core-share.ts';
import { Accuracy, AgreementMetric } from './evaluators/index.ts';
import type { Evaluator, Metrics } from './evaluators/index.ts';
import { nextTurn } from './next-turn.ts';

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** Default: {@link Accuracy}. */
  evaluators?: readonly Evaluator[];
  /** The loader's view that the network sees. Default: the student's images. */
  view?: string;
  /** Processes that evaluate together; all must call this. Default: this one alone. */
  group?: ProcessGroup;
  /** What keeps the number of threads to the cores that others leave. Default: what the machine says. @internal */
  cores?: CoreShare;
}

/**
 * Every evaluator's numbers of a network; its mode is put back afterwards.
 * @throws {RetortError} when the loader has no batch.
 */
export async function evaluate(
  model: Network,
  loader: DataLoader<Inputs>,
  options: EvaluateOptions = {},
): Promise<Metrics> {
  const { evaluators = [new Accuracy()], view, ...together } = options;
  const metrics = evaluators.map((evaluator) => evaluator.begin());
  await overBatches([[model, view]], loader, together, ([outputs], targets) => {
    for (const metric of metrics) metric.update(outputs!, targets);
  });
  return Object.assign({}, ...metrics.map((metric) => metric.compute())) as Metrics;
}

/** How alike two networks are: see {@link AgreementMetric}. Each sees its own view of the loader, if there is one. */
export async function evaluateAgreement(
  { student, teacher }: { student: Network; teacher: Network },
  loader: DataLoader<Inputs>,
  group?: ProcessGroup,
  cores?: CoreShare,
): Promise<Metrics> {
  const metric = new AgreementMetric();
  const networks = [
    [student, 'student'],
    [teacher, 'teacher'],
  ] as const;
  await overBatches(networks, loader, { group, cores }, ([own, others]) => metric.update(own!, others!));
  return metric.compute();
}

/** Options of {@link probeEvaluation}. */
export interface EvaluationProbeOptions {
  /** Default: {@link Accuracy}. */
  evaluators?: readonly Evaluator[];
  /** The networks whose agreement is to be measured. Default: it is not. */
  agreement?: { student: Network; teacher: Network };
}

/** How many images {@link probeEvaluation} looks at. */
const probed = 4;

/**
 * What would keep an evaluation from being made, found on a few images: each network through each evaluator, and the agreement.
 * Random numbers and the modes of the networks are put back.
 * @param networks by name; each sees its own view of the loader, if there is one
 */
export async function probeEvaluation(
  networks: Readonly<Record<string, Network>>,
  loader: DataLoader<Inputs>,
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
        const { inputs, targets, views } = firstSamples(loader.load(0, 0), probed);
        const outputsOf = (model: Network, view: string): Outputs => model.forward(views?.[view] ?? inputs);
        for (const [name, model] of Object.entries(networks)) {
          attempt(`evaluation of ${name}`, () => {
            const outputs = outputsOf(model, name);
            for (const evaluator of evaluators) {
              const metric = evaluator.begin();
              metric.update(outputs, targets);
              metric.compute();
            }
          });
        }
        if (agreement === undefined) return;
        attempt('evaluation', () => {
          const metric = new AgreementMetric();
          metric.update(outputsOf(agreement.student, 'student'), outputsOf(agreement.teacher, 'teacher'));
          metric.compute();
        });
      }),
    );
  } finally {
    restore();
    loader[Symbol.dispose]();
    setRandomState(random);
    random.dispose();
  }
  return mistakes;
}

/** Puts networks into evaluation mode; the returned function puts back what was. */
export function evaluating(models: readonly Module[]): () => void {
  const modes = models.flatMap((model) => model.modules().map((module) => [module, module.training] as const));
  for (const model of models) model.eval();
  return () => {
    for (const [module, training] of modes) module.training = training;
  };
}

/** What the networks make of a batch, and what they should make of it. */
interface Evaluated {
  outputs: readonly Outputs[];
  targets: Targets;
}

async function overBatches(
  networks: readonly (readonly [model: Network, view: string | undefined])[],
  loader: DataLoader<Inputs>,
  { group, cores }: { group?: ProcessGroup | undefined; cores?: CoreShare | undefined },
  measure: (outputs: readonly Outputs[], targets: Targets) => void,
): Promise<void> {
  if (loader.length === 0) {
    throw new RetortError('evaluate: the loader has no batch', { help: 'the data set is empty: check its options' });
  }
  const { rank, worldSize } = group ?? { rank: 0, worldSize: 1 };
  const run = (i: number): Evaluated => {
    const { inputs, targets, views } = loader.load(0, i);
    const outputs = networks.map(([model, view]) =>
      model.forward((view === undefined ? undefined : views?.[view]) ?? inputs),
    );
    return { outputs, targets };
  };
  const restore = evaluating(networks.map(([model]) => model));
  using made = cores === undefined ? CoreShare.ofMachine(group) : undefined;
  const share = cores ?? made;
  try {
    for (let i = 0; i < loader.length; i += worldSize) {
      const own = i + rank < loader.length ? i + rank : undefined;
      if (own !== undefined) await loader.prepare(0, own);
      noGrad(() =>
        tidy(() => {
          const batch = own === undefined ? undefined : run(own);
          const all = group === undefined ? [batch!] : exchange(batch, group, loader.device);
          for (const { outputs, targets } of all) measure(outputs, targets);
        }),
      );
      share?.betweenSteps();
      await nextTurn();
    }
  } finally {
    restore();
    loader[Symbol.dispose]();
  }
}

/**
 * The batches of all processes that have one; the last ones may have none. Structure, dtypes and shapes go as text, and the values of
 * each dtype as one tensor: batches may differ in their lists.
 */
function exchange(batch: Evaluated | undefined, group: ProcessGroup, device: Device): Evaluated[] {
  const own: Tensor[] = [];
  const said = group.allGatherObject(
    batch === undefined
      ? null
      : mapLeaves({ ...batch }, (leaf) => {
          if (!(leaf instanceof Tensor)) return null;
          own.push(leaf);
          return `${leaf.dtype}:${leaf.shape.join()}`;
        }),
  );
  const dtypes = new Set<DType>();
  mapLeaves(said, (leaf) => {
    if (typeof leaf === 'string') dtypes.add(described(leaf).dtype);
    return leaf;
  });
  const flat = new Map<DType, Tensor[]>();
  for (const dtype of [...dtypes].toSorted()) {
    const parts = own.filter((tensor) => tensor.dtype === dtype).map((tensor) => tensor.reshape([-1]));
    flat.set(dtype, group.allGather(parts.length === 0 ? zeros([0], { dtype, device }) : ops.cat(parts)));
  }
  return said.flatMap((one, rank) => {
    if (one === null) return [];
    const taken = new Map<DType, number>();
    const value = mapLeaves(one, (leaf) => {
      if (typeof leaf !== 'string') return undefined;
      const { dtype, shape } = described(leaf);
      const [start, count] = [taken.get(dtype) ?? 0, shape.reduce((product, size) => product * size, 1)];
      taken.set(dtype, start + count);
      return flat.get(dtype)![rank]!.narrow(0, start, count).reshape(shape);
    });
    return [value as Evaluated];
  });
}

/** `float32:4,10` */
function described(text: string): { dtype: DType; shape: number[] } {
  const [dtype, sizes = ''] = text.split(':') as [DType, string?];
  return { dtype, shape: sizes === '' ? [] : sizes.split(',').map(Number) };
}
