// `retort predict RUN IMAGE...`: what the student of a run sees in images.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import type { Prediction } from '../deploy/index.ts';
import { RetortError } from '../errors.ts';
import { loadRunStudent } from '../runner/index.ts';
import { allowScripts, device } from './config-options.ts';
import { imagesIn } from './images.ts';
import { table } from '../runner/markdown-table.ts';
import { wholeNumber } from './numbers.ts';
import { harmless } from './streams.ts';

interface Answer {
  image: string;
  predictions?: Prediction[];
  /** Why there are none. */
  error?: string;
}

export const predict = new Command('predict')
  .description('say what the student of a run sees in images')
  .argument('<run>', 'the folder of a run, or a student.safetensors with its model.json')
  .argument('<images...>', 'image files, and folders of them')
  .option('--top <n>', 'how many classes are told of each image', wholeNumber(1), 5)
  .option('--stage <name>', 'of a run of several stages (default: the last)')
  .option('--json', 'print a list of { image, predictions: [{ label, score, index }] }')
  .addOption(device)
  .addOption(allowScripts)
  .addHelpText(
    'after',
    '\nAn image that cannot be read is told as what it is; the others are answered, and the exit code is 1.',
  )
  .action(async (run, images, { top, stage, json, device: place, allowScripts: allowed }) => {
    using student = await loadRunStudent(run, { stage, device: place, allowScripts: allowed });
    const answers: Answer[] = [];
    for (const image of images.flatMap(imagesIn)) {
      const answer = await student.predict(image, { topk: top }).then(
        (predictions): Answer => ({ image, predictions }),
        (error: unknown): Answer => {
          if (!(error instanceof RetortError)) throw error;
          return { image, error: error.message };
        },
      );
      answers.push(answer);
      if (json !== true) process.stdout.write(`${shown(answer)}\n`);
    }
    if (json === true) process.stdout.write(`${JSON.stringify(answers, null, 2)}\n`);
    if (answers.some(({ error }) => error !== undefined)) process.exitCode = 1;
  });

function shown({ image, predictions = [], error }: Answer): string {
  if (error !== undefined) return `${pc.bold(image)}\n  ${pc.red(error)}`;
  const rows = predictions.map(({ label, score }) => [harmless(label), `${(100 * score).toFixed(1)}%`]);
  const text = table(['class', 'probability'], rows).split('\n').slice(1);
  return [pc.bold(image), ...text.map((line) => `  ${line}`)].join('\n');
}
