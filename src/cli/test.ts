// `retort test CONFIG CHECKPOINT`: measures a student's checkpoint on the config's test data.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { checkImages } from '../data/index.ts';
import { compareHeads } from '../distill/algorithms/index.ts';
import { buildEvaluator, evaluate, evaluateAgreement } from '../engine/index.ts';
import { loadModule } from '../nn/index.ts';
import { RetortError } from '../errors.ts';
import { cfgOptions, loadWithOptions, packageFolders } from './config-options.ts';
import { table } from './numbers.ts';
import { checkStages, prepareStage } from './stages.ts';

export const test = new Command('test')
  .description("measure a student's checkpoint on the test data of a config")
  .argument('<config>', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .argument('<checkpoint>', 'the student, such as runs/<name>/student.safetensors')
  .option('--stage <name>', 'the stage the checkpoint is of, in a config of several (default: the last)')
  .option('--teacher', 'measure the teacher too')
  .option('--agreement', 'measure how alike student and teacher are')
  .option('--json', 'print as JSON')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .action(async (file, checkpoint, options) => {
    const loaded = await loadWithOptions(file, options);
    const stage =
      options.stage === undefined ? loaded.stages.at(-1)! : loaded.stages.find(({ name }) => name === options.stage);
    if (stage === undefined) {
      throw new RetortError(`${file} has no stage "${options.stage}"`, {
        help: `it has ${loaded.stages.map(({ name }) => name).join(', ')}`,
      });
    }
    const { algorithm, trainLoader, testLoader, notes } = prepareStage({ ...stage, init: [] }, new Map(), {
      own: await checkStages(loaded, file),
    });
    const heads = compareHeads(algorithm, testLoader.dataset.classes.length);
    // On stderr: what is printed may be read by a program.
    for (const note of [...notes, ...heads.warnings]) process.stderr.write(`${pc.yellow('note')} ${note}\n`);
    const mistakes = [...heads.mistakes, ...(await checkImages(testLoader, trainLoader, 'the test data'))];
    if (mistakes.length > 0) throw new RetortError(`${file}:\n    ${mistakes.join('\n    ')}`);
    loadModule(checkpoint, algorithm.student);
    const evaluators = (stage.config.evaluators ?? [{ type: 'Accuracy' }]).map((config, i) =>
      buildEvaluator(config, `evaluators.${i}`),
    );
    const networks = Object.entries(algorithm.evaluated());
    const rows: Record<string, Readonly<Record<string, number>>> = {};
    for (const [name, model] of networks) {
      if (model !== algorithm.student && options.teacher !== true) continue;
      rows[name] = await evaluate(model, testLoader, { evaluators, view: name });
    }
    if (options.agreement === true) {
      const [, teacher] = networks.find(([, model]) => model !== algorithm.student) ?? [];
      if (teacher === undefined) throw new RetortError(`--agreement: ${file} has no teacher to compare with`);
      rows['student and teacher'] = await evaluateAgreement({ student: algorithm.student, teacher }, testLoader);
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
