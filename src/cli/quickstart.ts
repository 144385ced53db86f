// `retort quickstart`: the recipe kd-fashion-mnist, start to end: the student alone, the student distilled, a table.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { retortCommand } from '../../tools/addon-file.mjs';
import type { Dataset } from '../data/index.ts';
import { SingleTeacherDistill } from '../distill/algorithms/index.ts';
import { duration, runFiles, TerminalProgress } from '../engine/index.ts';
import type { NetworkMetrics } from '../engine/index.ts';
import { profileModel } from '../models/index.ts';
import type { Profile } from '../models/index.ts';
import { run } from '../runner/index.ts';
import { claimFolder } from '../runner/run-folder.ts';
import { onInterrupt } from './interrupt.ts';
import { table, wholeNumber, wholeNumbers } from './numbers.ts';
import { goOnWithoutOutput, say, sayForSure } from './streams.ts';

const recipe = (name: string): string =>
  fileURLToPath(new URL(`../../recipes/kd-fashion-mnist/${name}.ts`, import.meta.url));

interface Run {
  metrics: NetworkMetrics;
  seconds: number;
  student: Profile;
  teacher?: Profile;
}

export const quickstart = new Command('quickstart')
  .description('distil a ResNet-20 into a small one on Fashion-MNIST, beside the small one trained alone')
  .option('--work-dir <folder>', 'where checkpoints go (default: runs/quickstart, with -2, -3, ... where that has one)')
  .option('--epochs <n>', "in place of the recipe's", wholeNumber(1))
  .option('--seeds <list>', 'train once with each of these seeds and print mean and spread', wholeNumbers, [0])
  .option('--resume', 'go on with a quickstart that was stopped')
  .action(async ({ workDir: named, epochs, seeds, resume = false }) => {
    goOnWithoutOutput();
    using interrupt = onInterrupt();
    const note = (text: string): void => say(`${pc.yellow('note')} ${text}`);
    const { folder: workDir, lock } = claimFolder({
      named,
      config: 'quickstart',
      resume,
      overwrite: false,
      several: true,
      note,
    });
    using _held = lock;
    const datasets = new Map<string, Dataset>();
    const runs: Record<'alone' | 'distilled', Run[]> = { alone: [], distilled: [] };
    for (const seed of seeds) {
      for (const kind of ['alone', 'distilled'] as const) {
        const folder = join(workDir, seeds.length > 1 ? `${kind}-seed-${seed}` : kind);
        const progress = new TerminalProgress({ label: pc.cyan(kind.padEnd(9)) });
        const { stages, stopped } = await run(recipe(kind === 'alone' ? 'alone' : 'config'), {
          ...{ workDir: folder, progress, signal: interrupt.signal, datasets, seed, epochs, resume },
          probe: false,
        });
        const { metrics, seconds, parts } = stages[0]!;
        const { algorithm, imageShape } = parts;
        if (stopped) {
          sayForSure(
            `\nstopped and saved; go on with the same options and --resume:\n  ${retortCommand('quickstart --resume')}`,
          );
          process.exitCode = interrupt.exitCode;
          return;
        }
        runs[kind].push({
          metrics,
          seconds,
          student: profileModel(algorithm.student, imageShape),
          ...(algorithm instanceof SingleTeacherDistill
            ? { teacher: profileModel(algorithm.teacher, imageShape) }
            : {}),
        });
      }
    }
    say(`\n${summary(runs)}\n`);
    if (seeds.length > 1) say(`${spread(seeds, runs)}\n`);
    const kept = join(workDir, seeds.length > 1 ? `distilled-seed-${seeds[0]}` : 'distilled', runFiles.student);
    say(`The distilled student is ${pc.bold(kept)}: safetensors, its own names, nothing of the teacher.`);
  });

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const accuracies = (runs: readonly Run[], name: string): number[] =>
  runs.map(({ metrics }) => metrics[name]!['accuracy']!);
const thousands = (value: number): string => `${(value / 1e3).toFixed(1)}k`;

function summary({ alone, distilled }: Record<'alone' | 'distilled', Run[]>): string {
  const row = (name: string, values: readonly number[], profile: Profile, seconds: string): string[] => [
    name,
    `${mean(values).toFixed(2)}%`,
    thousands(profile.parameters),
    `${(profile.macs / 1e6).toFixed(2)}M`,
    `${(profile.bytes / 1024).toFixed(0)} KiB`,
    seconds,
  ];
  const time = (runs: readonly Run[]): string => duration(mean(runs.map(({ seconds }) => seconds)));
  return table(
    ['network', 'accuracy', 'parameters', 'MACs', 'size', 'training'],
    [
      row('teacher', accuracies(distilled, 'teacher'), distilled[0]!.teacher!, '-'),
      row('student alone', accuracies(alone, 'student'), alone[0]!.student, time(alone)),
      row('student distilled', accuracies(distilled, 'student'), distilled[0]!.student, time(distilled)),
    ],
  );
}

function spread(seeds: readonly number[], { alone, distilled }: Record<'alone' | 'distilled', Run[]>): string {
  const [a, d] = [accuracies(alone, 'student'), accuracies(distilled, 'student')];
  const range = (values: readonly number[]): string => (Math.max(...values) - Math.min(...values)).toFixed(2);
  const line = (name: string, values: readonly number[]): string[] => [
    name,
    ...values.map((value) => value.toFixed(2)),
    mean(values).toFixed(2),
    range(values),
  ];
  const gains = d.map((value, i) => value - a[i]!);
  return table(
    ['accuracy, %', ...seeds.map((seed) => `seed ${seed}`), 'mean', 'spread'],
    [line('student alone', a), line('student distilled', d), line('gain', gains)],
  );
}
