// A run's student in use, also where its network is of a class of the user's: then it is built as the run's own config says.
import { basename, dirname, join } from 'node:path';

import type { CheckedConfig, CheckedStage } from '../config/index.ts';
import { loadStudent } from '../deploy/index.ts';
import type { LoadStudentOptions, Student } from '../deploy/index.ts';
import { findModel } from '../deploy/model-info.ts';
import { NetworkNeededError } from '../deploy/student.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import { runFiles } from '../engine/index.ts';
import { exists } from '../files.ts';
import type { Network } from '../nn/index.ts';
import { manualSeed } from '../torch/index.ts';
import { load } from './load.ts';
import type { LoadedExperiment, LoadOptions } from './load.ts';
import { readRecord } from './run-folder.ts';
import { stageConfig, stageNamed } from './stages.ts';
import { studentAlone, studentOfFile } from './test.ts';

/** Options of {@link loadRunStudent}. */
export interface RunStudentOptions extends LoadOptions, Pick<LoadStudentOptions, 'stage' | 'device'> {}

/**
 * `loadStudent`, which needs neither the config nor the data of a run; where the network is of a class of yours, the config names it,
 * and the scripts are run that the run was begun with (see `allowScripts`).
 * @param path the folder of a run or of one of its stages, a `student.safetensors` or its `model.json`
 * @throws {RetortError} as `loadStudent`, and `script-refused` for a script that has changed since.
 * @example
 * ```ts
 * using student = await loadRunStudent('runs/kd');
 * console.log(await student.predict('cat.jpg'));
 * ```
 */
export async function loadRunStudent(
  path: string,
  { stage, device, ...options }: RunStudentOptions = {},
): Promise<Student> {
  try {
    return await loadStudent(path, { stage, device });
  } catch (error) {
    if (!(error instanceof NetworkNeededError)) throw error;
    const { weights } = findModel(path, { stage });
    const run = runOf(weights);
    if (run === undefined) throw error;
    const experiment = await load(run.folder, options);
    const network = configuredNetwork(experiment, stageNamed(experiment, run.stage), weights);
    return await loadStudent(path, { stage, network, device });
  }
}

/** The run that weights are of, if their folder is that of a run or of a stage, and the run's config is in a file. */
function runOf(weights: string): { folder: string; stage: string } | undefined {
  const own = dirname(weights);
  for (const [folder, stage] of [
    [own, ''],
    [dirname(own), basename(own)],
  ] as const) {
    const record = readRecord(folder);
    if (record === undefined) continue;
    return record.config === '' && !exists(join(folder, runFiles.config)) ? undefined : { folder, stage };
  }
  return undefined;
}

/** The network whose weights a file of this name holds, as a config says it: without the data, and without what trains it. */
function configuredNetwork({ own }: LoadedExperiment, stage: CheckedStage, file: string): Network {
  const { model, seed } = studentAlone(stage.config, own);
  const config = stageConfig({ model } as CheckedConfig, new Map(), own);
  manualSeed(seed);
  return studentOfFile(buildAlgorithm(config.model, 'model'), file);
}
