// One process at a time in a run's folder: a lock of a process that runs is respected, one of a process that has ended is taken over.
import { spawn, spawnSync } from 'node:child_process';
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { thisProcess } from '../formats/process-identity.ts';
import { lockRun, madeIn, removeRun, RunInUseError, runFiles, trainedIn } from './index.ts';
import { refusal } from '../../test/refusal.ts';

let folder = '';
const run = (): string => join(folder, 'run');
const lockFile = (): string => join(run(), runFiles.lock);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const since = '2026-01-02T03:04:05.678Z';
function plant(owner: object | string): void {
  mkdirSync(run(), { recursive: true });
  writeFileSync(lockFile(), typeof owner === 'string' ? owner : JSON.stringify({ host: hostname(), since, ...owner }));
}

/** A number that no process has: of one that has just ended. */
const ended = (): number => spawnSync(process.execPath, ['--version']).pid;

function taken(): string[] {
  const said: string[] = [];
  const lock = lockRun(run(), (text) => void said.push(text));
  expect((JSON.parse(readFileSync(lockFile(), 'utf8')) as { pid: number }).pid).toBe(process.pid);
  lock[Symbol.dispose]();
  expect(existsSync(lockFile())).toBe(false);
  return said;
}

it('is taken, held and given back; a folder that stays empty goes with it', () => {
  {
    using lock = lockRun(run());
    expect(lock.folder).toBe(run());
    expect(readdirSync(run())).toEqual([runFiles.lock]);
    expect(() => lockRun(run())).toThrow(refusal('run-in-use', run()));
  }
  expect(existsSync(run())).toBe(false);
  mkdirSync(run());
  expect(taken()).toEqual([]);
  expect(existsSync(run())).toBe(true);
});

it('names the process that has it, and since when', async () => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  try {
    plant({ pid: other.pid });
    const take = (): unknown => lockRun(run());
    expect(take).toThrow(RunInUseError);
    expect(take).toThrow(
      refusal('run-in-use', `process ${other.pid}`, hostname(), '2026-01-02 03:04:05 UTC', `kill ${other.pid}`),
    );
  } finally {
    const gone = new Promise((resolve) => other.once('close', resolve));
    other.kill('SIGKILL');
    await gone;
  }
  expect(taken()).toEqual([expect.stringMatching(/process \d+, which was training in .*, has ended without a word/)]);
});

it('is taken over from a process that has ended, whoever has its number now', () => {
  plant({ pid: ended() });
  expect(taken()).toHaveLength(1);
  plant({ pid: process.pid, start: '1' });
  expect(taken()).toHaveLength(1);
  plant({ ...thisProcess(), boot: 'before the machine was started again' });
  expect(taken()).toHaveLength(1);
  for (const nonsense of ['', '{', 'null', '[]', '{"pid":"7"}']) {
    plant(nonsense);
    expect(taken()).toEqual([expect.stringMatching(/names no process: taken over/)]);
  }
});

it('names nobody where it goes between two looks at it', () => {
  mkdirSync(run());
  const there = vi.spyOn(fs, 'existsSync').mockReturnValue(true);
  expect(trainedIn(run())).toBe(undefined);
  there.mockRestore();
});

it('cannot be judged from another machine', () => {
  plant({ pid: ended(), host: 'elsewhere' });
  expect(() => lockRun(run())).toThrow(refusal('run-in-use', 'elsewhere', 'run.lock'));
});

it('is taken by one of several that find a dead one, and left by a process that ends', () => {
  plant({ pid: ended() });
  // The one that has it waits until all have tried.
  const program = `
    import { readdirSync, writeFileSync } from 'node:fs';
    import { lockRun } from ${JSON.stringify(new URL('../../dist/engine/index.js', import.meta.url).href)};
    const folder = ${JSON.stringify(folder)};
    const tried = () => readdirSync(folder).filter((name) => name.startsWith('tried-')).length;
    let taken = true;
    try { lockRun(folder + '/run'); } catch { taken = false; }
    process.stdout.write(taken ? 'taken' : 'refused');
    writeFileSync(folder + '/tried-' + process.pid, '');
    if (taken) setInterval(() => tried() === 4 && process.exit(0), 20);
  `;
  const script = join(folder, 'take.mjs');
  writeFileSync(script, program);
  const shell = `for i in 1 2 3 4; do ${process.execPath} ${script} & done; wait`;
  const { stdout } = spawnSync('bash', ['-c', shell], { encoding: 'utf8' });
  expect(stdout.match(/taken|refused/g)?.toSorted()).toEqual(['refused', 'refused', 'refused', 'taken']);
  expect(readdirSync(run())).toEqual([]);
});

it('clears them away among the pictures of predictions too', () => {
  const pictures = join(run(), 'predictions');
  mkdirSync(pictures, { recursive: true });
  writeFileSync(join(pictures, `.retort-${ended()}.7-00aa11.tmp`), '');
  writeFileSync(join(pictures, '1.png'), '');
  using _lock = lockRun(run());
  expect(readdirSync(pictures)).toEqual(['1.png']);
});

it('clears away temporary files of processes that have ended', () => {
  mkdirSync(run());
  const { pid, start } = thisProcess();
  const [stale, older, reused] = [
    `.retort-${ended()}.7-00aa11.tmp`,
    `.retort-${pid}-00aa11.tmp`,
    `.retort-${pid}.1-00aa11.tmp`,
  ];
  const kept = [`.retort-${pid}.${start}-00aa11.tmp`, 'notes.tmp'];
  for (const name of [stale, older, reused, ...kept]) writeFileSync(join(run(), name), '');
  taken();
  expect(readdirSync(run()).toSorted()).toEqual(kept.toSorted());
});

it('says why it cannot be taken', () => {
  writeFileSync(run(), 'a file');
  expect(() => lockRun(run())).toThrow(refusal('file-system', run()));
});

it('knows what training has made in a folder, and removes that alone', () => {
  const write = (name: string): void => {
    mkdirSync(join(run(), name, '..'), { recursive: true });
    writeFileSync(join(run(), name), '');
  };
  const made = ['training.safetensors', 'training.previous.safetensors', 'student-epoch-3.safetensors', 'log.jsonl'];
  for (const name of [...made, 'notes.txt', 'students.txt', 'other/run.json', 'other/student.safetensors']) write(name);
  expect(madeIn(run()).toSorted()).toEqual(made.toSorted());
  write('run.json');
  write('assistant/student.safetensors');
  expect(madeIn(run()).toSorted()).toEqual([...made, 'assistant/student.safetensors'].toSorted());
  removeRun(run());
  expect(readdirSync(run()).toSorted()).toEqual(['notes.txt', 'other', 'students.txt']);
  expect(readdirSync(join(run(), 'other')).toSorted()).toEqual(['run.json', 'student.safetensors']);
  expect(madeIn(join(folder, 'nowhere'))).toEqual([]);
});
