// What a run's folder says of the run besides its checkpoints: the merged config and how it was started, so that
// `retort train --resume FOLDER` needs nothing else.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { LoadedConfig } from '../config/index.ts';
import { RetortError } from '../errors.ts';
import { writeFileAtomicSync } from '../formats/index.ts';
import { engineInfo } from '../torch/index.ts';
import { version } from './version.ts';

const files = { run: 'run.json', config: 'config.json', printed: 'config.txt' } as const;

/** How a run was started. */
export interface RunRecord {
  /** The config's path. */
  config: string;
  cfgOptions: readonly string[];
  /** Folders for `pkg::` references. */
  packages: readonly string[];
  seed: number | undefined;
  epochs: number | undefined;
  /** How many train together; 1 in records that do not say. */
  processes?: number | undefined;
  versions: Readonly<Record<string, string>>;
  started: string;
}

type Started = Omit<RunRecord, 'versions' | 'started' | 'config'>;

/** Writes `run.json`, `config.txt` (the merged config, each value with its file) and, where it is plain data, `config.json`. */
export function recordRun(folder: string, loaded: LoadedConfig, started: Started): void {
  const versions = { retort: version, node: process.versions.node, libtorch: engineInfo().version };
  const record: RunRecord = { config: loaded.path, ...started, versions, started: new Date().toISOString() };
  const write = (name: string, text: string): void => writeFileAtomicSync(join(folder, name), Buffer.from(text));
  write(files.run, `${JSON.stringify(record, null, 2)}\n`);
  write(files.printed, loaded.print());
  if (loaded.data !== undefined) write(files.config, `${JSON.stringify(loaded.data, null, 2)}\n`);
}

/**
 * How to load the config of a run again: the merged one it recorded, or the original file where that holds more than data.
 * @throws {RetortError} when the folder is none of a run, or the original file is gone.
 */
export function recordedRun(folder: string): RunRecord & { file: string } {
  const path = join(folder, files.run);
  if (!existsSync(path)) {
    throw new RetortError(`${folder} is no run's folder: it has no ${files.run}`, {
      help: 'name the --work-dir of a run, or the config and --work-dir again',
    });
  }
  let record: RunRecord;
  try {
    record = JSON.parse(readFileSync(path, 'utf8')) as RunRecord;
  } catch (cause) {
    throw new RetortError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const merged = join(folder, files.config);
  if (existsSync(merged)) return { ...record, file: merged, cfgOptions: [] };
  const file = resolve(record.config);
  if (existsSync(file)) return { ...record, file };
  throw new RetortError(`${folder}: its config ${file} is gone, and it held more than data`, {
    help: `put it back, or name another one: retort train CONFIG --work-dir ${folder} --resume`,
  });
}
