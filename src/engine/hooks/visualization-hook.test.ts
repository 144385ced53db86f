// Pictures while training: where they lie, what they are of, that training is not touched by them, and what is refused before it.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { tinyExperiment, tinyImages } from '../../../test/networks.ts';
import { refusal, refusedWith } from '../../../test/refusal.ts';
import { decodeImage } from '../../data/index.ts';
import type { ExperimentConfig } from '../../config/index.ts';
import { run } from '../../runner/index.ts';
import { VisualizationHook } from './index.ts';
import type { VisualizationHookOptions } from './index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-vis-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const drawing: VisualizationHookOptions = {
  recorders: { s: { type: 'ModuleOutputs', source: 'student.backbone.layer1' } },
  mappings: { feat: { recorder: 's' } },
};

function config(options?: Partial<VisualizationHookOptions>, epochs = 4): ExperimentConfig {
  const hooks = options === undefined ? [] : [{ type: 'VisualizationHook', ...drawing, ...options } as const];
  return tinyExperiment({ trainData: tinyImages(16), epochs, hooks: hooks as never });
}

const train = (experiment: ExperimentConfig, name = 'run') =>
  run(experiment, { workDir: join(folder, name), progress: { step() {}, line() {} }, overwrite: true });
const drawn = (name = 'run', map = 'feat'): string[] => readdirSync(join(folder, name, 'vis', map)).toSorted();

it('draws before training and every interval, of each sample, and changes nothing else', async () => {
  await train(config({ interval: 2, dataIdx: [1, 3] }));
  expect(drawn()).toEqual(
    [1, 3].flatMap((sample) => [0, 2, 4].map((epoch) => `sample-${sample}-epoch-00${epoch}.png`)),
  );
  const bytes = (file: string): Buffer => readFileSync(join(folder, 'run', 'vis', 'feat', file));
  expect(bytes('sample-1-epoch-000.png').equals(bytes('sample-1-epoch-004.png'))).toBe(false);
  await train(config(), 'plain');
  const student = (name: string): Buffer => readFileSync(join(folder, name, 'student.safetensors'));
  expect(student('run').equals(student('plain'))).toBe(true);
  // a shorter run in its place leaves no pictures of later epochs
  await train(config({ dataIdx: 1 }, 1));
  expect(drawn()).toEqual(['sample-1-epoch-000.png', 'sample-1-epoch-001.png']);
});

it('draws nothing where it is not enabled', async () => {
  await train(config({ enabled: false }, 1));
  expect(existsSync(join(folder, 'run', 'vis'))).toBe(false);
});

it('draws differences, in sizes that were asked for, elsewhere', async () => {
  const options: Partial<VisualizationHookOptions> = {
    mappings: { 'feat/diff': { recorder: 's', minus: { recorder: 's' } }, '../up': { recorder: 's' } },
    ...{ resizeShape: [20, 30], scaleBar: false, isOverlaid: false, outDir: join(folder, 'elsewhere') },
  };
  await train(config(options, 1));
  expect(readdirSync(join(folder, 'elsewhere')).toSorted()).toEqual(['__up', 'feat_diff']);
  const picture = await decodeImage(join(folder, 'elsewhere', 'feat_diff', 'sample-0-epoch-001.png'));
  expect([picture.height, picture.width]).toEqual([20, 30]);
  expect(new Set(picture.data)).toEqual(new Set([0x44, 0x01, 0x54])); // nothing differs from itself
});

it('says before training what cannot be drawn', async () => {
  const refused = async (options: Partial<VisualizationHookOptions>) => refusedWith(train(config(options, 1)));
  const wrong = { recorders: { s: { type: 'ModuleOutputs', source: 'student.backbone.layer9' } } };
  expect(await refused(wrong)).toEqual(refusal('unknown-name', 'layer9', 'backbone.layer1'));
  expect(await refused({ dataIdx: 100_000 })).toEqual(refusal('invalid-argument', 'dataIdx', 100_000));
  const neck = { recorders: { s: { type: 'ModuleOutputs', source: 'student.neck' } } };
  expect(await refused(neck)).toEqual(refusal('invalid-argument', 'feat', 'pooling'));
  expect(await refused({ mappings: { feat: { recorder: 't' } } })).toEqual(refusal('unknown-name', '"t"', '"s"'));
  expect(() => new VisualizationHook({ ...drawing, channelReduction: null, topk: 9, arrangement: [2, 2] })).toThrow(
    refusal('invalid-argument', 'VisualizationHook', 'arrangement', 9, 4),
  );
  expect(() => new VisualizationHook({ ...drawing, intervall: 2 } as never)).toThrow(
    refusal('unknown-option', 'intervall', 'interval'),
  );
});

it('goes on training where a later picture cannot be written', async () => {
  mkdirSync(join(folder, 'out', 'feat'), { recursive: true });
  const lines: string[] = [];
  const blocked = join(folder, 'out', 'feat');
  await run(config({ outDir: join(folder, 'out') }, 2), {
    workDir: join(folder, 'run'),
    progress: {
      step({ epoch }) {
        if (epoch > 1 || !existsSync(blocked)) return;
        rmSync(blocked, { recursive: true });
        writeFileSync(blocked, '');
      },
      line: (text) => void lines.push(text),
    },
  });
  expect(lines.filter((line) => line.startsWith('note: no pictures of epoch'))).toHaveLength(2);
  expect(existsSync(join(folder, 'run', 'student.safetensors'))).toBe(true);
});
