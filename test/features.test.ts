// `retort features`, as a person uses it: pictures of a run's student, their names, what is printed, what is not overwritten.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { decodeImage } from '../src/data/index.ts';
import { run } from '../src/runner/index.ts';
import { runCommand } from './command.ts';
import { tinyExperiment } from './networks.ts';

let folder = '';
const at = (...parts: string[]): string => join(folder, ...parts);
const retort = (...args: string[]) => runCommand(['features', ...args], { cwd: folder });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-features-command-'));
  await run(tinyExperiment(), { workDir: at('run'), progress: { step() {}, line() {} } });
  mkdirSync(at('images'));
  const pixels = { create: { width: 40, height: 30, channels: 3, background: '#3a7' } } as const;
  await sharp(pixels).png().toFile(at('images', 'a.png'));
  await sharp(pixels).jpeg().toFile(at('images', 'b.jpg'));
  await sharp(pixels).png().toFile(at('a.png'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('draws into a folder, and replaces nothing unless told so', async () => {
  const grid = ['--channel-reduction', 'none', '--topk', '3', '--arrangement', '1x3', '--resize-shape', '32x40'];
  const args = ['run', 'images', 'a.png', '--record', 'backbone.layer1', 'backbone', '-o', 'maps'];
  const first = retort(...args, ...grid, '--no-scale-bar', '--json');
  expect(first.err).toBe('');
  const rows = JSON.parse(first.out) as { file: string; shape: number[]; channels: number[] }[];
  const names = [
    'a.backbone.layer1',
    'a.backbone',
    'b.backbone.layer1',
    'b.backbone',
    'a-2.backbone.layer1',
    'a-2.backbone',
  ];
  expect(rows.map(({ file }) => file)).toEqual(names.map((name) => join('maps', `${name}.student.png`)));
  expect(rows[0]).toMatchObject({ shape: [4, 8, 8], side: 'student', image: join('images', 'a.png') });
  expect(rows[0]!.channels).toHaveLength(3);
  expect(readdirSync(at('maps'))).toHaveLength(6);
  const picture = await decodeImage(at('maps', 'a.backbone.layer1.student.png'));
  expect([picture.height, picture.width]).toEqual([32, 120]);
  const before = readFileSync(at('maps', 'a.backbone.student.png'));
  const again = retort(...args);
  expect([again.code, again.out]).toEqual([1, '']);
  expect(again.err).toMatch(/picture already[^]*--overwrite/);
  expect(readFileSync(at('maps', 'a.backbone.student.png')).equals(before)).toBe(true);
  const over = retort(...args, '--overwrite');
  expect(over.code).toBe(0);
  expect(over.out).toMatch(/a\.backbone\.layer1\.student\.png {2}4 x 8 x 8, /);
  expect(readFileSync(at('maps', 'a.backbone.student.png')).equals(before)).toBe(false);
});

it('says what is wrong', () => {
  expect(retort('run', 'a.png', '--record', 'backbone.layer7').err).toMatch(/layer7[^]*backbone\.layer1/);
  expect(retort('run', 'a.png', '--record', 'backbone', '--side', 'teacher').err).toMatch(/no teacher/);
  expect(retort('run', 'a.png', '--record', 'backbone', '--arrangement', '4').err).toMatch(/4x5/);
  expect(retort('run', 'a.png', '--record', 'backbone', '--alpha', '2').err).toMatch(/0 to 1/);
  expect(retort('run', 'none.png', '--record', 'backbone').err).toMatch(/none\.png/);
  expect(retort('run', 'a.png').err).toMatch(/--record/);
});
