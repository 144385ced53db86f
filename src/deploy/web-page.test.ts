// The folder of a page: what lies in it, and that the page prepares images as training does.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { prepare } from '../../web/classify.js';
import { buildTransform } from '../data/index.ts';
import { tensorFromBytes, tidy } from '../torch/index.ts';
import type { ModelInfo, Preprocessing } from './model-info.ts';
import { webSteps, writeWebPage } from './web-page.ts';

const preprocessing = (
  transforms: Preprocessing['transforms'],
  size: [number, number] | null = null,
): Preprocessing => {
  return { channels: 3, size, colorOrder: 'rgb', mean: null, std: null, transforms };
};

const pictures = [
  [37, 53],
  [80, 31],
  [9, 9],
] as const;
const rows: [string, Preprocessing['transforms']][] = [
  ['Resize', [{ type: 'Resize', size: [16, 24] }]],
  ['Resize, bicubic', [{ type: 'Resize', size: 16, interpolation: 'bicubic' }]],
  [
    'ResizeEdge and CenterCrop',
    [
      { type: 'ResizeEdge', size: 20 },
      { type: 'CenterCrop', size: 15 },
    ],
  ],
  ['ResizeEdge of the longer edge', [{ type: 'ResizeEdge', size: 24, edge: 'long' }]],
];
const cases = rows.flatMap(([name, transforms]) =>
  pictures.map(([height, width]) => ({ name, transforms, height, width })),
);

it.each(cases)('prepares $height x $width by $name as the transforms do', ({ transforms, height, width }) => {
  const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * i * 31 + i * 7) % 256);
  const image = prepare({ data, height, width, channels: 3 }, webSteps(preprocessing(transforms)) as never);
  tidy(() => {
    const pixels = tensorFromBytes(data, 'uint8', [1, height, width, 3]).permute([0, 3, 1, 2]).contiguous();
    const context = { seed: 0, epoch: 0, samples: [0] };
    const expected = transforms.reduce((one, config) => buildTransform(config).apply!(one, context), pixels);
    expect([image.height, image.width]).toEqual(expected.shape.slice(2));
    const wanted = expected.permute([0, 2, 3, 1]).contiguous().bytes();
    const differences = [...image.data].map((value, i) => Math.abs(value - wanted[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(1); // halfway between two levels
    expect(differences.filter((one) => one > 0).length / differences.length).toBeLessThan(0.03);
  });
});

it('resizes to the size of the data where its transforms fix none, and knows what it cannot do', () => {
  const normalize = { type: 'Normalize', mean: [0.5], std: [0.5] };
  expect(webSteps(preprocessing([normalize], [28, 28]))).toEqual([
    { type: 'Resize', size: [28, 28], interpolation: 'bilinear' },
  ]);
  expect(webSteps(preprocessing([normalize]))).toEqual([]);
  const steps = (transform: { type: string }) => () => webSteps(preprocessing([transform]));
  expect(steps({ type: 'ColorJitter' })).toThrow(refusal('unsupported', 'ColorJitter', 'Resize'));
  expect(steps({ type: 'Resize', size: 8, antialias: false } as { type: string })).toThrow(
    refusal('unsupported', 'antialias'),
  );
});

it('writes a folder that needs nothing else, and leaves other files in it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-web-'));
  try {
    writeFileSync(join(folder, 'mine.txt'), 'mine');
    const info = { preprocessing: preprocessing([], [8, 8]), classes: ['a', 'b'] } as unknown as ModelInfo;
    const model = Uint8Array.from([1, 2, 3]);
    writeWebPage(folder, model, info);
    writeWebPage(folder, model, info);
    const files = [
      'classifier.json',
      'classify.js',
      'index.html',
      'mine.txt',
      'model.onnx',
      'ort',
      'page.css',
      'page.js',
    ];
    expect(readdirSync(folder).toSorted()).toEqual(files);
    expect([...readFileSync(join(folder, 'model.onnx'))]).toEqual([1, 2, 3]);
    expect(readdirSync(join(folder, 'ort'))).toHaveLength(6);
    const text = ['index.html', 'page.js', 'classify.js', 'page.css'].map((name) =>
      readFileSync(join(folder, name), 'utf8'),
    );
    expect(text.join('')).not.toMatch(/https?:/);
    const none = { ...info, preprocessing: null };
    expect(() => writeWebPage(folder, model, none)).toThrow(refusal('unsupported', 'images'));
    // a page of somebody's own is not overwritten
    rmSync(join(folder, 'classifier.json'));
    writeFileSync(join(folder, 'index.html'), 'mine');
    expect(() => writeWebPage(folder, model, info)).toThrow(refusal('invalid-argument', 'index.html', folder));
    expect(readFileSync(join(folder, 'index.html'), 'utf8')).toBe('mine');
    expect(() => writeWebPage(join(folder, 'mine.txt'), model, info)).toThrow(refusal('not-found', 'mine.txt', 'file'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
