// The probe of a stage before its training: its files, and one forward of its networks on the first images.
import { checkFiles, checkImages } from '../data/index.ts';
import { probe } from '../distill/algorithms/index.ts';
import type { ProbeReport } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { firstSamples } from '../nn/index.ts';
import { tidy } from '../torch/index.ts';
import type { Experiment } from './experiment.ts';

/** How many images the probe looks at: enough for batch norms to measure. */
const images = 4;

/** Files of a data set that are looked at before training; `config check` looks at all. */
const filesBeforeTraining = 20_000;
/** Damaged files that are named; the rest is counted. */
const namedFiles = 10;

export interface ProbeData {
  /** Look at every file. Default: at 20,000 of each data set. */
  everyFile?: boolean | undefined;
  /** Decode whole images. Default false: look at how files begin. */
  decode?: boolean | undefined;
}

/**
 * Looks at the files of the data sets, then runs the probe on the first images of the training data, and what will be evaluated on
 * the first of the validation data.
 */
export async function probeExperiment(experiment: Experiment, data: ProbeData = {}): Promise<ProbeReport> {
  const { algorithm, trainer, trainLoader, allowInitialWeights } = experiment;
  const mistakes = await dataMistakes(experiment, data);
  if (mistakes.length > 0) return { recorders: [], arguments: [], losses: {}, mistakes, warnings: [] };
  await trainLoader.prepare(0, 0);
  const found = tidy(() =>
    probe(algorithm, firstSamples(trainLoader.load(0, 0), images), {
      optimized: new Set(trainer.parameters()),
      numClasses: trainLoader.dataset.classes.length,
      mixes: trainLoader.mixes,
      allowInitialWeights,
    }),
  );
  // Networks that fail in training would only fail again.
  if (found.mistakes.length > 0) return found;
  try {
    return { ...found, mistakes: await trainer.probeEvaluation() };
  } catch (error) {
    if (error instanceof RetortError) return { ...found, mistakes: [error.message] }; // what is asked for is not there to be evaluated
    throw error;
  }
}

async function dataMistakes({ trainLoader, valLoader, testLoader }: Experiment, data: ProbeData): Promise<string[]> {
  const { everyFile = false, decode = false } = data;
  const loaders = Object.entries({ trainData: trainLoader, valData: valLoader, testData: testLoader });
  const mistakes: string[] = [];
  const seen = new Set<unknown>();
  for (const [name, loader] of loaders) {
    if (seen.has(loader)) continue;
    seen.add(loader);
    const limit = everyFile || decode ? Infinity : filesBeforeTraining;
    const { mistakes: bad } = await checkFiles(loader.dataset, { decode, limit });
    mistakes.push(...bad.slice(0, namedFiles).map((mistake) => `${name}: ${mistake}`));
    if (bad.length > namedFiles) mistakes.push(`${name}: ${bad.length - namedFiles} more files`);
    if (bad.length > 0) mistakes.push(`help: copy or download these files again, or remove them from ${name}`);
    if (loader !== trainLoader) mistakes.push(...(await checkImages(loader, trainLoader, name)));
  }
  return mistakes;
}

/** The error that lists what keeps a stage of a config from being trained; nothing where all is well. */
export function probeError({ mistakes }: ProbeReport, config: string, stage: string): RetortError | undefined {
  if (mistakes.length === 0) return undefined;
  const where = stage === '' ? config : `${config}, stage "${stage}"`;
  const listed = mistakes.map((mistake) => mistake.replaceAll('\n', '\n    ')).join('\n    ');
  return new RetortError(`${where}: the probe on a few images found\n    ${listed}`, {
    code: 'invalid-config',
  });
}
