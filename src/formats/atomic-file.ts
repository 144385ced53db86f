// Replaces a file as a whole or not at all: a temporary file in the same folder, write, fsync, rename, fsync of the folder.
// A reader sees the old bytes or the new ones, never a mixture, also after a crash or on a full disk. A process that is killed
// half-way leaves at most a `.retort-*.tmp` behind, which `removeStale` removes.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { fileError } from './file-error.ts';
import { isAlive, thisProcess } from './process-identity.ts';
import { notRegular } from './read-file.ts';

/** The content of a file: in one piece, or in pieces that are written one after the other and never joined in memory. */
export type FileContent = Uint8Array | Iterable<Uint8Array>;

/** One call of `write` moves at most 2^31 - 1 bytes. */
const maxBytesPerWrite = 2 ** 30;

/**
 * Writes `content` to `file`, replacing what was there. A symbolic link is followed; an old file's mode is kept. On any
 * failure, of the iterable too, the old file is untouched and the temporary one is gone.
 *
 * @throws RetortError naming the path, with help: disk full, permission denied, no such folder, not a regular file.
 */
export async function writeFileAtomic(file: string, content: FileContent): Promise<void> {
  let plan: Plan | undefined;
  try {
    plan = planWrite(file);
    const handle = await fs.promises.open(plan.temporary, 'wx', plan.mode);
    try {
      for (const piece of pieces(content)) {
        for (let done = 0; done < piece.length;) {
          done += (await handle.write(piece, done, Math.min(piece.length - done, maxBytesPerWrite))).bytesWritten;
        }
      }
      if (plan.replaces) await handle.chmod(plan.mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.promises.rename(plan.temporary, plan.target);
    syncFolder(path.dirname(plan.target));
  } catch (error) {
    discard(plan);
    throw fileError('write', file, error);
  }
}

/**
 * `writeFileAtomic` in one go, for those who must not be interrupted: checkpoints. Blocks until the disk has the bytes.
 * @param beforeReplacing is called when the disk has all bytes of the new file and the old one is still there.
 */
export function writeFileAtomicSync(file: string, content: FileContent, beforeReplacing?: () => void): void {
  let plan: Plan | undefined;
  try {
    plan = planWrite(file);
    const fd = fs.openSync(plan.temporary, 'wx', plan.mode);
    try {
      for (const piece of pieces(content)) {
        for (let done = 0; done < piece.length;) {
          done += fs.writeSync(fd, piece, done, Math.min(piece.length - done, maxBytesPerWrite));
        }
      }
      if (plan.replaces) fs.fchmodSync(fd, plan.mode);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    beforeReplacing?.();
    fs.renameSync(plan.temporary, plan.target);
    syncFolder(path.dirname(plan.target));
  } catch (error) {
    discard(plan);
    throw fileError('write', file, error);
  }
}

interface Plan {
  /** The file to replace, symbolic links resolved. */
  target: string;
  temporary: string;
  mode: number;
  /** Whether there is an old file, whose mode is to be kept whatever the umask. */
  replaces: boolean;
}

function planWrite(file: string): Plan {
  const old = fs.statSync(file, { throwIfNoEntry: false });
  if (old !== undefined && !old.isFile()) throw notRegular('write', file, old);
  const target = old === undefined ? path.resolve(file) : fs.realpathSync(file);
  const temporary = temporaryIn(path.dirname(target));
  return { target, temporary, mode: old === undefined ? 0o666 : old.mode & 0o777, replaces: old !== undefined };
}

/** A name in the folder for a file that is to be there for a moment, which nobody else uses. */
export function temporaryIn(folder: string): string {
  const { pid, start = '' } = thisProcess();
  return path.join(folder, `.retort-${pid}.${start}-${randomBytes(6).toString('hex')}.tmp`);
}

/**
 * Removes the temporary files in a folder whose processes have ended. Only for the one process that may write there.
 * @throws RetortError when the folder cannot be listed, or a file not be removed.
 */
export function removeStale(folder: string): void {
  try {
    for (const name of fs.readdirSync(folder)) {
      const [, pid, start] = /^\.retort-(\d+)(?:\.(\d*))?-[0-9a-f]+\.tmp$/.exec(name) ?? [];
      if (pid === undefined) continue;
      if (start === undefined || !isAlive({ pid: Number(pid), start: start === '' ? undefined : start })) {
        fs.rmSync(path.join(folder, name), { force: true });
      }
    }
  } catch (error) {
    throw fileError('tidy up', folder, error);
  }
}

function pieces(content: FileContent): Iterable<Uint8Array> {
  return content instanceof Uint8Array ? [content] : content;
}

/** Makes the rename itself durable. Some network and FUSE file systems cannot sync a folder; the file is whole there too. */
function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    fs.closeSync(fd);
  }
}

function discard(plan: Plan | undefined): void {
  try {
    if (plan !== undefined) fs.rmSync(plan.temporary, { force: true });
  } catch {
    // the error that brought us here is the one to report
  }
}
