// A run's student as an ONNX model: as it is, with its preprocessing, in half precision and in 8 bits, and measured.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from '../../test/networks.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';
import { readOnnxFile } from '../formats/index.ts';
import { hasOnnxruntime, openOnnx } from '../models/onnx/session.ts';
import { saveModule } from '../nn/index.ts';
import { noGrad, ops, tidy } from '../torch/index.ts';
import { buildModel } from '../models/index.ts';
import { exportRun, run, test as measure } from './index.ts';
import type { ExportRunOptions } from './index.ts';

let folder = '';
const at = (...names: string[]): string => join(folder, ...names);
const config = tinyExperiment();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-export-'));
  await run(config, { workDir: at('run') });
});
afterAll(() => rmSync(folder, { recursive: true }));

const exported = (name: string, options: Partial<ExportRunOptions> = {}) =>
  exportRun(config, { onnx: at(name), checkpoint: at('run/student.safetensors'), ...options });

it('writes the student, with the names of the classes', async () => {
  const { model, rows, sensitivity } = await exported('plain.onnx', { opset: 18 });
  const read = readOnnxFile(at('plain.onnx'));
  expect(read.graph.nodes.length).toBe(model.graph.nodes.length);
  expect(read.graph.inputs).toEqual([{ name: 'input', dtype: 'float32', shape: ['batch', 1, 8, 8] }]);
  expect(JSON.parse(read.metadata['classes']!)).toHaveLength(4);
  expect(read.opsets).toEqual([{ domain: '', version: 18 }]);
  expect([rows, sensitivity]).toEqual([[], []]);
});

it('takes images of any size, and leaves the first and the last layer as they are, where that is asked for', async () => {
  const { model } = await exported('sizes.onnx', { dynamicSize: true });
  expect(model.graph.inputs[0]!.shape).toEqual(['batch', 1, 'height', 'width']);
  expect(await refusedWith(exported('x.onnx', { keepFirst: true }))).toEqual(
    refusal('invalid-argument', 'keepFirst', 'int8', 'float32'),
  );
  if (!hasOnnxruntime()) return;
  const weights = async (options: Partial<ExportRunOptions>): Promise<number> => {
    const int8 = await exported('kept.onnx', { precision: 'int8', samples: 8, ...options });
    return int8.model.graph.initializers.filter(({ dtype, dims }) => dtype === 'int8' && dims.length > 1).length;
  };
  const all = await weights({});
  expect(await weights({ keepFirst: true })).toBe(all - 1);
  expect(await weights({ keepFirst: true, keepLast: true })).toBe(all - 2);
});

it('takes the size of images from the data that it is measured on', async () => {
  const resized = (size: number): object => {
    const { transforms, ...rest } = tinyImages(8);
    return { ...rest, transforms: [{ type: 'Resize', size }, ...transforms!] };
  };
  const sizes = tinyExperiment({ trainData: resized(6), valData: resized(10) });
  const { model } = await exportRun(sizes, { onnx: at('sized.onnx'), checkpoint: at('run/student.safetensors') });
  expect(model.graph.inputs[0]!.shape).toEqual(['batch', 1, 10, 10]);
});

it('writes no model whose scores are not finite', async () => {
  if (!hasOnnxruntime()) return;
  const large = buildModel(tinyNetwork(4));
  tidy(() => noGrad(() => large.parameters().forEach((parameter) => parameter.mul_(1e3))));
  saveModule(at('large.safetensors'), large);
  const asking = { checkpoint: at('large.safetensors'), precision: 'float16' } as const;
  expect(await refusedWith(exported('large.onnx', asking))).toEqual(refusal('not-finite', 'float32'));
  expect(existsSync(at('large.onnx'))).toBe(false);
});

it('refuses a config without a checkpoint, and pixels where nothing normalizes last', async () => {
  expect(await refusedWith(exportRun(config, { onnx: at('x.onnx') }))).toEqual(
    refusal('invalid-argument', 'checkpoint', 'export'),
  );
  const bare = tinyExperiment({ valData: { ...tinyImages(16), transforms: [] } });
  const asking = { onnx: at('x.onnx'), checkpoint: at('run/student.safetensors'), preprocessing: true };
  expect(await refusedWith(exportRun(bare, asking))).toEqual(refusal('unsupported', 'Normalize', '--preprocessing'));
  expect(await refusedWith(exported('x.onnx', { stage: 'second' }))).toEqual(refusal('unknown-name', 'second'));
  expect(existsSync(at('x.onnx'))).toBe(false);
});

it('needs no data for the student of a run, and says before it begins what cannot be written', async () => {
  mkdirSync(at('photos/train/one'), { recursive: true });
  mkdirSync(at('photos/val/one'), { recursive: true });
  const bytes = Buffer.concat([Buffer.from('P5 8 8 255\n'), Buffer.alloc(64, 100)]);
  for (const split of ['train', 'val'])
    for (let i = 0; i < 8; i++) writeFileSync(at(`photos/${split}/one/${i}.pgm`), bytes);
  const images = (split: string): object => ({
    dataset: { type: 'ImageFolder', root: at('photos', split), channels: 1 },
    batchSize: 8,
    transforms: [
      { type: 'Resize', size: 8 },
      { type: 'Normalize', mean: [0.5], std: [0.5] },
    ],
  });
  await run(tinyExperiment({ trainData: images('train'), valData: images('val') }), { workDir: at('files') });
  rmSync(at('photos'), { recursive: true });
  const { model } = await exportRun(at('files'), { onnx: at('files.onnx'), preprocessing: true, softmax: true });
  expect(model.graph.inputs[0]).toMatchObject({ dtype: 'uint8', shape: ['batch', 8, 8, 1] });
  await exportRun(at('files'), { onnx: at('files-half.onnx'), precision: 'float16' });
  // What needs images does need them, and is begun only where the result can be written.
  const refusedFor = (options: object): Promise<unknown> =>
    refusedWith(exportRun(at('files'), { onnx: at('other.onnx'), precision: 'int8', ...options }));
  expect(await refusedFor({})).toEqual(refusal('not-found', 'photos'));
  expect(await refusedFor({ onnx: at('none', 'a.onnx') })).toEqual(refusal('not-found', 'onnx', at('none')));
  expect(await refusedFor({ onnx: at('files') })).toEqual(refusal('not-found', 'onnx', 'folder'));
  expect(await refusedFor({ web: at('files.onnx') })).toEqual(refusal('not-found', 'web', 'file'));
  expect(await refusedFor({ samples: 0 })).toEqual(refusal('invalid-argument', 'samples', 'got 0'));
  rmSync(at('files/student.safetensors'));
  expect(await refusedFor({ precision: 'float32' })).toEqual(refusal('not-found', 'student.safetensors'));
  expect(existsSync(at('other.onnx'))).toBe(false);
});

it('takes a student over from an earlier stage', async () => {
  const { model, ...common } = tinyExperiment();
  const architecture = { type: 'FromStage', stage: 'first' };
  const stages = [
    { name: 'first', model },
    { name: 'second', model: { type: 'Supervised', architecture } },
  ];
  await run({ ...common, stages } as never, { workDir: at('stages'), probe: false });
  for (const options of [{}, { data: true, precision: 'float16' }] as const) {
    const { check } = await exportRun(at('stages'), { onnx: at('stage.onnx'), ...options });
    expect(check.status).not.toBe('unchecked');
  }
});

it('of several students takes the one whose weights are named', async () => {
  const students = { one: tinyNetwork(4), two: tinyNetwork(6) };
  const model = { type: 'MutualDistill', students, distiller: logitsDistiller() };
  await run(tinyExperiment({ model }), { workDir: at('peers'), probe: false });
  const parameters = (width: number): number =>
    tidy(() =>
      buildModel(tinyNetwork(width))
        .parameters()
        .reduce((sum, { numel }) => sum + numel, 0),
    );
  for (const [file, name, width] of [
    ['student.safetensors', 'one', 4],
    ['student-two.safetensors', 'two', 6],
  ] as const) {
    const checkpoint = at('peers', file);
    for (const data of [false, true]) {
      const { model: made } = await exportRun(at('peers'), { onnx: at('peer.onnx'), checkpoint, data });
      expect(made.graph.initializers.find(({ name: one }) => one === 'backbone.conv1.weight')?.dims[0]).toBe(width);
    }
    const { details } = await measure(at('peers'), { checkpoint });
    expect(Object.entries(details).map(([key, value]) => [key, value.parameters])).toEqual([[name, parameters(width)]]);
  }
});

describe.runIf(hasOnnxruntime())('measured', () => {
  it('in 8 bits, on pixels, with probabilities', async () => {
    const asked = { precision: 'int8', preprocessing: true, softmax: true, data: true, sensitivity: true } as const;
    const { check, rows, sensitivity } = await exported('int8.onnx', { ...asked, samples: 8 });
    expect(check.status).toBe('checked');
    expect(rows.map(({ name }) => name)).toEqual(['float32', 'float16', 'int8']);
    expect(rows[0]!.accuracy).toBeGreaterThanOrEqual(0);
    expect(sensitivity.length).toBeGreaterThan(1);
    using session = openOnnx(at('int8.onnx'));
    expect(session.inputs).toEqual([{ name: 'input', dtype: 'uint8', shape: ['batch', 8, 8, 1] }]);
    tidy(() => {
      const { probabilities } = session.run([ops.randint(0, 256, [3, 8, 8, 1], { dtype: 'int64' }).to('uint8')]);
      expect(probabilities!.sum(1)).toBeAllClose([1, 1, 1]);
    });
  });

  it('in half precision', async () => {
    const { rows } = await exported('half.onnx', { precision: 'float16', data: true });
    expect(rows.map(({ name }) => name)).toEqual(['float32', 'float16']);
    expect(rows[1]!.bytes).toBeLessThan(rows[0]!.bytes);
  });
});
