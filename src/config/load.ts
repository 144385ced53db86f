// Reads a config file: TypeScript or JavaScript (its default export), or JSON.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';

import { RetortError } from '../errors.ts';
import { importTapped } from '../intercept/index.ts';
import { checkConfig } from './experiment.ts';
import type { CheckedStage } from './experiment.ts';

export interface LoadedConfig {
  /** What is trained, one after the other; without stages one of the name `''`. */
  stages: readonly CheckedStage[];
  /** The folder that relative paths in the config start from. */
  folder: string;
  path: string;
}

/** @throws {RetortError} when the file is missing, cannot be read, or its content is wrong (all mistakes at once). */
export async function loadConfig(file: string): Promise<LoadedConfig> {
  const path = resolve(file);
  if (!existsSync(path)) throw new RetortError(`there is no config ${file}`);
  return { stages: checkConfig(await read(path, file), file), folder: dirname(path), path };
}

async function read(path: string, file: string): Promise<unknown> {
  const kind = extname(path);
  if (kind === '.json') {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as unknown;
    } catch (cause) {
      throw new RetortError(`${file}: ${(cause as Error).message}`, { cause });
    }
  }
  if (!['.ts', '.mts', '.js', '.mjs'].includes(kind)) {
    throw new RetortError(`${file}: a config is a .ts, .js or .json file, got "${kind}"`);
  }
  const loaded = (await importTapped(path)) as { default?: unknown };
  if (loaded.default === undefined) {
    throw new RetortError(`${file} has no default export`, { help: 'write `export default defineConfig({ ... })`' });
  }
  return loaded.default;
}
