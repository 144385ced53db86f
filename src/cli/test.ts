// `retort test RUN`, `retort test CONFIG CHECKPOINT`: measures a student on the config's test data.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import type { ClassificationResult } from '../engine/index.ts';
import { load, test as measure } from '../runner/index.ts';
import type { TestResult } from '../runner/index.ts';
import { allowScripts, cfgOptions, device, loadOptions, packageFolders } from './config-options.ts';
import { table } from './numbers.ts';

export const test = new Command('test')
  .description("measure a student on the test data of a run's config, or of a config")
  .argument('<run-or-config>', 'the folder of a run, or a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .argument('[checkpoint]', "the student, such as runs/<name>/student.safetensors (default: the run's)")
  .option('--stage <name>', 'the stage the checkpoint is of, in a config of several (default: the last)')
  .option('--teacher', 'measure the teacher too')
  .option('--agreement', 'measure how alike student and teacher are')
  .option('--per-class', 'print recall, precision and F1 of each class')
  .option('--confusion', 'print which classes are taken for which')
  .option('--predictions', "write predictions.json and its pictures into the run's folder, for the dashboard")
  .option('--json', 'print as JSON')
  .addOption(device)
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .action(
    async (
      source,
      checkpoint,
      { stage, teacher, agreement, predictions, json, perClass, confusion, device: place, ...options },
    ) => {
      const experiment = await load(source, loadOptions(options));
      // On stderr: what is printed may be read by a program.
      const note = (text: string): void => void process.stderr.write(`${pc.yellow('note')} ${text}\n`);
      const asked = { checkpoint, stage, teacher, agreement, predictions, device: place, note };
      const found = await measure(experiment, asked);
      if (json === true)
        return void process.stdout.write(`${JSON.stringify(asJson(found, { perClass, confusion }), null, 2)}\n`);
      const rows = { ...found.metrics, ...(found.agreement && { 'student and teacher': found.agreement }) };
      const blocks = [metricsTable(rows), costsTable(found.details)];
      for (const [name, { classification }] of Object.entries(found.details)) {
        if (classification === undefined) continue;
        if (perClass === true) blocks.push(classTable(name, classification));
        if (confusion === true) blocks.push(confusionTable(name, classification));
      }
      return void process.stdout.write(`${blocks.join('\n\n')}\n`);
    },
  );

interface Asked {
  perClass: boolean | undefined;
  confusion: boolean | undefined;
}

/** One object for each network, with what was asked for. */
function asJson({ metrics, details, agreement }: TestResult, { perClass, confusion }: Asked): object {
  const networks = Object.entries(metrics).map(([name, values]) => {
    const { classification, ...costs } = details[name]!;
    const { accuracy: _accuracy, perClass: classes, confusion: counts, ...rest } = classification ?? {};
    const parts = { ...(perClass === true && { perClass: classes }), ...(confusion === true && { confusion: counts }) };
    return [name, { ...values, ...rest, ...costs, ...parts }] as const;
  });
  return { ...Object.fromEntries(networks), ...(agreement && { 'student and teacher': agreement }) };
}

function metricsTable(rows: Readonly<Record<string, Readonly<Record<string, number>>>>): string {
  const header = [...new Set(Object.values(rows).flatMap((values) => Object.keys(values)))];
  const lines = Object.entries(rows).map(([name, values]) => [
    name,
    ...header.map((metric) => values[metric]?.toFixed(4) ?? '-'),
  ]);
  return table(['network', ...header], lines);
}

function costsTable(details: TestResult['details']): string {
  const percent = (value: number | undefined): string => (value === undefined ? '-' : `${value.toFixed(2)}%`);
  const scaled = (value: number | undefined, unit: number, name: string): string =>
    value === undefined ? '-' : `${(value / unit).toFixed(value < 10 * unit ? 2 : 1)}${name}`;
  const lines = Object.entries(details).map(([name, { classification, parameters, macs, bytes, latency }]) => [
    name,
    ...[classification?.accuracy, classification?.top5, classification?.calibrationError].map(percent),
    scaled(parameters, 1e3, 'k'),
    scaled(macs, 1e6, 'M'),
    scaled(bytes, 1024, ' KiB'),
    scaled(latency, 1, ' ms'),
  ]);
  const header = ['network', 'top-1', 'top-5', 'calibration error', 'parameters', 'MACs', 'size', 'latency'];
  return table(header, lines);
}

function classTable(network: string, { perClass }: ClassificationResult): string {
  const lines = perClass.map(({ label, count, ...shares }) => [
    label,
    String(count),
    ...[shares.recall, shares.precision, shares.f1].map((share) =>
      Number.isNaN(share) ? '-' : `${share.toFixed(2)}%`,
    ),
  ]);
  return table([network, 'images', 'recall', 'precision', 'F1'], lines);
}

function confusionTable(network: string, { perClass, confusion }: ClassificationResult): string {
  const lines = confusion.map((row, i) => [perClass[i]!.label, ...row.map(String)]);
  return table([`${network}: is, taken for`, ...perClass.map(({ label }) => label)], lines);
}
