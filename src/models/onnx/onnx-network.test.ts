// A network out of an ONNX file: its outputs, values inside by name, batches of a fixed size, and what is refused.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { refusal, refusedWith } from '../../../test/refusal.ts';
import { logitsDistiller, tinyExperiment, tinyNetwork } from '../../../test/networks.ts';
import { ModuleOutputsRecorder, OnnxOutputsRecorder, RecorderManager } from '../../distill/recorders/index.ts';
import { onnxModelBytes } from '../../formats/index.ts';
import type { OnnxNode } from '../../formats/index.ts';
import { ModuleDict } from '../../nn/index.ts';
import { run } from '../../runner/index.ts';
import { keep, randn, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildModel, OnnxNetwork } from '../index.ts';
import { hasOnnxruntime } from './session.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
const node = (opType: string, inputs: string[], output: string): OnnxNode => {
  return { opType, name: output, inputs, outputs: [output], attributes: {} };
};

/** Images `(batch, 1, size, size)`: flattened, `hidden = relu(flat W)`, `logits = hidden V`. */
function writeModel(name: string, options: { batch?: number | string; size?: number; inputs?: number } = {}): string {
  const { batch = 'n', size = 2, inputs = 1 } = options;
  const weight = (name: string, dims: number[], value: (i: number) => number) => {
    const data = Float32Array.from({ length: dims[0]! * dims[1]! }, (_, i) => value(i));
    return { name, dtype: 'float32' as const, dims, data: new Uint8Array(data.buffer) };
  };
  const shape = [batch, 1, size, size];
  const bytes = onnxModelBytes({
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    metadata: {},
    graph: {
      name: 'g',
      nodes: [
        node('Flatten', ['images'], '/flat'),
        node('MatMul', ['/flat', 'W'], '/fc/MatMul_output_0'),
        node('Relu', ['/fc/MatMul_output_0'], '/relu/Relu_output_0'),
        node('MatMul', ['/relu/Relu_output_0', 'V'], 'logits'),
      ],
      initializers: [weight('W', [size * size, 3], (i) => (i % 5) - 2), weight('V', [3, 4], (i) => (i % 3) - 1)],
      inputs: ['images', 'more'].slice(0, inputs).map((one) => ({ name: one, dtype: 'float32', shape })),
      outputs: [
        { name: 'logits', dtype: 'float32', shape: [batch, 4] },
        { name: '/relu/Relu_output_0', dtype: 'float32', shape: [batch, 3] },
      ],
    },
  });
  writeFileSync(at(name), bytes);
  return at(name);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-onnx-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.runIf(hasOnnxruntime())('OnnxNetwork', () => {
  it('gives the first output, one by name, or several', () => {
    const file = writeModel('any.onnx');
    using net = new OnnxNetwork({ file });
    using both = new OnnxNetwork<Tensor[]>({ file, outputs: ['/relu/Relu_output_0', 'logits'] });
    using hidden = new OnnxNetwork({ file, outputs: '/relu/Relu_output_0' });
    expect(net.parameters()).toEqual([]);
    tidy(() => {
      const images = randn([3, 1, 2, 2]);
      const logits = net.forward(images);
      expect(logits.shape).toEqual([3, 4]);
      expect(both.forward(images)).toHaveLength(2);
      expect(both.forward(images)[1]).toBeAllClose(logits);
      expect(hidden.forward(images)).toBeAllClose(both.forward(images)[0]!);
      expect(net.forward(images, undefined, 'predict')).toBeAllClose(logits.softmax(1));
      expect(() => net.forward(images, { labels: tensor([0]) }, 'loss')).toThrow(refusal('unsupported', 'loss'));
    });
  });

  it('runs a file of a fixed batch in pieces, and gives values inside by name', () => {
    using free = new OnnxNetwork({ file: writeModel('any.onnx') });
    using fixed = new OnnxNetwork({ file: writeModel('two.onnx', { batch: 2 }) });
    tidy(() => {
      const images = randn([5, 1, 2, 2]);
      const seen: Tensor[] = [];
      {
        using _watch = fixed.watchValue('/fc/MatMul_output_0', (value) => seen.push(keep(value)));
        expect(fixed.forward(images)).toBeAllClose(free.forward(images));
        expect(fixed.forward(images.narrow(0, 0, 2)).shape).toEqual([2, 4]);
        expect([fixed, free].map((net) => net.forward(images.narrow(0, 0, 0)).shape)).toEqual([
          [0, 4],
          [0, 4],
        ]);
      }
      fixed.forward(images);
      expect(seen.map(({ shape }) => shape)).toEqual([
        [5, 3],
        [2, 3],
        [0, 3],
      ]);
      using relu = new OnnxNetwork({ file: at('any.onnx'), outputs: '/relu/Relu_output_0' });
      expect(seen[0]!.relu()).toBeAllClose(relu.forward(images));
      for (const value of seen) value.dispose();
    });
  });

  it('is recorded by the names of its values; a misspelled one is told the nearest', () => {
    using net = new OnnxNetwork({ file: writeModel('any.onnx') });
    const recorders = new RecorderManager({
      hidden: { type: 'OnnxOutputs', source: '/fc/MatMul_output_0' },
      logits: { type: 'ModuleOutputs', source: '' },
    });
    recorders.initialize(net);
    tidy(() => {
      const images = randn([2, 1, 2, 2]);
      const output = recorders.record(() => net.forward(images));
      expect((recorders.getRecorder('hidden').getRecordData() as Tensor).shape).toEqual([2, 3]);
      expect(recorders.getRecorder('logits').getRecordData()).toBe(output);
    });
    expect(() => new ModuleOutputsRecorder('head.fc').initialize(net)).toThrow(
      refusal('unknown-name', 'head.fc', 'OnnxOutputs', 'inspect'),
    );
    const initialize =
      (source: string, model = net as never) =>
      () =>
        void new OnnxOutputsRecorder(source).initialize(model);
    expect(initialize('/fc/MatMul_output')).toThrow(refusal('unknown-name', '/fc/MatMul_output_0'));
    expect(initialize('relu')).toThrow(refusal('unknown-name', '/relu/Relu_output_0'));
    expect(initialize('/flat', buildModel(tinyNetwork(4)) as never)).toThrow(refusal('mismatch', 'ImageClassifier'));
    const two = new ModuleDict({ a: net, b: new OnnxNetwork({ file: at('any.onnx') }) });
    expect(initialize('/flat', two as never)).toThrow(refusal('mismatch', 'several', 'a:/flat'));
    expect(initialize('b:/flat', two as never)).not.toThrow();
  });

  it('teaches: a value of the file, from a config', async () => {
    const file = writeModel('teacher.onnx', { size: 8 });
    const distiller = logitsDistiller();
    const config = tinyExperiment({
      model: {
        type: 'SingleTeacherDistill',
        architecture: tinyNetwork(4),
        teacher: { type: 'OnnxNetwork', file },
        distiller: {
          ...distiller,
          teacherRecorders: { fc: { type: 'OnnxOutputs', source: 'logits' } },
        },
      },
      evaluated: ['student', 'teacher'],
    });
    const { stages } = await run(config, { workDir: at('run') });
    expect(stages[0]!.metrics).toMatchObject({
      student: { accuracy: expect.any(Number) as number },
      teacher: { accuracy: expect.any(Number) as number },
    });
  });

  it('refuses files that are none, other outputs, and several inputs', async () => {
    const make = (options: object) => () => new OnnxNetwork(options as never);
    expect(make({ file: at('none.onnx') })).toThrow(refusal('not-found', 'none.onnx'));
    writeFileSync(at('text.onnx'), 'not ONNX at all');
    expect(make({ file: at('text.onnx') })).toThrow(/text\.onnx/);
    expect(make({ file: writeModel('any.onnx'), outputs: 'logit' })).toThrow(
      refusal('unknown-name', 'logit', 'logits'),
    );
    expect(make({ file: writeModel('many.onnx', { inputs: 2 }) })).toThrow(refusal('unsupported', 'images, more'));
    expect(make({ file: 3 })).toThrow(refusal('invalid-argument', 'file'));
    using net = new OnnxNetwork({ file: at('any.onnx') });
    tidy(() => expect(() => net.forward(randn([1, 1, 3, 3]))).toThrow(refusal('invalid-argument', 'images')));
    const model = { type: 'Supervised', architecture: { type: 'OnnxNetwork', file: at('any.onnx') } };
    expect(await refusedWith(run(tinyExperiment({ model }), { workDir: at('no') }))).toEqual(
      refusal('invalid-argument', 'parameter'),
    );
  });
});
