// What a resume asks for, compared with what the run was begun with: what can be gone on with is said in notes, what cannot is
// refused. The engine itself compares what its checkpoint knows (optimizers, parameter groups, batches, epochs); here it is what
// only the config says.
import { isAbsolute } from 'node:path';

import { isPlain } from '../check.ts';
import type { CheckedStage, LoadedConfig } from '../config/index.ts';
import { hasCheckpoint } from '../engine/index.ts';
import { stageFolder } from './stages.ts';

/** By the stage's name, values by their paths. */
export type Asked = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Everything that a config asks for. */
export function askedOf({ stages }: Pick<LoadedConfig, 'stages'>): Asked {
  return Object.fromEntries(stages.map(({ name, config }) => [name, Object.fromEntries(leaves(config, ''))]));
}

/** Values by path; what is no data by its kind and name. */
function leaves(value: unknown, path: string): [string, unknown][] {
  const below = (key: string | number): string => (path === '' ? String(key) : `${path}.${key}`);
  if (isPlain(value) && Object.keys(value).length > 0) {
    return Object.entries(value).flatMap(([key, item]) => leaves(item, below(key)));
  }
  if (Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null)) {
    return value.flatMap((item, i) => leaves(item, below(i)));
  }
  if (typeof value === 'function') return [[path, `<${value.name === '' ? 'function' : value.name}>`]];
  if (typeof value === 'object' && value !== null && !isPlain(value) && !Array.isArray(value)) {
    return [[path, `<a ${value.constructor?.name ?? 'thing'}>`]];
  }
  return [[path, value]];
}

export interface Compared {
  /** What is otherwise and gone on with. */
  notes: string[];
  /** What cannot be gone on with. */
  mistakes: string[];
}

/** Compares the stages that have begun. */
export function compareAsked(folder: string, then: Asked, now: Asked, stages: readonly CheckedStage[]): Compared {
  const begun = Object.keys(then).filter((name) => hasCheckpoint(stageFolder(folder, name)));
  const notes: string[] = [];
  const mistakes: string[] = [];
  const order = stages.slice(0, begun.length).map(({ name }) => name);
  if (begun.some((name, i) => order[i] !== name)) {
    const shown = (names: readonly string[]): string => names.map((name) => name || 'one without a name').join(', ');
    return { notes, mistakes: [`stages: ${shown(order)} asked for, those begun are ${shown(begun)}`] };
  }
  for (const [i, name] of begun.entries()) {
    const next = begun[i + 1];
    for (const one of differences(then[name]!, now[name] ?? {})) {
      const where = `${name === '' ? '' : `stage ${name}: `}${one.path}`;
      const text = `${where}: ${shown(one.after)} asked for, it was ${shown(one.before)}`;
      if (next !== undefined && /^(epochs|maxSteps)$/.test(one.path)) {
        mistakes.push(`${text}, and stage ${next} has begun with what it was then`);
      } else (isRefused(one) ? mistakes : notes).push(text);
    }
  }
  return { notes, mistakes };
}

interface Difference {
  path: string;
  before: unknown;
  after: unknown;
}

function differences(then: Readonly<Record<string, unknown>>, now: Readonly<Record<string, unknown>>): Difference[] {
  const paths = [...new Set([...Object.keys(now), ...Object.keys(then)])];
  return paths
    .filter((path) => JSON.stringify(then[path]) !== JSON.stringify(now[path]))
    .map((path) => ({ path, before: then[path], after: now[path] }));
}

/** Whether a run that was begun with one value cannot be gone on with the other. */
function isRefused({ path, before, after }: Difference): boolean {
  if (path === 'seed') return true;
  if (!/^(model|trainData\.dataset)\b/.test(path)) return false;
  return !(isPath(path, before) && isPath(path, after));
}

/** Where something lies: data that was moved is the same data. */
function isPath(name: string, value: unknown): boolean {
  return (
    typeof value === 'string' &&
    (isAbsolute(value) || /(root|path|ckpt|checkpoint|file|folder|dir|prefix)$/i.test(name))
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'not set';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
