// Measures a student on the test data of a config. Only what is measured is built: a teacher and its checkpoint need not be there
// unless they are asked for.
import { basename } from 'node:path';

import { retortCommand } from '../../tools/addon-file.mjs';
import type { CheckedConfig, CheckedStage, LoadedConfig } from '../config/index.ts';
import { checkImages } from '../data/index.ts';
import { algorithms, compareHeads } from '../distill/algorithms/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import {
  ClassificationReport,
  evaluate,
  evaluateAgreement,
  PredictionsRecorder,
  runFiles,
  savedProgress,
  studentPath,
} from '../engine/index.ts';
import type { ClassificationResult, NetworkMetrics } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { loadNetwork, measureLatency, profileModel } from '../models/index.ts';
import type { LossModel, Network } from '../nn/index.ts';
import type { Tables } from '../registry/index.ts';
import { overridden } from './build.ts';
import { weightsNotes } from './experiment.ts';
import type { Experiment } from './experiment.ts';
import { load } from './load.ts';
import type { ConfigSource, LoadOptions } from './load.ts';
import type { Overrides } from './run-folder.ts';
import { prepareStage, stageFolder, stagesIn, studentAsked } from './stages.ts';
import type { Finished } from './stages.ts';

/** What {@link test} measures. */
export interface TestOptions extends LoadOptions, Pick<Overrides, 'device'> {
  /** A file of the student's weights. Default: that of the run whose folder is the config. */
  checkpoint?: string | undefined;
  /** The stage that the checkpoint is of, in a config of several. Default: the last. */
  stage?: string | undefined;
  /** Measure the other networks too. Default false. */
  teacher?: boolean | undefined;
  /** Measure how alike student and teacher are. Default false. */
  agreement?: boolean | undefined;
  /** Write `predictions.json` into the run's folder, of what is measured here. Default false. */
  predictions?: boolean | undefined;
}

/** What {@link test} measured. */
export interface TestResult {
  /** By network: `{ student: { accuracy: 91.2 } }`. */
  metrics: NetworkMetrics;
  /** How alike student and teacher are, where that was asked for. */
  agreement?: Readonly<Record<string, number>>;
  /** By network: what it costs and, of classifiers, all that is asked of one. */
  details: Readonly<Record<string, NetworkDetails>>;
}

/** What {@link test} says of a network besides its metrics. */
export interface NetworkDetails {
  /** Numbers that are trained. */
  parameters: number;
  /** Multiply-accumulate operations for one image; undefined where samples are no images of one size. */
  macs?: number;
  /** Bytes of the state dict. */
  bytes?: number;
  /** Of one image, median in milliseconds, with the threads that the engine has. */
  latency?: number;
  /** Accuracy by rank and by class, confusion, calibration; undefined for networks that give no scores `(N, K)`. */
  classification?: ClassificationResult;
}

/**
 * Measures a student on the test data of a config (the validation data where it has none), with the config's evaluators.
 * @throws {ConfigError} that lists all that is wrong with the config.
 * @throws {RetortError} when the checkpoint or the stage is not there, the checkpoint does not fit, the data does not fit the networks,
 *   or a teacher is asked for that is not there.
 * @example
 * ```ts
 * const { metrics } = await test('runs/kd', { teacher: true });
 * console.log(metrics['student']!['accuracy'], metrics['teacher']!['accuracy']);
 * ```
 */
export async function test(config: ConfigSource, options: TestOptions = {}): Promise<TestResult> {
  const { teacher: withTeacher = false, agreement = false, predictions = false, note } = options;
  const experiment = await load(config, options);
  const asked = studentAsked(experiment, options);
  const { run, file } = asked;
  const [stage] = overridden([asked.stage], { device: options.device }, 'test') as [CheckedStage];
  const { name, own } = experiment;
  if (file === undefined) {
    throw new RetortError(`${name}: name the checkpoint too, or the folder of a run in place of the config`, {
      help:
        `${retortCommand(`test ${name} runs/NAME/${runFiles.student}`)}, or ${retortCommand('test runs/NAME')}; ` +
        `in a program test(config, { checkpoint: 'runs/NAME/${runFiles.student}' }), or test('runs/NAME')`,
    });
  }
  if (predictions && run === undefined) {
    throw new RetortError(`predictions: they are written into the folder of a run, and ${name} is a config`, {
      help: `name the run's folder: ${retortCommand('test RUN --predictions')}, or test('RUN', { predictions: true })`,
    });
  }
  const needsTeacher = withTeacher || agreement;
  const measured = { ...stage, config: needsTeacher ? stage.config : studentAlone(stage.config, own), init: [] };
  if (needsTeacher && run === undefined) requireNoStages(measured);
  const needed = stagesNeeded(measured, experiment, { own, run });
  const parts = prepareStage(measured, needed, { own, needsTeachers: needsTeacher });
  await requireFitting(parts, { name, note });
  const { algorithm, testLoader, evaluators } = parts;
  const student = studentOfFile(algorithm, file);
  loadNetwork(file, student);
  const networks = Object.entries(algorithm.evaluated());
  const [, teacher] = networks.find(([, model]) => model !== student) ?? [];
  if (needsTeacher && teacher === undefined) {
    const asked = withTeacher ? 'teacher' : 'agreement';
    throw new RetortError(`${asked}: ${name} has no teacher: ${algorithm.constructor.name} trains the student alone`, {
      code: 'unknown-name',
    });
  }
  const metrics: Record<string, NetworkMetrics[string]> = {};
  const details: Record<string, NetworkDetails> = {};
  const recorder = new PredictionsRecorder();
  for (const [network, model] of networks) {
    if (model !== student && !withTeacher) continue;
    const report = new ClassificationReport(testLoader.dataset.classes);
    const kept = predictions ? [recorder.of(network, testLoader.dataset.classes)] : [];
    metrics[network] = await evaluate(model, testLoader, {
      evaluators: [...evaluators, report, ...kept],
      view: network,
    });
    const classification = report.result();
    details[network] = { ...costsOf(model, testLoader.imageShape), ...(classification && { classification }) };
  }
  const pair = { student: student as LossModel, teacher: teacher as LossModel };
  const alike = agreement ? await evaluateAgreement(pair, testLoader) : undefined;
  if (predictions) {
    const folder = stageFolder(run!, stage.name);
    const { steps = 0, position } = savedProgress(folder) ?? {};
    await recorder.save(folder, { loader: testLoader, step: steps, epoch: position?.epoch ?? 0, agreement: alike });
  }
  return { metrics, details, ...(alike === undefined ? {} : { agreement: alike }) };
}

/** What a network costs. @param shape `(C, H, W)` of an image, where all have one */
function costsOf(model: Network, shape: readonly number[] | undefined): NetworkDetails {
  if (shape !== undefined) return { ...profileModel(model, shape), latency: measureLatency(model, shape) };
  return { parameters: model.parameters().reduce((sum, parameter) => sum + parameter.numel, 0) };
}

/** Says what is worth a look. @throws {RetortError} that lists why networks and test data do not go together. */
async function requireFitting(
  { algorithm, trainLoader, testLoader, notes, weights }: Experiment,
  { name, note }: { name: string; note: LoadOptions['note'] },
): Promise<void> {
  const heads = compareHeads(algorithm, testLoader.dataset.classes.length);
  const initial = new Set(weightsNotes(weights)); // the student's weights are those of the checkpoint
  for (const text of [...notes.filter((one) => !initial.has(one)), ...heads.warnings]) note?.(text);
  const mistakes = [...heads.mistakes, ...(await checkImages(testLoader, trainLoader, 'the test data'))];
  if (mistakes.length > 0) throw new RetortError(`${name}:\n    ${mistakes.join('\n    ')}`, { code: 'mismatch' });
}

/** Of several students the one whose weights a file has, by the file's name: `student-peer.safetensors`. */
export function studentOfFile(algorithm: Algorithm, file: string): Network {
  const students = algorithm.students();
  const name = Object.keys(students).find((one) => studentPath('', algorithm, one) === basename(file));
  return name === undefined ? algorithm.student : students[name]!;
}

/** The config with the student by itself, where it has one student and the algorithm is one of ours. */
export function studentAlone(config: CheckedConfig, own: Tables): CheckedConfig {
  const { architecture, type } = config.model as { architecture?: unknown; type: string };
  const ours = Object.hasOwn(algorithms.entries, type) && !Object.hasOwn(own['algorithm'] ?? {}, type);
  if (!ours || architecture === undefined) return config;
  // What is there to train with is not used here, and may name parts of the algorithm that is left out.
  const { schedulers: _schedulers, evaluated: _evaluated, agreement: _agreement, hooks: _hooks, ...rest } = config;
  return { ...rest, model: { type: 'Supervised', architecture }, optimizer: { type: 'SGD', lr: 1 } };
}

/** @throws {RetortError} for a teacher that an earlier stage trained: its weights are in the run's folder only. */
function requireNoStages({ config }: CheckedStage): void {
  const [name] = stagesIn(config.model);
  if (name === undefined) return;
  throw new RetortError(
    `teacher, agreement: the teacher is a network of stage "${name}", whose weights are not named`,
    {
      help: `name the folder of the run, which has them: ${retortCommand('test RUN --teacher')}, or test('RUN', { teacher: true })`,
    },
  );
}

/** The earlier stages whose networks a stage takes over, with the students that a run has trained. */
export function stagesNeeded(
  stage: CheckedStage,
  { stages }: LoadedConfig,
  { own, run }: { own: Tables; run: string | undefined },
): Finished {
  const needed = new Map<string, Algorithm>();
  const add = (one: CheckedStage): void => {
    const before = stages.slice(
      0,
      stages.findIndex(({ name }) => name === one.name),
    );
    for (const name of stagesIn(one.config.model)) {
      const found = before.find((earlier) => earlier.name === name);
      if (found === undefined || needed.has(name)) continue; // prepareStage says what there is not
      add(found);
      const { algorithm } = prepareStage({ ...found, init: [] }, needed, { own });
      if (run !== undefined) loadNetwork(studentPath(stageFolder(run, name)), algorithm.student);
      needed.set(name, algorithm);
    }
  };
  add(stage);
  return needed;
}
