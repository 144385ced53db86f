// What this machine computes fast: its processor, and times that were measured on it before, kept in the user's cache beside the built
// addons. Where there is no cache, or none that can be written to, things are measured again.
import { cpus } from 'node:os';
import { join } from 'node:path';

import { isPlain } from '../check.ts';
import { isFile, makeFile, makeFolder, readText, renameFile } from '../files.ts';
import { cacheFolder } from '../../tools/addon-cache.mjs';
import { engineInfo } from './threads.ts';

/** Milliseconds by what was measured. */
export type Timings = Readonly<Record<string, number>>;

const file = 'timings.json';
/** How many sets of timings are kept: those measured last. */
const most = 200;

/** Whether the processor multiplies bfloat16 itself; in software it is slower than float32. */
export function hasBfloat16(): boolean {
  try {
    return /\b(avx512_bf16|amx_bf16|bf16)\b/.test(readText('/proc/cpuinfo'));
  } catch {
    return false; // not Linux: it cannot be told
  }
}

/** What timings depend on besides what is timed: processor, threads, libtorch. */
function machineKey(): string {
  const { version, threads } = engineInfo();
  return `${cpus()[0]?.model ?? 'a processor'}, ${threads} threads, libtorch ${version}`;
}

/** Timings of `subject` that were measured on this machine before. */
export function knownTimings(subject: string, env: NodeJS.ProcessEnv = process.env): Timings | undefined {
  const found = read(env)[`${machineKey()}: ${subject}`];
  return isTimings(found) ? found : undefined;
}

/** Keeps timings of `subject` for later processes, as far as that is possible. */
export function keepTimings(subject: string, timings: Timings, env: NodeJS.ProcessEnv = process.env): void {
  const folder = cacheFolder(env);
  if (folder === undefined) return;
  const key = `${machineKey()}: ${subject}`;
  const { [key]: _, ...others } = read(env);
  const kept = Object.fromEntries([...Object.entries(others).slice(1 - most), [key, timings]]);
  const piece = join(folder, `${file}.${process.pid}.tmp`);
  try {
    makeFolder(folder);
    // Several processes may do so at once: the last one's file stays, whole.
    if (makeFile(piece, `${JSON.stringify(kept, null, 1)}\n`)) renameFile(piece, join(folder, file));
  } catch {
    // a cache that cannot be written to
  }
}

/** Nothing where there is no file, or one that is none of ours. */
function read(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const folder = cacheFolder(env);
  if (folder === undefined || !isFile(join(folder, file))) return {};
  try {
    const found: unknown = JSON.parse(readText(join(folder, file)));
    return isPlain(found) ? { ...found } : {};
  } catch {
    return {};
  }
}

function isTimings(value: unknown): value is Timings {
  return isPlain(value) && Object.values(value).every((ms) => typeof ms === 'number' && ms > 0);
}
