// The commands of docs/pretrained.md and docs/deploy.md, as they stand there, one after the other in one folder: from a teacher under
// torchvision's names to a student in eight bits on a page.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { buildModel, toTheirNames } from '../src/models/index.ts';
import { saveTensors } from '../src/nn/index.ts';
import { manualSeed, tidy } from '../src/torch/index.ts';
import { runCommand } from './command.ts';

const root = new URL('../', import.meta.url);
let folder = '';
const at = (...parts: string[]): string => join(folder, ...parts);

/** The text between the fences of a language in a document. */
function blocks(document: string, language: string): string[] {
  const text = readFileSync(new URL(`docs/${document}`, root), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, block]) => block!);
}

const classes = ['cat', 'dog', 'fox', 'owl'];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-guides-'));
  manualSeed(0);
  tidy(() => {
    const teacher = buildModel({
      type: 'ImageClassifier',
      backbone: { type: 'ResNet', depth: 50 },
      neck: { type: 'GlobalAveragePooling' },
      head: { type: 'LinearClsHead', numClasses: 1000, inChannels: 2048 },
    });
    saveTensors(at('resnet50.pth'), toTheirNames(teacher.stateDict(), 'torchvision').state);
  });
  for (const [split, count] of [
    ['train', 8],
    ['val', 4],
  ] as const) {
    for (const [c, name] of classes.entries()) {
      for (let i = 0; i < count; i++) {
        const file = at('photos', split, name, `${i}.png`);
        mkdirSync(dirname(file), { recursive: true });
        const background = { r: 60 * c, g: 255 - 60 * c, b: 20 * i };
        await sharp({ create: { width: 80, height: 72, channels: 3, background } })
          .png()
          .toFile(file);
      }
    }
  }
  const [config] = blocks('pretrained.md', 'yaml');
  writeFileSync(at('distil.yaml'), config!);
});
afterAll(() => rmSync(folder, { recursive: true }));

const commands = ['pretrained.md', 'deploy.md'].flatMap((document) =>
  blocks(document, 'sh').flatMap((block) => block.trim().split('\n')),
);

it('has commands, each of ours', () => {
  expect(commands.length).toBeGreaterThan(12);
  expect(commands.filter((command) => !command.startsWith('npx retort '))).toEqual([]);
});

it('runs them all, and they leave what they say', { timeout: 300_000 }, () => {
  const printed = new Map<string, string>();
  for (const command of commands) {
    const { code, out, err } = runCommand(command.split(' ').slice(2), { cwd: folder });
    expect({ command, code, err }).toEqual({ command, code: 0, err: '' });
    printed.set(command, out);
  }
  const said = (part: string): string =>
    [...printed]
      .filter(([command]) => command.includes(part))
      .map(([, out]) => out)
      .join('\n');
  expect(said('inspect resnet50.pth')).toMatch(/conv1\.weight.*float32/);
  expect(said('train distil.yaml')).toMatch(
    /teacher: .*resnet50\.pth \(pth, torchvision's names\): 267 of 267 tensors/,
  );
  expect(said('--per-class')).toMatch(/\| owl /);
  expect(said('--int8 --data')).toMatch(/\| float32 [^]*\| float16 [^]*\| int8 /);
  const size = (name: string): number => readFileSync(at(name)).length;
  expect(size('student-half.onnx') / size('student.onnx')).toBeLessThan(0.55);
  expect(size('student-int8.onnx') / size('student.onnx')).toBeLessThan(0.4);
  for (const file of ['page/index.html', 'page/model.onnx', 'student.pth', 'resnet50.safetensors']) {
    expect(existsSync(at(file)), file).toBe(true);
  }
});
