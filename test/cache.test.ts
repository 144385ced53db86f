// `retort cache`, as a person uses it: made, looked into, trained from in two processes, stopped, damaged, tidied up. Runs the build in dist/.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { buildModel } from '../src/models/index.ts';
import { saveModule } from '../src/nn/index.ts';
import { manualSeed, tidy } from '../src/torch/index.ts';
import { commandFile, runCommand } from './command.ts';
import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from './networks.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-cache-cli-'));
  manualSeed(3);
  tidy(() => saveModule(join(folder, 'teacher.safetensors'), buildModel(tinyNetwork(6))));
});
afterAll(() => rmSync(folder, { recursive: true }));

const retort = (...args: string[]) => runCommand(args, { cwd: folder });
function write(name: string, samples: number, dir: string): string {
  const config = tinyExperiment({
    model: {
      type: 'SingleTeacherDistill',
      architecture: tinyNetwork(4),
      teacher: tinyNetwork(6),
      teacherCkpt: 'teacher.safetensors',
      distiller: logitsDistiller(),
      teacherCache: { dir, views: 2 },
    },
    trainData: tinyImages(samples),
    epochs: 2,
  });
  writeFileSync(join(folder, name), JSON.stringify(config));
  return name;
}

it('makes a cache, says what it is, and trains two processes from it', () => {
  const file = write('kd.json', 36, 'cache');
  const built = retort('cache', 'build', file);
  expect([built.code, built.err]).toEqual([0, '']);
  expect(built.out).toMatch(/72 samples went through the teacher in 0:0\d, [\d,]+ img\/s/);
  expect(built.out).toMatch(/rows +0: 36, 1: 36[^]*complete: the teacher is not needed/);
  expect(retort('cache', 'build', file).out).toMatch(/^0 samples went through the teacher|\n0 samples/);
  const info = JSON.parse(retort('cache', 'info', 'cache', '--json').out) as Record<string, unknown>;
  expect(info).toMatchObject({ samples: 36, views: 2, complete: true, rows: { 0: 36, 1: 36 } });
  const trained = retort('train', file, '--processes', '2', '--work-dir', 'run');
  expect([trained.code, trained.err]).toEqual([0, '']);
  expect(trained.out.match(/has all 72 rows: the teacher is not run/g)).toHaveLength(1);
  expect(retort('cache', 'verify', 'cache')).toMatchObject({ code: 0, out: expect.stringContaining('72 rows') });
}, 120_000);

it('is filled by two processes that train together', () => {
  const file = write('pair.json', 36, 'pair');
  const trained = retort('train', file, '--processes', '2', '--work-dir', 'pair-run');
  expect([trained.code, trained.err]).toEqual([0, '']);
  const info = JSON.parse(retort('cache', 'info', 'pair', '--json').out) as { rows: Record<string, number> };
  expect(Object.keys(info.rows)).toEqual(['0', '1']);
  for (const rows of Object.values(info.rows)) expect(rows).toBeGreaterThanOrEqual(32);
  expect(retort('cache', 'verify', 'pair').code).toBe(0);
}, 120_000);

it('stops on Ctrl-C, and goes on; says what is damaged, and drops it', async () => {
  const file = write('large.json', 20_000, 'large');
  const child = spawn(process.execPath, [commandFile, 'cache', 'build', file], { cwd: folder });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  let out = '';
  let sent = false;
  child.stdout.on('data', (chunk: Buffer) => {
    out += String(chunk);
    if (!sent && out.includes('view 1/2')) sent = child.kill('SIGINT');
  });
  expect(await closed).toBe(130);
  expect(out).toMatch(/not complete[^]*stopped; the same command goes on/);
  const { rows } = JSON.parse(retort('cache', 'info', 'large', '--json').out) as { rows: Record<string, number> };
  expect(rows[0]).toBeGreaterThan(0);
  expect(rows[0]! % 8).toBe(0);
  const path = join(folder, 'large', '000001.rows');
  const bytes = readFileSync(path);
  bytes[0]! ^= 1;
  writeFileSync(path, bytes);
  const verified = retort('cache', 'verify', 'large');
  expect([verified.code, verified.out]).toEqual([1, expect.stringMatching(/000001\.rows[^]*cache prune large/)]);
  expect(retort('cache', 'prune', 'large').out).toMatch(/^8 rows dropped/);
  expect(retort('cache', 'verify', 'large').code).toBe(0);
  expect(retort('cache', 'prune', 'large', '--all').out).toMatch(/large is removed/);
  expect(existsSync(join(folder, 'large'))).toBe(false);
}, 120_000);

it('never removes what is no cache, and says what is missing', () => {
  for (const args of [
    ['info', '.'],
    ['verify', '.'],
    ['prune', '.'],
    ['prune', '.', '--all'],
  ]) {
    const { code, err } = retort('cache', ...args);
    expect([code, err]).toEqual([1, expect.stringMatching(/cache\.json: there is no such file/)]);
  }
  expect(existsSync(join(folder, 'kd.json'))).toBe(true);
  expect(retort('cache', '--help').out).toMatch(/build[^]*info[^]*verify[^]*prune/);
});
