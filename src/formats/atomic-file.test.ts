// The contract of both writers: the new bytes or the old ones, no temporary file left, errors that name the path.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { RetortError } from '../errors.ts';
import { type FileContent, writeFileAtomic, writeFileAtomicSync } from './index.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'retort-atomic-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(folder, { recursive: true });
});

const writers: [string, (file: string, content: FileContent) => Promise<void>][] = [
  ['writeFileAtomic', writeFileAtomic],
  ['writeFileAtomicSync', async (file, content) => writeFileAtomicSync(file, content)],
];

describe.each(writers)('%s', (name, write) => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const read = (file: string) => fs.readFileSync(path.join(folder, file), 'utf8');
  const at = (file: string) => path.join(folder, file);

  it('writes one piece, many, or none', async () => {
    await write(at('one'), bytes('hello'));
    await write(at('many'), [bytes('he'), bytes(''), bytes('llo')]);
    await write(at('none'), []);
    expect([read('one'), read('many'), read('none')]).toEqual(['hello', 'hello', '']);
    expect(fs.readdirSync(folder)).toEqual(['many', 'none', 'one']);
  });

  it('replaces an old file and keeps its mode', async () => {
    fs.writeFileSync(at('old'), 'old', { mode: 0o600 });
    await write(at('old'), bytes('new'));
    expect(read('old')).toBe('new');
    expect(fs.statSync(at('old')).mode & 0o777).toBe(0o600);
  });

  it('gives a new file the usual mode', async () => {
    await write(at('new'), bytes('new'));
    expect(fs.statSync(at('new')).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  it('follows a symbolic link', async () => {
    fs.mkdirSync(at('runs'));
    fs.writeFileSync(at('runs/epoch-3'), 'old');
    fs.symlinkSync('runs/epoch-3', at('latest'));
    await write(at('latest'), bytes('new'));
    expect(read('runs/epoch-3')).toBe('new');
    expect(fs.readlinkSync(at('latest'))).toBe('runs/epoch-3');
  });

  it('takes a name of 255 bytes', async () => {
    await write(at('x'.repeat(255)), bytes('new'));
    expect(read('x'.repeat(255))).toBe('new');
  });

  it('leaves the old file when the content fails, and hands that error through', async () => {
    fs.writeFileSync(at('old'), 'old');
    const failure = new Error('no more chunks');
    function* content() {
      yield bytes('half');
      throw failure;
    }
    await expect(write(at('old'), content())).rejects.toBe(failure);
    expect(read('old')).toBe('old');
    expect(fs.readdirSync(folder)).toEqual(['old']);
  });

  it.each([
    ['ENOSPC', 'the disk is full', 'free some room'],
    ['EDQUOT', 'the disk is full', 'free some room'],
    ['EACCES', 'permission denied', 'give this user the right'],
    ['EROFS', 'the disk is mounted read-only', 'choose a path on another disk'],
    ['EIO', 'EIO: made up, rename', 'see whether the disk'],
  ])('leaves the old file on %s', async (code, what, help) => {
    fs.writeFileSync(at('old'), 'old');
    const failure = Object.assign(new Error(`${code}: made up, rename`), { code, syscall: 'rename' });
    if (name === 'writeFileAtomic') vi.spyOn(fs.promises, 'rename').mockRejectedValue(failure);
    else
      vi.spyOn(fs, 'renameSync').mockImplementation(() => {
        throw failure;
      });
    const error: unknown = await write(at('old'), bytes('new')).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(RetortError);
    expect((error as RetortError).message).toContain(`cannot write ${at('old')}: ${what}\n  help: ${help}`);
    expect((error as RetortError).cause).toBe(failure);
    expect(read('old')).toBe('old');
    expect(fs.readdirSync(folder)).toEqual(['old']);
  });

  it('names a folder that is not there, or is a file', async () => {
    fs.writeFileSync(at('file'), '');
    await expect(write(at('no/where/x'), bytes(''))).rejects.toThrow(refusal('not-found', 'where', 'mkdir -p'));
    await expect(write(at('file/x'), bytes(''))).rejects.toThrow(refusal('not-found', 'file', 'folder'));
  });

  it('refuses folders, devices and names that are too long', async () => {
    await expect(write(folder, bytes(''))).rejects.toThrow(refusal('file-system', 'folder', 'help: '));
    await expect(write('/dev/null', bytes(''))).rejects.toThrow(refusal('file-system', '/dev/null', 'regular file'));
    await expect(write(at('x'.repeat(256)), bytes(''))).rejects.toThrow(refusal('file-system', '255 bytes'));
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('names a folder one may not write to', async () => {
    fs.chmodSync(folder, 0o500);
    await expect(write(at('x'), bytes(''))).rejects.toThrow(refusal('file-system', 'permission'));
    fs.chmodSync(folder, 0o700);
  });

  it('never shows a reader a mixture', async () => {
    const versions = ['a', 'b'].map((letter) => bytes(letter.repeat(100_000)));
    await write(at('file'), versions[0]!);
    await Promise.all(versions.map((version) => write(at('file'), [version.subarray(0, 10), version.subarray(10)])));
    expect(new Set(read('file')).size).toBe(1);
  });
});
