// The files that training writes into a run's folder, which of them are there, and how they are removed again.
import { basename, dirname, join } from 'node:path';

import type { Trainable } from './trainable.ts';
import { exists, isFolder, listFolder, removeEmptyFolder, removeFile } from '../files.ts';

/** The names of files in a run's folder. */
export const runFiles = {
  training: 'training.safetensors',
  previous: 'training.previous.safetensors',
  student: 'student.safetensors',
  log: 'log.jsonl',
  metrics: 'metrics.jsonl',
  profile: 'profile.json',
  predictions: 'predictions.json',
  lock: 'run.lock',
  run: 'run.json',
  config: 'config.json',
  printed: 'config.txt',
} as const;

/**
 * The file of a student in a run's folder.
 * @param algorithm which trains it
 * @param name of one of the algorithm's students. Default: the one that is trained and shipped
 */
export function studentPath(
  folder: string,
  algorithm?: Pick<Trainable, 'student' | 'students'>,
  name?: string,
): string {
  const isFirst = name === undefined || algorithm === undefined || algorithm.students()[name] === algorithm.student;
  return join(folder, isFirst ? runFiles.student : `student-${name}.safetensors`);
}

/** What training makes, which can be lost: checkpoints, students, the log. Those of stages lie one folder deeper. */
const made = /^(training(\.previous)?\.safetensors|student(-.+)?\.safetensors|log\.jsonl)$/;
/** That, and what only describes it: a run that has no more than this has nothing to lose. */
const removed =
  /^(training(\.previous)?\.safetensors|student(-.+)?\.safetensors|model(-.+)?\.json|(profile|predictions)\.json|(log|metrics)\.jsonl|events\.out\.tfevents\..+\.retort)$/;
/** What only says how a run was started. */
const records: readonly string[] = [runFiles.run, runFiles.config, runFiles.printed];

/** The folder of the pictures that `predictions.json` names, in that of the run. */
export const predictionPictures = 'predictions';

/** The pictures that are there, as paths in the run's folder. */
export function predictionPicturesIn(folder: string): string[] {
  const inside = join(folder, predictionPictures);
  if (!isFolder(inside)) return [];
  const files = listFolder(inside).filter(({ name }) => /^\d+\.png$/.test(name));
  return files.map(({ name }) => join(predictionPictures, name));
}

/** Whether a folder has a training checkpoint, from which a run can go on. */
export function hasCheckpoint(folder: string): boolean {
  return [runFiles.training, runFiles.previous].some((name) => exists(join(folder, name)));
}

/** What training has made in a folder and, where it is that of a run of several stages, in theirs, as paths relative to it. */
export function madeIn(folder: string): string[] {
  return filesIn(folder, made);
}

function filesIn(folder: string, pattern: RegExp): string[] {
  if (!isFolder(folder)) return [];
  const inside = listFolder(folder);
  const own = inside.map(({ name }) => name).filter((name) => pattern.test(name));
  if (!inside.some(({ name }) => name === runFiles.run)) return own;
  const stages = inside.filter((entry) => entry.isDirectory() && !exists(join(folder, entry.name, runFiles.run)));
  return [
    ...own,
    ...stages.flatMap(({ name }) => filesIn(join(folder, name), pattern).map((path) => join(name, path))),
  ];
}

/**
 * Removes a run: what training has made in a folder and its stages' and the records, and nothing else. Checkpoints go first, so that
 * one who is interrupted does not leave a part of a run that could be resumed.
 */
export function removeRun(folder: string): void {
  const later = (path: string): number => (basename(path).startsWith('training') ? 0 : 1);
  const found = filesIn(folder, removed).toSorted((a, b) => later(a) - later(b));
  for (const path of [...found, ...records]) removeFile(join(folder, path));
  for (const part of new Set(found.map((path) => join(folder, dirname(path))))) {
    for (const path of predictionPicturesIn(part)) removeFile(join(part, path));
    if (isFolder(join(part, predictionPictures))) removeEmptyFolder(join(part, predictionPictures));
  }
  for (const stage of new Set(found.filter((path) => path.includes('/')).map((path) => path.split('/')[0]!))) {
    removeEmptyFolder(join(folder, stage));
  }
}
