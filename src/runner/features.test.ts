// Feature maps of runs and configs: whose they are, what is between them, through which connector, and what is refused.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { tinyExperiment, tinyNetwork } from '../../test/networks.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';
import { ModuleOutputsRecorder } from '../distill/recorders/index.ts';
import { reduceChannels } from '../features/numbers.ts';
import { mapsOf } from '../features/maps.ts';
import { noGrad, tensor, tidy } from '../torch/index.ts';
import type { RetortError } from '../errors.ts';
import { features, loadRunStudent, run } from './index.ts';
import type { DrawnFeature, FeaturesOptions } from './index.ts';

let folder = '';
const at = (...parts: string[]): string => join(folder, ...parts);
const layer = 'backbone.layer1';

const config = tinyExperiment({
  model: {
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { feat: { type: 'ModuleOutputs', source: layer } },
      teacherRecorders: { feat: { type: 'ModuleOutputs', source: layer } },
      connectors: { wider: { type: 'ConvModuleConnector', inChannel: 4, outChannel: 6 } },
      distillLosses: { loss_feat: { type: 'L2Loss' } },
      lossForwardMappings: {
        loss_feat: {
          sFeature: { recorder: 'feat', fromStudent: true, connector: 'wider' },
          tFeature: { recorder: 'feat', fromStudent: false },
        },
      },
    },
  },
  allowInitialWeights: ['teacher'],
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-features-'));
  const progress = { step() {}, line() {} };
  await run(config, { workDir: at('kd'), progress });
  await run(config, { workDir: at('longer'), epochs: 2, progress });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** 8 x 8, a slope. */
const image = {
  ...{ height: 8, width: 8, channels: 1 },
  data: Uint8Array.from({ length: 64 }, (_, i) => (i % 8) * 32),
};

async function drawn(options: Partial<FeaturesOptions>, source: Parameters<typeof features>[0] = at('kd')) {
  return drawnOf([image], options, source);
}

async function drawnOf(
  images: Parameters<typeof features>[1],
  options: Partial<FeaturesOptions> = {},
  source: Parameters<typeof features>[0] = at('kd'),
) {
  const all: DrawnFeature[] = [];
  for await (const one of features(source, images, { record: [layer], scaleBar: false, ...options })) all.push(one);
  return all;
}

it('draws the very map that the student computes', async () => {
  const [one, ...more] = await drawn({ channelReduction: 'pixel_wise_max', overlay: false, resizeShape: [8, 8] });
  expect(more).toEqual([]);
  expect(one).toMatchObject({ image: 0, record: layer, side: 'student', part: undefined, shape: [4, 8, 8] });
  using student = await loadRunStudent(at('kd'));
  tidy(() => {
    const recorder = new ModuleOutputsRecorder(layer).initialize(student.network);
    const pixels = tensor(Array.from(image.data, (value) => (value / 255 - 0.5) / 0.5)).reshape([1, 1, 8, 8]);
    noGrad(() => recorder.record(() => student.network.forward(pixels)));
    const [map] = mapsOf(recorder.getRecordData(), { inputSize: [8, 8], what: 'feat' });
    const { data } = reduceChannels(map!, 'pixel_wise_max');
    expect(one!.picture.range[0]).toBeCloseTo(Math.min(...data), 4);
    expect(one!.picture.range[1]).toBeCloseTo(Math.max(...data), 4);
  });
});

it('draws both, and what is between them after a connector', async () => {
  const both = await drawn({ side: 'both' });
  expect(both.map(({ side, shape }) => [side, shape[0]])).toEqual([
    ['student', 4],
    ['teacher', 6],
  ]);
  const teacher = await drawn({ side: 'teacher' });
  expect(teacher.map(({ side, picture }) => [side, picture.range])).toEqual([['teacher', both[1]!.picture.range]]);
  const [one] = await drawn({ side: 'diff', connector: 'wider' });
  expect([one!.side, ...one!.shape]).toEqual(['diff', 6, 8, 8]);
  expect(one!.picture.range[0]).toBeGreaterThanOrEqual(0);
  expect(one!.picture.range[1]).toBeGreaterThan(0);
  const [connected] = await drawn({ connector: 'wider' });
  expect(connected!.shape[0]).toBe(6);
  const [longer] = await drawn({ connector: 'wider' }, at('longer'));
  expect(longer!.picture.range).not.toEqual(connected!.picture.range);
});

it('compares a student with itself under other weights', async () => {
  const [other] = await drawn({ against: at('longer') });
  expect(other).toMatchObject({ side: 'diff', shape: [4, 8, 8] });
  expect(other!.picture.range[1]).toBeGreaterThan(0);
  const [file] = await drawn({ against: at('longer', 'student.safetensors') });
  expect(file!.picture.data).toEqual(other!.picture.data);
  const [same] = await drawn({ against: at('kd') });
  expect(same!.picture.range).toEqual([0, 0]);
});

it('goes on where an image cannot be read, if somebody is told', async () => {
  const told: [number, RetortError][] = [];
  const all: number[] = [];
  const skipped = (at: number, error: RetortError): void => void told.push([at, error]);
  const images = [image, at('none.png'), image];
  for await (const one of features(at('kd'), images, { record: [layer], skipped })) all.push(one.image);
  expect(all).toEqual([0, 2]);
  expect(told).toEqual([[1, refusal('not-found', 'none.png')]]);
  expect(await refusedWith(drawnOf([at('none.png')]))).toEqual(refusal('not-found', 'none.png'));
});

it('takes a config, whose student has no weights yet, and says so', async () => {
  const notes: string[] = [];
  const [one] = await drawn({ note: (text) => void notes.push(text) }, config);
  expect(one!.shape).toEqual([4, 8, 8]);
  expect(notes).toEqual([expect.stringContaining('weights that it begins with')]);
  const checkpoint = at('kd', 'student.safetensors');
  const [trained] = await drawn({ checkpoint }, config);
  expect(trained!.picture.data).toEqual((await drawn({}))[0]!.picture.data);
});

it('draws what a transformer looks at, its block or the weights named, and its tokens as they lie', async () => {
  const transformer = tinyExperiment({
    model: {
      type: 'Supervised',
      architecture: {
        type: 'ImageClassifier',
        backbone: {
          ...{ type: 'VisionTransformer', imgSize: 8, patchSize: 2, inChannels: 1 },
          arch: { embedDims: 8, numLayers: 1, numHeads: 2, feedforwardChannels: 16 },
        },
        head: { type: 'VisionTransformerClsHead', numClasses: 4, inChannels: 8 },
      },
    },
  });
  const paths = ['backbone.layers.0', 'backbone.layers.0.attn', 'backbone.layers.0.attn.attn_drop'];
  const maps = await drawn({ record: paths, attention: true }, transformer);
  expect(maps.map(({ shape }) => shape)).toEqual(paths.map(() => [2, 4, 4])); // heads, 4 x 4 patches
  expect(maps[1]!.picture.range).toEqual(maps[0]!.picture.range);
  const [tokens] = await drawn({ record: ['backbone.layers.0'] }, transformer);
  expect(tokens!.shape).toEqual([8, 4, 4]);
});

it('refuses what cannot be drawn, and names the way out', async () => {
  const refused = (options: Partial<FeaturesOptions>, source?: Parameters<typeof features>[0]) =>
    refusedWith(drawn(options, source));
  expect(await refused({ record: ['backbone.layer2'] })).toEqual(refusal('unknown-name', 'layer2', layer));
  expect(await refused({ record: ['neck'] })).toEqual(refusal('invalid-argument', 'pooling'));
  expect(await refused({ side: 'diff' })).toEqual(refusal('mismatch', '[4, 8, 8]', '[6, 8, 8]', '--connector'));
  expect(await refused({ side: 'diff', connector: 'widr' })).toEqual(refusal('unknown-name', 'widr', 'wider'));
  expect(await refused({ side: 'both', teacher: 'teachr' })).toEqual(refusal('unknown-name', 'teachr', '"teacher"'));
  expect(await refused({ connector: 'wider' }, config)).toEqual(refusal('not-found', 'wider', 'training.safetensors'));
  expect(await refused({ side: 'both', against: at('kd') })).toEqual(refusal('invalid-argument', 'against', 'both'));
  expect(await refused({ connector: 'wider', against: at('kd') })).toEqual(refusal('invalid-argument', 'connector'));
  expect(await refused({ attention: true })).toEqual(refusal('invalid-argument', 'attention', 'sum'));
  expect(await refused({ record: [layer, 'backbone'], teacherRecord: [layer], side: 'both' })).toEqual(
    refusal('invalid-argument', 'teacherRecord', 2, 1),
  );
  const alone = tinyExperiment();
  expect(await refused({ side: 'teacher' }, alone)).toEqual(refusal('unknown-name', 'no teacher', 'Supervised'));
  expect(await refused({ sied: 'both' } as never)).toEqual(refusal('unknown-option', 'sied', 'side'));
});
