// The door to the file system: whatever cannot be read, written, listed or made comes out as a RetortError that says what was being
// done, where, and the way out. Every folder may import this file; `node:fs` itself is refused by the lint everywhere else but in
// the files that write atomically and read piece by piece (`formats/`).
import fs from 'node:fs';
import { dirname, resolve } from 'node:path';

import { fileError } from './formats/file-error.ts';
import { notRegular } from './formats/read-file.ts';

function at<T>(action: string, path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw fileError(action, path, error);
  }
}

/** The text of a file. @throws {RetortError} when it cannot be read. */
export function readText(path: string): string {
  return at('read', path, () => fs.readFileSync(path, 'utf8'));
}

/** The bytes of a file. @throws {RetortError} when it cannot be read. */
export function readBytes(path: string): Buffer {
  return at('read', path, () => fs.readFileSync(path));
}

/** {@link readBytes} without waiting for the disk, of regular files alone: a device or a pipe may have no end. */
export async function readBytesAsync(path: string): Promise<Buffer> {
  try {
    const stats = await fs.promises.stat(path);
    if (!stats.isFile() && !stats.isDirectory()) throw notRegular('read', path, stats);
    return await fs.promises.readFile(path);
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** The first bytes of a file, `length` at most. @throws {RetortError} when it cannot be read. */
export async function readBeginning(path: string, length: number): Promise<Uint8Array> {
  try {
    const handle = await fs.promises.open(path);
    try {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** What is known of a path, links followed; undefined where there is nothing. @throws {RetortError} where it cannot be told. */
export function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw fileError('look at', path, error);
  }
}

/** Whether something is there that this user can see. */
export function exists(path: string): boolean {
  return fs.existsSync(path);
}

/** Whether a regular file is there that this user can see. */
export function isFile(path: string): boolean {
  return seen(path)?.isFile() === true;
}

/** Whether a folder is there that this user can see. */
export function isFolder(path: string): boolean {
  return seen(path)?.isDirectory() === true;
}

/** What is known of a path, links followed; undefined where there is nothing, or nothing that this user can see. */
export function seen(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** The path with all links followed. @throws {RetortError} when nothing is there. */
export function realPath(path: string): string {
  return at('look at', path, () => fs.realpathSync(path));
}

/** What lies in a folder, in no order. @throws {RetortError} when it cannot be listed. */
export function listFolder(path: string): fs.Dirent[] {
  return at('list', path, () => fs.readdirSync(path, { withFileTypes: true }));
}

/** Bytes that this user can still write on the disk of a path that may not be there yet; undefined where that cannot be told. */
export function freeBytes(path: string): number | undefined {
  let at = resolve(path);
  while (!fs.existsSync(at) && dirname(at) !== at) at = dirname(at);
  try {
    const { bavail, bsize } = fs.statfsSync(at);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Makes a folder and those above it; one that is there is fine. @throws {RetortError} when it cannot be made. */
export function makeFolder(path: string): void {
  at('make the folder', path, () => fs.mkdirSync(path, { recursive: true }));
}

/** Removes a file, if it is there. @throws {RetortError} when it cannot be removed. */
export function removeFile(path: string): void {
  at('remove', path, () => fs.rmSync(path, { force: true }));
}

/** Removes a folder that is empty; any other is left. @throws {RetortError} when it cannot be removed. */
export function removeEmptyFolder(path: string): void {
  if (listFolder(path).length === 0) at('remove', path, () => fs.rmdirSync(path));
}

/** Gives a file another name, in place of what has it. @throws {RetortError} when it cannot. */
export function renameFile(from: string, to: string): void {
  at(`rename ${from} to`, to, () => fs.renameSync(from, to));
}

/** Writes text at the end of a file, which is made if it is not there. @throws {RetortError} when it cannot be written. */
export function appendText(path: string, text: string): void {
  at('write', path, () => fs.appendFileSync(path, text));
}

/** A file that is kept open and grows by whole pieces: of one that could not be written to its end, nothing stays. */
export class GrowingFile implements Disposable {
  readonly path: string;
  readonly #file: number;

  /** Opens a file, or makes one. @throws {RetortError} when it cannot be written. */
  constructor(path: string) {
    this.path = path;
    this.#file = at('write', path, () => fs.openSync(path, 'a'));
  }

  /** Writes at the end; the system has the bytes when this returns. @throws {RetortError} when it cannot, and takes back what it has written. */
  append(content: string | Uint8Array): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    let done = 0;
    try {
      while (done < bytes.length) done += fs.writeSync(this.#file, bytes, done);
    } catch (error) {
      if (done > 0) at('shorten', this.path, () => fs.ftruncateSync(this.#file, fs.fstatSync(this.#file).size - done));
      throw fileError('write', this.path, error);
    }
  }

  /** Waits until the disk has what was written. @throws {RetortError} when it cannot be. */
  sync(): void {
    at('write', this.path, () => fs.fsyncSync(this.#file));
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.#file);
  }
}

/** Cuts a file off after so many bytes. @throws {RetortError} when it cannot be. */
export function cutFile(path: string, bytes: number): void {
  at('shorten', path, () => fs.truncateSync(path, bytes));
}

/**
 * Makes a file with this text, unless there is one of this name; says whether it did.
 * @param named what errors call it. Default: its path.
 * @throws {RetortError} when it cannot.
 */
export function makeFile(path: string, text: string, named = path): boolean {
  try {
    fs.writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fileError('write', named, error);
  }
}

/** Gives a file a second name, unless that is taken; says whether it did, undefined where the file system has no such thing. */
export function linkFile(from: string, to: string): boolean | undefined {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' ? false : undefined;
  }
}
