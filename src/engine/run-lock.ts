// One process at a time writes into a run's folder. `run.lock` names it: its number, the time it started, its machine. The lock of a
// process that has ended on this machine is taken over; that of one on another machine cannot be judged from here.
import { hostname } from 'node:os';
import { join } from 'node:path';

import { RetortError, type RetortErrorOptions } from '../errors.ts';
import {
  exists,
  linkFile,
  makeFile,
  makeFolder,
  readText,
  realPath,
  removeEmptyFolder,
  removeFile,
  renameFile,
} from '../files.ts';
import { removeStale, temporaryIn } from '../formats/atomic-file.ts';
import { isAlive, thisProcess } from '../formats/process-identity.ts';
import type { ProcessIdentity } from '../formats/process-identity.ts';
import { madeIn, predictionPictures, removeRun, runFiles } from './run-files.ts';

/** A folder that this process alone may write into, until it is disposed of or the process ends. */
export interface RunLock extends Disposable {
  /** Without links. */
  readonly folder: string;
}

interface Owner extends ProcessIdentity {
  host: string;
  /** Which start of the machine `start` counts from. */
  boot: string | undefined;
  /** ISO 8601. */
  since: string;
}

/** A run's folder is in use by another process. */
export class RunInUseError extends RetortError {
  override readonly name = 'RunInUseError';

  constructor(message: string, options: RetortErrorOptions = {}) {
    super(message, { code: 'run-in-use', ...options });
  }
}

const held = new Map<string, string>();

/**
 * Locks a run's folder, which is made if it is not there, and removes temporary files that killed processes left in it.
 * @param say is told when the lock of a process that has ended is taken over.
 * @throws {RunInUseError} when another process has it; {RetortError} when the folder cannot be made or written into.
 */
export function lockRun(folder: string, say: (text: string) => void = () => undefined): RunLock {
  const isNew = !exists(folder);
  makeFolder(folder);
  const real = realPath(folder);
  if (held.has(real)) {
    throw new RunInUseError(`${folder} is in use: this process is already training there`, {
      help: 'wait until that has ended, or choose another folder',
    });
  }
  const path = join(real, runFiles.lock);
  const text = `${JSON.stringify(thisOwner())}\n`;
  while (!create(path, text)) {
    const found = readIfThere(path);
    if (found === undefined) continue; // it has just been released
    const owner = ownerOf(found);
    if (owner !== undefined && owner.host !== hostname()) throw elsewhere(folder, owner, path);
    if (owner !== undefined && runs(owner)) throw inUse(folder, owner);
    if (takeAway(path, found)) {
      say(
        owner === undefined
          ? `${path} names no process: taken over`
          : `process ${owner.pid}, which was training in ${folder}, has ended without a word: its lock is taken over`,
      );
    }
  }
  if (held.size === 0) process.once('exit', releaseAll);
  held.set(real, text);
  const release = (): void => {
    if (held.delete(real)) releaseFile(path, text);
    if (held.size === 0) process.off('exit', releaseAll);
    if (isNew && exists(real)) removeEmptyFolder(real);
  };
  try {
    for (const one of [real, join(real, predictionPictures)]) if (exists(one)) removeStale(one);
  } catch (error) {
    release();
    throw error;
  }
  return { folder: real, [Symbol.dispose]: release };
}

export interface ClaimOptions {
  /** The folder whose files are those of this run already, without links. */
  own: string | undefined;
  /** Remove the run that is there. Default false. */
  overwrite?: boolean | undefined;
  /** The lock, where the caller has it. */
  lock?: RunLock | undefined;
  say: (text: string) => void;
}

/**
 * Makes a folder that of a run that begins: locked, and without another run. Returns the lock, if it was taken here.
 * @throws {RunInUseError} when another process has it; {RetortError} when it holds another run.
 */
export function claimRun(folder: string, { own, overwrite = false, lock, say }: ClaimOptions): RunLock | undefined {
  const taken = lock === undefined ? lockRun(folder, say) : undefined;
  try {
    if (realPath(folder) === own) return taken;
    if (overwrite) removeRun(folder);
    const [first, ...more] = madeIn(folder);
    if (first === undefined) return taken;
    throw new RetortError(
      `${folder} already holds a run: ${[first, ...more.slice(0, 2), ...(more.length > 2 ? ['...'] : [])].join(', ')}`,
      {
        code: 'run-exists',
        help: 'resume it (resume(folder), or --resume), choose another folder, or discard it (overwrite, or --overwrite)',
      },
    );
  } catch (error) {
    taken?.[Symbol.dispose]();
    throw error;
  }
}

function thisOwner(): Owner {
  return { ...thisProcess(), host: hostname(), boot: bootId(), since: new Date().toISOString() };
}

function bootId(): string | undefined {
  try {
    return readText('/proc/sys/kernel/random/boot_id').trim();
  } catch {
    return undefined;
  }
}

/** Whether the owner, of this machine, still runs. */
function runs(owner: Owner): boolean {
  const boot = bootId();
  return (boot === undefined || owner.boot === undefined || owner.boot === boot) && isAlive(owner);
}

/** Makes the lock, whole from the first moment where the file system has hard links. False when there is one already. */
function create(path: string, text: string): boolean {
  const temporary = temporaryIn(join(path, '..'));
  makeFile(temporary, text, path);
  try {
    return linkFile(temporary, path) ?? makeFile(path, text);
  } finally {
    removeFile(temporary);
  }
}

/** It may go between two looks at it. */
function readIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (error instanceof RetortError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** The owner that a lock names; undefined for a text that is no lock's. */
function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, start, host, boot, since } = JSON.parse(text) as Owner;
    const named = Number.isInteger(pid) && pid > 0 && typeof host === 'string' && typeof since === 'string';
    return named ? { pid, start, host, boot, since } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a process trains in a folder: `'here'`, on this machine; `'elsewhere'`, on another one by what its lock says; undefined where
 * none does.
 */
export function trainedIn(folder: string): 'here' | 'elsewhere' | undefined {
  const text = readIfThere(join(folder, runFiles.lock));
  const owner = text === undefined ? undefined : ownerOf(text);
  if (owner === undefined) return undefined;
  if (owner.host !== hostname()) return 'elsewhere';
  return runs(owner) ? 'here' : undefined;
}

/** Removes the lock of a process that has ended. Of several that try, one does; false when it was not this one. */
function takeAway(path: string, text: string): boolean {
  const aside = temporaryIn(join(path, '..'));
  try {
    renameFile(path, aside);
  } catch (error) {
    if (!exists(path)) return false;
    throw error;
  }
  const same = readText(aside) === text;
  if (!same) linkFile(aside, path); // another one was faster, and this is its lock: back with it
  removeFile(aside);
  return same;
}

function releaseFile(path: string, text: string): void {
  try {
    if (readIfThere(path) === text) removeFile(path);
  } catch {
    // a folder that has become unreadable: whoever comes next sees that the process has ended
  }
}

function releaseAll(): void {
  for (const [folder, text] of held) releaseFile(join(folder, runFiles.lock), text);
}

const time = (iso: string): string => iso.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');

function inUse(folder: string, { pid, host, since }: Owner): RunInUseError {
  return new RunInUseError(
    `${folder} is in use: process ${pid} on ${host} has been training there since ${time(since)}`,
    {
      help: `wait until it has ended (or stop it, which saves: kill ${pid}), or choose another folder`,
    },
  );
}

function elsewhere(folder: string, { pid, host, since }: Owner, lock: string): RunInUseError {
  return new RunInUseError(
    `${folder} is in use: process ${pid} on ${host}, another machine, has been training there since ${time(since)}`,
    { help: `stop it there, or choose another folder; if it no longer runs, remove ${lock}` },
  );
}
