// What a run says of its students in `model.json`: enough to use them without the run's config, its data and its teacher.
import { isPlain } from '../check.ts';
import type { CheckedStage } from '../config/index.ts';
import { writeModelInfo } from '../deploy/model-info.ts';
import type { ModelInfo, Preprocessing } from '../deploy/model-info.ts';
import { studentPath } from '../engine/index.ts';
import type { NetworkMetrics } from '../engine/index.ts';
import { backbones, heads, models, necks } from '../models/index.ts';
import { engineInfo } from '../torch/index.ts';
import { version } from '../version.ts';
import type { Experiment } from './experiment.ts';

interface StageParts {
  stage: CheckedStage;
  experiment: Experiment;
}

/**
 * Writes a description beside each student of a stage.
 * @param stages all stages of the config: a later one may train the student of an earlier one
 */
export function describeStudents(
  { folder, ...parts }: StageParts & { folder: string },
  stages: readonly CheckedStage[],
  metrics: NetworkMetrics = {},
): void {
  for (const name of Object.keys(parts.experiment.algorithm.students())) {
    writeModelInfo(folder, studentInfo(parts, name, { stages, metrics }));
  }
}

/** What is to be known of a student by name. */
export function studentInfo(
  { stage, experiment }: StageParts,
  name: string,
  { stages, metrics = {} }: { stages: readonly CheckedStage[]; metrics?: NetworkMetrics },
): ModelInfo {
  const { algorithm, testLoader } = experiment;
  return {
    ...{ format: 'retort-model', version: 1 },
    network: networkOf(stage, name, stages),
    weights: studentPath('', algorithm, name),
    classes: [...testLoader.dataset.classes],
    preprocessing: preprocessingOf(stage, experiment),
    metrics: Object.fromEntries(
      Object.entries(metrics).map(([network, values]) => [
        network,
        Object.fromEntries(Object.entries(values).map(finite)),
      ]),
    ),
    versions: { retort: version, node: process.versions.node, libtorch: engineInfo().version },
    created: new Date().toISOString(),
  };
}

/** JSON has no NaN. */
const finite = ([name, value]: [string, number]): [string, number | null] => [
  name,
  Number.isFinite(value) ? value : null,
];

/** The config of a student's network; null where it is not plain data. */
function networkOf({ config }: CheckedStage, name: string, stages: readonly CheckedStage[]): ModelInfo['network'] {
  const model = config.model as Record<string, unknown>;
  const several = model['students'];
  const own = isPlain(several) ? several[name] : model['architecture'];
  if (!isPlain(own)) return null;
  if (own['type'] === 'FromStage') {
    const from = stages.find((one) => one.name === own['stage']);
    return from === undefined ? null : networkOf(from, (own['network'] as string | undefined) ?? 'student', stages);
  }
  return typeof own['type'] === 'string' && isData(own) ? (withoutFiles(own) as ModelInfo['network']) : null;
}

/** Whether JSON can hold it. */
function isData(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isData);
  if (isPlain(value)) return Object.values(value).every(isData);
  return value === null || value === undefined || ['string', 'number', 'boolean'].includes(typeof value);
}

/** The networks of ours take all their weights from the file: what they began with is not needed again. */
function withoutFiles(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutFiles);
  if (!isPlain(value)) return value;
  const ours = [models, backbones, necks, heads].some(({ entries }) => Object.hasOwn(entries, String(value['type'])));
  const kept = Object.entries(value).filter(([key]) => !ours || !['pretrained', 'initCfg'].includes(key));
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutFiles(item)]));
}

interface NormalizeConfig {
  mean: number[];
  std: number[];
  reverseChannels?: boolean;
}

/** What is done to images that are evaluated; null where it is not plain data, or samples are no images. */
function preprocessingOf({ config }: CheckedStage, { testLoader }: Experiment): Preprocessing | null {
  const { transforms = [], studentTransforms = [] } = config.testData ?? config.valData;
  const all = [...transforms, ...studentTransforms];
  const [channels] = testLoader.dataset.shape ?? [];
  if (channels === undefined || !all.every((one) => isPlain(one) && isData(one))) return null;
  const size = testLoader.imageShape?.slice(1);
  const normalize = all.find(({ type }) => type === 'Normalize') as unknown as NormalizeConfig | undefined;
  return {
    channels,
    size: size === undefined ? null : [size[0]!, size[1]!],
    colorOrder: channels === 1 ? 'gray' : normalize?.reverseChannels === true ? 'bgr' : 'rgb',
    mean: normalize?.mean ?? null,
    std: normalize?.std ?? null,
    transforms: all.map((one) => ({ ...one, type: String(one.type) })),
  };
}
