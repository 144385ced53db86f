// Turns an error of the file system into one that names the path and says what to do.

import fs from 'node:fs';
import path from 'node:path';

import { nearest, RetortError } from '../errors.ts';

/** `action` continues "cannot", e.g. `read`; an error that is not of the file system comes back as it is. */
export function fileError(action: string, file: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  const { what, help } = explain(cause, path.resolve(file));
  const code = /^ENO(?:ENT|TDIR)$/.test(cause.code) ? 'not-found' : 'file-system';
  return new RetortError(`cannot ${action} ${shortened(file)}: ${what}`, { code, help, cause });
}

/** A path that fits a message. */
function shortened(file: string): string {
  return file.length > 500 ? `${file.slice(0, 200)}... (${file.length} characters)` : file;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && 'syscall' in error;
}

function explain(error: NodeJS.ErrnoException, file: string): { what: string; help: string } {
  const folder = path.dirname(file);
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENOTEMPTY': {
      const taken = lowestFile(file);
      if (taken !== undefined && (taken !== file || error.syscall === 'mkdir')) {
        return { what: `${taken} is not a folder: it is a file`, help: 'choose another path, or move that file away' };
      }
      if (error.code === 'EEXIST' || error.code === 'ENOTEMPTY') {
        return {
          what: 'something of that name is there',
          help: `choose another name, or move it away: ls -ld ${file}`,
        };
      }
      return isFolder(folder)
        ? { what: 'there is no such file', help: nearestFile(file) }
        : { what: `${folder} is not a folder`, help: `make it first (mkdir -p ${folder}) or correct the path` };
    }
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
    case 'ELOOP':
      return { what: 'its symbolic links go round in a circle', help: `follow them with ls -l ${file}` };
    case 'EBUSY':
    case 'ETXTBSY':
      return { what: 'it is in use', help: 'end the program that uses it, or choose another path' };
    case 'EFBIG':
      return { what: 'it would be larger than is allowed', help: 'raise the limit (ulimit -f) or choose another disk' };
    case 'ENAMETOOLONG':
      return { what: 'the name is too long', help: 'choose a shorter one (255 bytes at most)' };
    case 'EMFILE':
    case 'ENFILE':
      return { what: 'too many files are open', help: 'raise the limit (ulimit -n) or close some' };
    default:
      return { what: error.message, help: `see whether the disk of ${folder} is healthy and mounted` };
  }
}

/** The first of the path's parts, from the top, that exists and is not a folder. */
function lowestFile(file: string): string | undefined {
  for (let part = file; ; part = path.dirname(part)) {
    try {
      return fs.statSync(part).isDirectory() ? undefined : part;
    } catch {
      if (part === path.dirname(part)) return undefined;
    }
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
