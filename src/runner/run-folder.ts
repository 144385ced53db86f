// A run's folder: which one a run gets, and what it says of the run besides its checkpoints: the merged config, what was asked for
// and how it was started, so that `retort train --resume FOLDER` needs nothing else and can tell what has changed.
import { createHash } from 'node:crypto';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';

import { z } from 'zod';

import { retortCommand } from '../../tools/addon-file.mjs';
import { namedNetworks } from '../config/index.ts';
import type { CheckedStage, LoadedConfig } from '../config/index.ts';
import { loopOptions } from '../engine/options.ts';
import { lockRun, madeIn, runFiles, RunInUseError } from '../engine/index.ts';
import type { RunLock } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { exists, isFolder, listFolder, readBytes, readText } from '../files.ts';
import { writeFileAtomicSync } from '../formats/index.ts';
import { exportOf } from '../intercept/index.ts';
import { readJsonAs } from '../registry/index.ts';
import { engineInfo } from '../torch/index.ts';
import type { ComputeDevice } from '../torch/index.ts';
import { version } from '../version.ts';
import { askedOf } from './resume.ts';

const count = z.number().int();

/** The schema of {@link Overrides}: as in a config. */
export const overridesSchema = z.strictObject({
  seed: count.nonnegative().exactOptional(),
  epochs: loopOptions.epochs.exactOptional(),
  precision: loopOptions.precision,
  device: loopOptions.device,
});

const schema = z.looseObject({
  /** The config's path; `''` for an object of a program. */
  config: z.string(),
  cfgOptions: z.array(z.string()).default([]),
  /** Folders for `pkg::` references, by the package's name; once a list of `name=folder`. */
  packages: z
    .union([
      z.record(z.string(), z.string()),
      z.array(z.string()).transform((list) => Object.fromEntries(list.map((text) => text.split('=', 2)))),
    ])
    .default({}),
  ...overridesSchema.shape,
  /** How many train together. */
  processes: count.positive().default(1),
  /**
   * SHA-256 of the scripts that the config is or imports, by their absolute paths. Others do not count: a folder that comes from elsewhere
   * could vouch for a script that it brings along.
   */
  scripts: z
    .record(z.string(), z.string())
    .transform((hashes) => Object.fromEntries(Object.entries(hashes).filter(([path]) => isAbsolute(path))))
    .default({}),
  /** By the stage's name, every value of the config that was trained, by its path. */
  asked: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  versions: z.record(z.string(), z.string()).default({}),
  started: z.string().default(''),
});

/** How a run was started. */
export type RunRecord = z.output<typeof schema>;

/** What was asked for in place of the config's. */
export interface Overrides {
  /** Of weights, of the order of samples, of augmentation. */
  seed?: number | undefined;
  epochs?: number | undefined;
  /** `'bfloat16'` computes convolutions and matrix products in bfloat16. */
  precision?: 'float32' | 'bfloat16' | undefined;
  /** Where it is computed: `'cpu'`, `'cuda'`, `'cuda:1'`. */
  device?: ComputeDevice | undefined;
}

/** What a run was asked for. */
interface Started extends Overrides {
  cfgOptions: readonly string[];
  packages: Readonly<Record<string, string>>;
  processes: number;
  /** The record of the run that is gone on with from its folder, with other values. */
  before?: RunRecord | undefined;
}

/** Writes `run.json`, `config.txt` (the merged config, each value with its file) and, where it is plain data, `config.json`. */
export function recordRun(
  folder: string,
  { loaded, stages }: { loaded: LoadedConfig; stages: readonly CheckedStage[] },
  { before, ...started }: Started,
): void {
  const versions = { retort: version, node: process.versions.node, libtorch: engineInfo().version };
  const scripts = Object.fromEntries(scriptsOf(loaded).map((path) => [path, hashOf(path)]));
  const record = {
    ...started,
    config: before?.config ?? loaded.path,
    cfgOptions: lastOfEach([...(before?.cfgOptions ?? []), ...started.cfgOptions]),
    scripts,
    versions,
    started: before?.started ?? new Date().toISOString(),
    asked: askedOf({ stages }),
  };
  const write = (name: string, text: string): void => writeFileAtomicSync(join(folder, name), Buffer.from(text));
  write(runFiles.printed, loaded.print());
  if (loaded.data !== undefined) write(runFiles.config, `${JSON.stringify(loaded.data, null, 2)}\n`);
  write(runFiles.run, `${JSON.stringify(record, null, 2)}\n`);
}

/** Without what is said again later: of two values of one option the later counts. */
const lastOfEach = (texts: readonly string[]): string[] => texts.filter((text, i) => texts.lastIndexOf(text) === i);

/** How one goes on with a run whose own config cannot be used: what is typed, and what a program calls. */
const resumeCommand = (folder: string): string =>
  `${retortCommand(`train CONFIG --work-dir ${folder} --resume`)}, or run(config, { workDir: '${folder}', resume: true })`;

/** The record of a run; undefined where the folder has none. @throws {RetortError} for a file that is not a record of a run. */
export function readRecord(folder: string): RunRecord | undefined {
  const path = join(folder, runFiles.run);
  if (!exists(path)) return undefined;
  return readJsonAs(schema, path, {
    kind: 'a record of a run',
    help: `name the config again: ${resumeCommand(folder)}`,
  });
}

/** The record of a run, with the file from which its config is loaded again. */
export interface RecordedRun extends RunRecord {
  /** The merged config, or the original file where that holds more than data. */
  file: string;
}

/**
 * How a run was started, from its folder: the config, seed, epochs, processes, versions. `cfgOptions` are those that its file still needs.
 * @throws {RetortError} when the folder is not a run's, or the original file is gone.
 * @example
 * ```ts
 * const { processes, versions } = readRun('runs/kd');
 * ```
 */
export function readRun(folder: string): RecordedRun {
  const record = readRecord(folder);
  if (record === undefined) {
    throw new RetortError(`${folder} is not a run's folder: it has no ${runFiles.run}`, {
      code: 'not-found',
      help: 'name the folder of a run (--work-dir, workDir), or the config and that again',
    });
  }
  const merged = join(folder, runFiles.config);
  if (exists(merged)) return { ...record, file: merged, cfgOptions: [] };
  const file = resolve(record.config);
  if (record.config === '') {
    throw new RetortError(`${folder}: its config was an object of a program that held more than plain data`, {
      code: 'not-found',
      help: `hand it in again: run(config, { workDir: '${folder}', resume: true })`,
    });
  }
  if (exists(file)) return { ...record, file };
  throw new RetortError(`${folder}: its config ${file} is gone, and it held more than plain data`, {
    code: 'not-found',
    help: `put it back, or name another one: ${resumeCommand(folder)}`,
  });
}

const isScript = (path: string): boolean => ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'].includes(extname(path));

function scriptsOf({ path, imports, networkFiles }: LoadedConfig): string[] {
  return [...(isScript(path) ? [path] : []), ...imports, ...networkFiles].map((file) => resolve(file));
}

const hashOf = (path: string): string => createHash('sha256').update(readBytes(path)).digest('hex');

/**
 * To read a run's config may be to run code that its folder names, and a folder may come from elsewhere: only the scripts that the
 * run was begun with are run.
 * @throws {RetortError} for one that has changed since, or that the run did not have.
 */
export function requireSameScripts(folder: string, { file, scripts }: RecordedRun): void {
  const known = new Map(Object.entries(scripts).map(([path, hash]) => [resolve(path), hash]));
  for (const path of scriptsNamed(file)) {
    const hash = known.get(path);
    if (hash !== undefined && exists(path) && hashOf(path) === hash) continue;
    const what = hash === undefined ? 'is not a script of that run' : 'has changed since the run was started';
    throw new RetortError(`${folder}: ${path} would be run as code, and it ${what}`, {
      code: 'script-refused',
      help: `look at it; if you trust it: --allow-scripts (allowScripts: true), or name the config: ${resumeCommand(folder)}`,
    });
  }
}

/** The scripts that are run when a recorded config is read: it itself, or what its `imports`, `base` and networks' addresses name. */
function scriptsNamed(file: string): string[] {
  if (isScript(file)) return [resolve(file)];
  let value: unknown;
  try {
    value = JSON.parse(readText(file));
  } catch {
    return []; // whoever reads it next says what is wrong with it
  }
  const parts = [value, ...listOf((value as { stages?: unknown } | null)?.stages)] as ({
    [key: string]: unknown;
  } | null)[];
  const named = parts.flatMap((part) => [...listOf(part?.['imports']), ...listOf(part?.['base'])]);
  const scripts = named
    .filter((name) => typeof name === 'string' && isScript(name))
    .map((name) => resolve(file, '..', String(name)));
  const addresses = [...namedNetworks(value)].map(({ code }) => exportOf(String(code), { folder: dirname(file) }).file);
  return [...scripts, ...addresses];
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);

export interface FolderWanted {
  /** The folder that was named; without one it is `runs/NAME`, or the next of `runs/NAME-2`, ... that is free. */
  named?: string | undefined;
  /** Name of the config, or of what else is run. */
  config: string;
  /** Go on with the run that is there. */
  resume: boolean;
  /** The run that is there is given up. */
  overwrite: boolean;
  /** The folder is to hold several runs, each in one of its own. */
  several?: boolean;
  note: (text: string) => void;
}

export interface ClaimedFolder {
  folder: string;
  lock: RunLock;
}

/**
 * Finds the folder of a run and locks it.
 * @throws {RetortError} for a folder that was named and holds another run, or is in use.
 */
export function claimFolder({ named, config, resume, overwrite, several = false, note }: FolderWanted): ClaimedFolder {
  const usual = join('runs', basename(config, extname(config)));
  const numbered = (n: number): string => (n === 1 ? usual : `${usual}-${n}`);
  const claim = (folder: string): ClaimedFolder => ({ folder, lock: lockRun(folder, note) });
  if (named !== undefined || overwrite) {
    const claimed = claim(named ?? usual);
    try {
      if (!resume && !overwrite) requireFree(claimed.folder, several);
      return claimed;
    } catch (error) {
      claimed.lock[Symbol.dispose]();
      throw error;
    }
  }
  if (resume) {
    let last = 1;
    while (exists(numbered(last + 1))) last++;
    if (last > 1) note(`the last run of this name is ${numbered(last)}`);
    return claim(numbered(last));
  }
  for (let n = 1; ; n++) {
    const folder = numbered(n);
    if (heldIn(folder, several).length > 0) continue;
    try {
      const claimed = claim(folder);
      if (n > 1) {
        const before = numbered(n - 1);
        note(
          `${before} already holds a run: this one goes to ${folder} (to resume that one: ${retortCommand(`train --resume ${before}`)})`,
        );
      }
      return claimed;
    } catch (error) {
      if (!(error instanceof RunInUseError)) throw error;
    }
  }
}

function heldIn(folder: string, several: boolean): string[] {
  const own = madeIn(folder);
  if (!several || !isFolder(folder)) return own;
  const inside = listFolder(folder).filter((entry) => entry.isDirectory());
  return [...own, ...inside.flatMap(({ name }) => madeIn(join(folder, name)).map((path) => join(name, path)))];
}

/** @throws {RetortError} when a folder holds a run. */
function requireFree(folder: string, several: boolean): void {
  const made = heldIn(folder, several);
  if (made.length === 0) return;
  const some = `${made.slice(0, 3).join(', ')}${made.length > 3 ? ', ...' : ''}`;
  throw new RetortError(`${folder} already holds a run (${some}), which would be lost`, {
    code: 'run-exists',
    help:
      `resume it: ${retortCommand(`train --resume ${folder}`)}, or run('${folder}', { resume: true }); or choose another folder ` +
      '(--work-dir, workDir); or discard it (--overwrite, overwrite: true)',
  });
}
