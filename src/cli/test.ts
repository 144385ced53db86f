// `retort test RUN`, `retort test CONFIG CHECKPOINT`: measures a student on the config's test data. Only what is measured is built:
// a teacher and its checkpoint need not be there unless they are asked for.
import { join } from 'node:path';

import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import type { CheckedConfig, CheckedStage, LoadedConfig } from '../config/index.ts';
import { checkImages } from '../data/index.ts';
import { algorithms, compareHeads } from '../distill/algorithms/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { buildEvaluator, evaluate, evaluateAgreement, runFiles } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { isFolder } from '../files.ts';
import { loadModule } from '../nn/index.ts';
import { isPlain } from '../registry/index.ts';
import type { Tables } from '../registry/index.ts';
import { allowScripts, cfgOptions, loadWithOptions, packageFolders } from './config-options.ts';
import type { ConfigOptions } from './config-options.ts';
import { table } from './numbers.ts';
import { recordedRun, requireSameScripts } from '../runner/run-folder.ts';
import { prepareStage } from '../runner/stages.ts';

export const test = new Command('test')
  .description("measure a student on the test data of a run's config, or of a config")
  .argument('<run-or-config>', 'the folder of a run, or a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .argument('[checkpoint]', "the student, such as runs/<name>/student.safetensors (default: the run's)")
  .option('--stage <name>', 'the stage the checkpoint is of, in a config of several (default: the last)')
  .option('--teacher', 'measure the teacher too')
  .option('--agreement', 'measure how alike student and teacher are')
  .option('--json', 'print as JSON')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .action(async (source, checkpoint, options) => {
    const run = isFolder(source) ? source : undefined;
    const loaded = await (run === undefined
      ? loadWithOptions(source, options)
      : loadRun(run, options, options.allowScripts === true));
    const stage =
      options.stage === undefined ? loaded.stages.at(-1)! : loaded.stages.find(({ name }) => name === options.stage);
    if (stage === undefined) {
      throw new RetortError(`${source} has no stage "${options.stage}"`, {
        help: `it has ${loaded.stages.map(({ name }) => name).join(', ')}`,
      });
    }
    const file = checkpoint ?? (run === undefined ? undefined : join(run, stage.name, runFiles.student));
    if (file === undefined) {
      throw new RetortError('retort test: name the checkpoint too, or the folder of a run in place of the config', {
        help: `retort test ${source} runs/NAME/${runFiles.student}, or retort test runs/NAME`,
      });
    }
    const { own } = loaded;
    const withTeacher = options.teacher === true || options.agreement === true;
    const measured = { ...stage, config: withTeacher ? stage.config : studentAlone(stage.config, own), init: [] };
    if (withTeacher && run === undefined) requireNoStages(measured);
    const needed = stagesNeeded(measured, loaded, { own, run });
    const { algorithm, trainLoader, testLoader, notes } = prepareStage(measured, needed, { own });
    const heads = compareHeads(algorithm, testLoader.dataset.classes.length);
    // On stderr: what is printed may be read by a program.
    for (const note of [...notes, ...heads.warnings]) process.stderr.write(`${pc.yellow('note')} ${note}\n`);
    const mistakes = [...heads.mistakes, ...(await checkImages(testLoader, trainLoader, 'the test data'))];
    if (mistakes.length > 0) throw new RetortError(`${source}:\n    ${mistakes.join('\n    ')}`);
    loadModule(file, algorithm.student);
    const evaluators = (stage.config.evaluators ?? [{ type: 'Accuracy' }]).map((config, i) =>
      buildEvaluator(config, `evaluators.${i}`),
    );
    const networks = Object.entries(algorithm.evaluated());
    const [, teacher] = networks.find(([, model]) => model !== algorithm.student) ?? [];
    if (withTeacher && teacher === undefined) {
      const asked = options.teacher === true ? '--teacher' : '--agreement';
      throw new RetortError(
        `${asked}: ${source} has no teacher: ${algorithm.constructor.name} trains the student alone`,
      );
    }
    const rows: Record<string, Readonly<Record<string, number>>> = {};
    for (const [name, model] of networks) {
      if (model !== algorithm.student && options.teacher !== true) continue;
      rows[name] = await evaluate(model, testLoader, { evaluators, view: name });
    }
    if (options.agreement === true) {
      const pair = { student: algorithm.student, teacher: teacher! };
      rows['student and teacher'] = await evaluateAgreement(pair, testLoader);
    }
    if (options.json === true) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    else {
      const header = [...new Set(Object.values(rows).flatMap((values) => Object.keys(values)))];
      const lines = Object.entries(rows).map(([name, values]) => [
        name,
        ...header.map((metric) => values[metric]?.toFixed(4) ?? '-'),
      ]);
      process.stdout.write(`${table(['network', ...header], lines)}\n`);
    }
  });

/** The config of a run, from its folder. */
function loadRun(folder: string, options: ConfigOptions, trust: boolean): Promise<LoadedConfig> {
  const record = recordedRun(folder);
  if (!trust) requireSameScripts(folder, record);
  return loadWithOptions(record.file, {
    cfgOptions: [...record.cfgOptions, ...(options.cfgOptions ?? [])],
    pkg: options.pkg ?? record.packages,
    allowScripts: trust || Object.keys(record.scripts),
  });
}

/** The config with the student by itself, where it has one student and the algorithm is one of ours. */
function studentAlone(config: CheckedConfig, own: Tables): CheckedConfig {
  const { architecture, type } = config.model as { architecture?: unknown; type: string };
  const ours = Object.hasOwn(algorithms.entries, type) && !Object.hasOwn(own['algorithm'] ?? {}, type);
  if (!ours || architecture === undefined) return config;
  // What is there to train with is not used here, and may name parts of the algorithm that is left out.
  const { schedulers: _schedulers, evaluated: _evaluated, agreement: _agreement, hooks: _hooks, ...rest } = config;
  return { ...rest, model: { type: 'Supervised', architecture }, optimizer: { type: 'SGD', lr: 1 } };
}

/** The stages whose networks a value takes over. */
function stagesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(stagesIn);
  if (!isPlain(value)) return [];
  return value['type'] === 'FromStage' ? [String(value['stage'])] : Object.values(value).flatMap(stagesIn);
}

/** @throws {RetortError} for a teacher that an earlier stage trained: its weights are in the run's folder only. */
function requireNoStages({ config }: CheckedStage): void {
  const [name] = stagesIn(config.model);
  if (name === undefined) return;
  throw new RetortError(
    `--teacher, --agreement: the teacher is a network of stage "${name}", whose weights are not named`,
    {
      help: `name the folder of the run, which has them: retort test RUN --teacher`,
    },
  );
}

/** The earlier stages whose networks a stage takes over, with the students that a run has trained. */
function stagesNeeded(
  stage: CheckedStage,
  { stages }: LoadedConfig,
  { own, run }: { own: Tables; run: string | undefined },
): Map<string, Algorithm> {
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
      if (run !== undefined) loadModule(join(run, name, runFiles.student), algorithm.student);
      needed.set(name, algorithm);
    }
  };
  add(stage);
  return needed;
}
