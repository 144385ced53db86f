// The probe of a stage before its training, and the tables that show what it found.
import pc from 'picocolors';

import { probe } from '../distill/algorithms/index.ts';
import type { ProbeReport, TrainBatch } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import type { Experiment } from './experiment.ts';
import { table } from './numbers.ts';

/** How many images the probe looks at: enough for batch norms to measure. */
const images = 4;

/** Runs the probe on the first images of the training data. */
export async function probeExperiment({ algorithm, trainer, trainLoader }: Experiment): Promise<ProbeReport> {
  await trainLoader.prepare(0, 0);
  return tidy(() =>
    probe(algorithm, first(trainLoader.load(0, 0)), {
      optimized: new Set(trainer.parameters()),
      numClasses: trainLoader.dataset.classes.length,
      mixes: trainLoader.mixes,
    }),
  );
}

function first({ inputs, dataSamples, views }: TrainBatch): TrainBatch {
  const count = Math.min(images, dataSamples.length);
  const cut = (tensor: Tensor): Tensor => tensor.narrow(0, 0, count);
  return {
    inputs: cut(inputs),
    dataSamples: dataSamples.slice(0, count),
    ...(views === undefined
      ? {}
      : { views: Object.fromEntries(Object.entries(views).map(([name, view]) => [name, cut(view)])) }),
  };
}

/** What was found, as tables and lines; empty for an algorithm without recorders and warnings. */
export function shownProbe({ recorders, arguments: args, warnings }: ProbeReport): string {
  const parts: string[] = [];
  if (recorders.length > 0) {
    const rows = recorders.map(({ side, name, source, records, shapes }) => [
      `${side} ${name}`,
      source,
      String(records),
      shapes,
    ]);
    parts.push(table(['recorder', 'what it records', 'fired', 'first record'], rows));
  }
  if (args.length > 0) {
    const rows = args.map(({ loss, argument, from, shapes }) => [`${loss}.${argument}`, from, shapes]);
    parts.push(table(['loss argument', 'from', 'shape'], rows));
  }
  if (warnings.length > 0) parts.push(warnings.map((warning) => `${pc.yellow('note')} ${warning}`).join('\n'));
  return parts.join('\n\n');
}

/** @throws {RetortError} that lists what keeps the stage from being trained. */
export function requireProbe({ mistakes }: ProbeReport, where: string): void {
  if (mistakes.length === 0) return;
  const listed = mistakes.map((mistake) => mistake.replaceAll('\n', '\n    ')).join('\n    ');
  throw new RetortError(`${where}: one forward of both networks found\n    ${listed}`);
}
