// `retort export RUN --onnx FILE`: a run's student for other runtimes.
import { Command, Option } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { retortCommand } from '../../tools/addon-file.mjs';
import type { DeploymentRow, LayerSensitivity } from '../deploy/index.ts';
import { RetortError } from '../errors.ts';
import { statOf } from '../files.ts';
import { exportRun } from '../runner/index.ts';
import { allowScripts, cfgOptions, loadOptions, packageFolders } from './config-options.ts';
import { table, wholeNumber } from './numbers.ts';
import { say } from './streams.ts';

const opsets = ['17', '18', '19', '20'] as const;

export const exportCommand = new Command('export')
  .description("write a run's student for other runtimes")
  .argument('<run>', 'the folder of a run, or a config beside --checkpoint')
  .option('--onnx <file>', 'write an ONNX model')
  .option('--web <folder>', 'write a page that runs the student in a browser, with everything it needs')
  .addOption(new Option('--int8', 'in 8 bits, calibrated on training images').conflicts('fp16'))
  .option('--fp16', 'in half precision; inputs and outputs stay float32')
  .addOption(new Option('--opset <version>', "version of ONNX's operators").choices(opsets).default('17'))
  .option('--dynamic-size', "take images of any height and width (default: those of the run's data)")
  .option('--preprocessing', 'take pixels, uint8 (N, H, W, C): Normalize becomes a part of the model')
  .option('--softmax', 'give probabilities in place of scores')
  .addOption(
    new Option('--method <method>', 'how ranges are chosen for 8 bits')
      .choices(['minmax', 'percentile', 'entropy'] as const)
      .default('minmax'),
  )
  .option(
    '--full-range',
    'all 8 bits of the weights, for ARM and x86 processors with VNNI (default: 7, which all take)',
  )
  .option('--samples <n>', 'training images to calibrate with', wholeNumber(1), 512)
  .option('--keep-first', 'leave the first layer in float32')
  .option('--keep-last', 'leave the last layer in float32')
  .option('--exclude <nodes...>', 'layers that stay in float32, by the names that --sensitivity prints')
  .option('--sensitivity', 'tell what 8 bits cost in each layer')
  .option('--data', 'measure size, accuracy, agreement and time on the validation data, beside float32')
  .option('--checkpoint <file>', "the student (default: the run's)")
  .option('--stage <name>', 'the stage whose student it is, in a config of several (default: the last)')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .action(
    async (
      source,
      { onnx, web, int8, fp16, opset, fullRange, cfgOptions: changes, pkg, allowScripts: allowed, ...options },
    ) => {
      if (onnx === undefined && web === undefined) {
        throw new RetortError('retort export: name what to write', {
          help: `${retortCommand(`export ${source} --onnx FILE`)}, or --web FOLDER`,
        });
      }
      const precision = int8 === true ? 'int8' : fp16 === true ? 'float16' : 'float32';
      const { check, rows, sensitivity } = await exportRun(source, {
        ...loadOptions({ cfgOptions: changes, pkg, allowScripts: allowed }),
        ...{ ...options, onnx, web, precision },
        opset: Number(opset) as 17 | 18 | 19 | 20,
        reduceRange: fullRange !== true,
      });
      if (check.status === 'unchecked') say(`${pc.yellow('note')} the model is unchecked: ${check.reason}`);
      else say(`checked: within ${check.difference.toExponential(1)} of the network (float32)`);
      if (sensitivity.length > 0) say(`\n${costs(sensitivity)}\n`);
      if (rows.length > 0) say(`\n${compared(rows)}\n`);
      if (onnx !== undefined) say(`${pc.bold(onnx)}: ${kib(statOf(onnx)?.size ?? 0)}, ${precision}`);
      if (web !== undefined) {
        say(`${pc.bold(web)}: a page, ${precision}; serve the folder, such as with\n  npx http-server ${web}`);
      }
    },
  );

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;
const percent = (value: number | undefined): string => (value === undefined ? '-' : `${value.toFixed(2)}%`);

function compared(rows: readonly DeploymentRow[]): string {
  return table(
    ['model', 'size', 'accuracy', 'agreement', 'one image'],
    rows.map(({ name, bytes, accuracy, agreement, latency }) => [
      name,
      kib(bytes),
      percent(accuracy),
      percent(agreement),
      `${latency.toFixed(2)} ms`,
    ]),
  );
}

function costs(layers: readonly LayerSensitivity[]): string {
  return table(
    ['layer in 8 bits', 'change of scores', 'agreement', 'accuracy'],
    layers.map(({ layer, change, agreement, accuracy }) => [
      layer,
      `${(100 * change).toFixed(2)}%`,
      percent(agreement),
      percent(accuracy),
    ]),
  );
}
