// Turns an error of the file system into one that names the path and the way out.

import fs from 'node:fs';
import path from 'node:path';

import { nearest, RetortError } from '../errors.ts';

/** `action` continues "cannot", e.g. `read`; an error that is not of the file system comes back as it is. */
export function fileError(action: string, file: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  const { what, help } = explain(cause, path.resolve(file));
  return new RetortError(`cannot ${action} ${file}: ${what}`, { help, cause });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && 'syscall' in error;
}

function explain(error: NodeJS.ErrnoException, file: string): { what: string; help: string } {
  const folder = path.dirname(file);
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return isFolder(folder)
        ? { what: 'there is no such file', help: nearestFile(file) }
        : { what: `${folder} is not a folder`, help: `make it first (mkdir -p ${folder}) or correct the path` };
    case 'ENOSPC':
    case 'EDQUOT':
      return { what: 'the disk is full', help: `free some room (df -h ${folder}) or choose another disk` };
    case 'EACCES':
    case 'EPERM':
      return {
        what: 'permission denied',
        help: `give this user the right (ls -ld ${folder} ${file}) or choose another path`,
      };
    case 'EROFS':
      return { what: 'the disk is mounted read-only', help: 'choose a path on another disk' };
    case 'EISDIR':
      return { what: 'it is a folder', help: 'name a file inside it' };
    case 'ENAMETOOLONG':
      return { what: 'the name is too long', help: 'choose a shorter one (255 bytes at most)' };
    case 'EMFILE':
    case 'ENFILE':
      return { what: 'too many files are open', help: 'raise the limit (ulimit -n) or close some' };
    default:
      return { what: error.message, help: `see whether the disk of ${folder} is healthy and mounted` };
  }
}

function isFolder(path: string): boolean {
  try {
    return fs.statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function nearestFile(file: string): string {
  const folder = path.dirname(file);
  let near: string[] = [];
  try {
    near = nearest(path.basename(file), fs.readdirSync(folder));
  } catch {
    // a folder that may be entered but not listed
  }
  return near.length === 0 ? `see what is there: ls ${folder}` : `did you mean ${near.join(' or ')}?`;
}
