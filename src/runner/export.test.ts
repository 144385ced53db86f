// A run's student as an ONNX model: as it is, with its preprocessing, in half precision and in 8 bits, and measured.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { tinyExperiment, tinyImages } from '../../test/networks.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';
import { readOnnxFile } from '../formats/index.ts';
import { hasOnnxruntime, openOnnx } from '../models/onnx/session.ts';
import { ops, tidy } from '../torch/index.ts';
import { exportRun, run } from './index.ts';
import type { ExportRunOptions } from './index.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
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

describe.runIf(hasOnnxruntime())('measured', () => {
  it('in 8 bits, on pixels, with probabilities', async () => {
    const asked = { precision: 'int8', preprocessing: true, softmax: true, data: true, sensitivity: true } as const;
    const { check, rows, sensitivity } = await exported('int8.onnx', { ...asked, samples: 8 });
    expect(check.status).toBe('checked');
    expect(rows.map(({ name }) => name)).toEqual(['float32', 'int8']);
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
