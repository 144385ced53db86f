// The door to the file system: every error says what was being done, where, and the way out.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { RetortError } from './errors.ts';
import * as files from './files.ts';
import { fileError } from './formats/file-error.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-files-'));
  writeFileSync(at('file'), 'text');
  mkdirSync(at('folder'));
  writeFileSync(at('folder/inside'), '');
  symlinkSync(at('loop'), at('loop'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const cases: [string, () => unknown, RegExp][] = [
  [
    'nothing to read',
    () => files.readText(at('fiel')),
    /cannot read .*fiel: there is no such file\n {2}help: did you mean file\?/,
  ],
  ['no folder to read from', () => files.readBytes(at('no/file')), /\/no is not a folder\n {2}help: make it first/],
  ['a folder read as a file', () => files.readText(at('folder')), /it is a folder\n {2}help: name a file inside it/],
  ['a circle of links', () => files.statOf(at('loop')), /cannot look at .*links go round in a circle\n {2}help/],
  [
    'a name that is too long',
    () => files.makeFolder(at('x'.repeat(300))),
    /the name is too long\n {2}help: choose a shorter/,
  ],
  [
    'a file where a folder is to be',
    () => files.makeFolder(at('file')),
    /make the folder .*file is not a folder: it is a file/,
  ],
  [
    'a file above the folder',
    () => files.makeFolder(at('file/a/b')),
    /make the folder .*\/file is not a folder: it is a file/,
  ],
  [
    'a file listed',
    () => files.listFolder(at('file')),
    /cannot list .*file is not a folder: it is a file|cannot list .*file/,
  ],
  ['nothing to rename', () => files.renameFile(at('gone'), at('there')), /cannot rename .*gone to .*there/],
  ['nothing to resolve', () => files.realPath(at('gone')), /cannot look at .*gone: there is no such file/],
  ['a folder appended to', () => files.appendText(at('folder'), 'x'), /cannot write .*folder: it is a folder/],
];
it.each(cases)('%s', (_name, body, message) => {
  expect(body).toThrow(RetortError);
  expect(body).toThrow(message);
});

it('asks without throwing, and does what can be done', async () => {
  expect([files.exists(at('loop')), files.isFile(at('loop')), files.isFolder(at('x'.repeat(300)))]).toEqual([
    false,
    false,
    false,
  ]);
  expect([files.isFile(at('file')), files.isFolder(at('folder')), files.isFile(at('folder'))]).toEqual([
    true,
    true,
    false,
  ]);
  expect(files.statOf(at('file/below'))).toBeUndefined();
  expect(files.listFolder(at('folder')).map(({ name }) => name)).toEqual(['inside']);
  expect(Buffer.from(await files.readBeginning(at('file'), 3)).toString()).toBe('tex');
  await expect(files.readBeginning(at('gone'), 3)).rejects.toThrow(/cannot read .*gone: there is no such file/);
  files.removeEmptyFolder(at('folder'));
  expect(files.exists(at('folder/inside'))).toBe(true);
  expect([files.makeFile(at('new'), '1'), files.makeFile(at('new'), '2'), files.readText(at('new'))]).toEqual([
    true,
    false,
    '1',
  ]);
  expect([files.linkFile(at('new'), at('second')), files.linkFile(at('new'), at('second'))]).toEqual([true, false]);
  files.removeFile(at('second'));
  files.removeFile(at('second'));
  await expect(files.readBytesAsync(at('gone'))).rejects.toThrow(/cannot read .*gone: there is no such file/);
});

it.skipIf(process.getuid?.() === 0)('names what this user may not do', () => {
  mkdirSync(at('closed'));
  chmodSync(at('closed'), 0o555);
  expect(() => files.makeFolder(at('closed/below'))).toThrow(/permission denied\n {2}help: give this user the right/);
});

it.each([
  ['EACCES', /permission denied/],
  ['EROFS', /mounted read-only/],
  ['ENOSPC', /the disk is full/],
  ['EDQUOT', /the disk is full/],
  ['EMFILE', /too many files are open/],
  ['EBUSY', /it is in use/],
  ['EFBIG', /larger than is allowed/],
  ['ENOTEMPTY', /something of that name is there/],
  ['EIO', /EIO: made up/],
])('%s in words', (code, words) => {
  const cause = Object.assign(new Error(`${code}: made up`), { code, syscall: 'open' });
  const error = fileError('write', at('some'), cause);
  expect(error).toBeInstanceOf(RetortError);
  expect((error as RetortError).message).toMatch(words);
  expect((error as RetortError).message).toMatch(/cannot write .*some: .*\n {2}help: /);
});
