// Models in 8 bits and in half precision: what becomes integers, how near they stay, and what is refused.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { onnxModelBytes } from '../formats/index.ts';
import type { OnnxModel, OnnxTensor } from '../formats/index.ts';
import { hasOnnxruntime, openOnnx } from '../models/onnx/session.ts';
import { BatchNorm2d, Conv2d, Linear, Module, MaxPool2d } from '../nn/index.ts';
import { manualSeed, ops, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { leastDivergence, within } from './calibrate.ts';
import { deploymentTable, sensitivity } from './compare.ts';
import { exportOnnx } from './export-onnx.ts';
import { halfOf } from './graph-builder.ts';
import { toHalf } from './half.ts';
import { quantizeOnnx } from './quantize.ts';

class Net extends Module {
  readonly conv1 = new Conv2d(3, 8, { kernelSize: 3, padding: 1 });
  readonly bn = new BatchNorm2d(8);
  readonly pool = new MaxPool2d(2);
  readonly conv2 = new Conv2d(8, 8, { kernelSize: 3, padding: 1, groups: 2 });
  readonly fc1 = new Linear(8, 16);
  readonly fc2 = new Linear(16, 4);

  override forward(x: Tensor): Tensor {
    const map = this.pool.forward(this.bn.forward(this.conv1.forward(x)).relu());
    const [left, right] = this.conv2.forward(map).add(map).relu().chunk(2, 1);
    const vector = ops.cat([left!, right!.clamp(0, 6)], 1).mean([2, 3]);
    return this.fc2.forward(this.fc1.forward(vector).relu());
  }
}

const image = [3, 8, 8];
let model: OnnxModel;
let batches: Tensor[] = [];

beforeAll(() => {
  manualSeed(11);
  tidy(() => {
    model = exportOnnx(new Net(), ops.randn([1, ...image]), { check: false }).model;
    batches = [0, 1, 2].map(() => ops.randn([16, ...image]).keep());
  });
});
afterAll(() => {
  for (const batch of batches) batch.dispose();
});

const names = (opType: string, { graph }: OnnxModel): string[] =>
  graph.nodes.filter((node) => node.opType === opType).map(({ name }) => name);
const constant = (wanted: string, { graph }: OnnxModel): OnnxTensor =>
  graph.initializers.find(({ name }) => name === wanted)!;
const layers = ['/conv1/Conv', '/conv2/Conv', '/fc1/Gemm', '/fc2/Gemm'];

/** The largest change of a score, in parts of the largest score. */
function change(made: OnnxModel): number {
  using before = openOnnx(onnxModelBytes(model));
  using after = openOnnx(onnxModelBytes(made));
  return tidy(() => {
    const [a, b] = [before, after].map((session) => session.run([batches[2]!])['logits']!);
    return a!.sub(b!).abs().max().item() / a!.abs().max().item();
  });
}

describe.runIf(hasOnnxruntime())('quantizeOnnx', () => {
  it.each(['minmax', 'percentile', 'entropy'] as const)('stays near with %s', (method) => {
    const made = quantizeOnnx(model, { calibration: batches, method });
    expect(made.layers).toEqual(layers);
    expect(change(made.model)).toBeLessThan(method === 'entropy' ? 0.15 : 0.06);
    expect(made.model.graph.inputs).toEqual(model.graph.inputs);
    expect(made.model.graph.outputs).toEqual(model.graph.outputs);
  });

  it('is nearer with all bits of the weights, and takes int8 activations', () => {
    const [seven, eight, signed] = [{}, { reduceRange: false }, { activations: 'int8' } as const].map(
      (options) => quantizeOnnx(model, { calibration: batches, ...options }).model,
    );
    expect(change(eight!)).toBeLessThan(change(seven!) + 0.01);
    expect(change(signed!)).toBeLessThan(0.06);
    expect(constant('input_zero_point', signed!).dtype).toBe('int8');
  });

  it('keeps weights as int8, each channel in a scale of its own, and biases as int32', () => {
    const { model: made } = quantizeOnnx(model, { calibration: batches });
    const weight = constant('conv1.weight_quantized', made);
    expect(weight).toMatchObject({ dtype: 'int8', dims: [8, 3, 3, 3] });
    const values = new Int8Array(weight.data);
    expect(Math.max(...values)).toBeLessThanOrEqual(64);
    // Each channel has a value that is as large as can be.
    const rows = Array.from({ length: 8 }, (_, i) => [...values.slice(27 * i, 27 * (i + 1))].map(Math.abs));
    expect(rows.map((row) => Math.max(...row))).toEqual(rows.map(() => 64));
    expect(constant('conv1.weight_scale', made).dims).toEqual([8]);
    expect(constant('conv1.bias_quantized', made)).toMatchObject({ dtype: 'int32', dims: [8] });
    expect(made.graph.initializers.some(({ name }) => name === 'conv1.weight')).toBe(false);
  });

  it('rounds behind rectifiers, once a value, and not what goes out', () => {
    const { model: made, ranges } = quantizeOnnx(model, { calibration: batches });
    const rounded = names('QuantizeLinear', made).map((name) => name.replace('_QuantizeLinear', ''));
    expect(rounded).toContain('input');
    expect(rounded.some((name) => name.includes('Conv_output') && name.startsWith('/conv1'))).toBe(false);
    expect(rounded).not.toContain('logits');
    expect(new Set(rounded).size).toBe(rounded.length);
    // Behind a rectifier 0 is the least: no step is lost below it.
    const relu = rounded.find((name) => name.startsWith('/Relu'))!;
    expect(ranges.get(relu)!.low).toBe(0);
    expect([...constant(`${relu}_zero_point`, made).data]).toEqual([0]);
    // Pooling picks values: their scale stays.
    const pool = rounded.find((name) => name.startsWith('/pool'))!;
    expect(constant(`${pool}_scale`, made).data).toEqual(constant(`${relu}_scale`, made).data);
  });

  it('leaves layers as they are', () => {
    const kept = (options: object): readonly string[] =>
      quantizeOnnx(model, { calibration: batches, ...options }).layers;
    expect(kept({ keepFirst: true })).toEqual(layers.slice(1));
    expect(kept({ keepLast: true })).toEqual(layers.slice(0, -1));
    expect(kept({ exclude: ['/conv2/Conv', /fc\d/g] })).toEqual(['/conv1/Conv']);
  });

  it('refuses what makes no sense', () => {
    const one = (options: object) => () => quantizeOnnx(model, { calibration: batches, ...options });
    expect(one({ method: 'best' })).toThrow(refusal('invalid-argument', 'method', 'best', 'minmax'));
    expect(one({ activations: 'int4' })).toThrow(refusal('invalid-argument', 'activations', 'int4'));
    expect(one({ percentile: 101 })).toThrow(refusal('invalid-argument', 'percentile', '101'));
    expect(one({ exclude: ['/conv9'] })).toThrow(refusal('unknown-name', '/conv9', '/conv1/Conv'));
    expect(one({ exclude: [/./] })).toThrow(refusal('invalid-argument'));
    expect(one({ calibration: [] })).toThrow(refusal('invalid-argument', 'calibration'));
    expect(one({ calibration: undefined })).toThrow(refusal('invalid-argument', 'calibration', 'undefined'));
    expect(one({ calibration: [1] })).toThrow(refusal('invalid-argument', 'calibration', '1'));
    const once = [batches[0]!].values();
    expect(one({ calibration: once, method: 'percentile' })).toThrow(refusal('invalid-argument', '16', '0', 'list'));
    tidy(() => {
      const wrong = ops.full([1, ...image], NaN);
      expect(one({ calibration: [wrong] })).toThrow(refusal('not-finite', 'input'));
    });
  });

  it('tells which layer costs most', () => {
    const found = sensitivity(model, { calibration: batches });
    expect(found.map(({ layer }) => layer).toSorted()).toEqual(layers);
    const costs = found.map((one) => one.change);
    expect(costs).toEqual(costs.toSorted((a, b) => b - a));
    expect(costs[0]).toBeGreaterThan(0);
    expect(found.every(({ agreement, accuracy }) => agreement > 80 && accuracy === undefined)).toBe(true);
    function* once() {
      for (const inputs of batches) yield { inputs };
    }
    expect(sensitivity(model, { calibration: batches, data: once() })).toEqual(found);
    expect(() => sensitivity(model, { calibration: batches, data: [] })).toThrow(
      refusal('invalid-argument', 'data', 'got none'),
    );
  });

  it('compares models', () => {
    const { model: made } = quantizeOnnx(model, { calibration: batches });
    tidy(() => {
      using session = openOnnx(onnxModelBytes(model));
      const data = batches.map((inputs) => ({ inputs, labels: session.run([inputs])['logits']!.argmax(1) }));
      data[0]!.labels.fill_(4);
      const rows = deploymentTable({ float: model, int8: made, none: onnxModelBytes(toHalf(model)) }, data, {
        runs: 3,
      });
      expect(rows.map(({ name }) => name)).toEqual(['float', 'int8', 'none']);
      expect(rows[0]).toMatchObject({ accuracy: expect.closeTo(200 / 3, 5), agreement: 100 });
      expect(rows[1]!.agreement).toBeGreaterThan(80);
      expect(rows.every(({ latency, bytes }) => latency > 0 && bytes > 100)).toBe(true);
      expect(() => deploymentTable({}, data)).toThrow(refusal('invalid-argument', 'models'));
      expect(() => deploymentTable({ model }, [])).toThrow(refusal('invalid-argument', 'data'));
      expect(() => deploymentTable({ model }, data, { runs: 0 })).toThrow(refusal('invalid-argument', 'runs', '0'));
      expect(() => deploymentTable(['/nowhere.onnx'], data)).toThrow(refusal('not-found', '/nowhere.onnx'));
    });
  });
});

describe('ranges', () => {
  it('without the outermost values', () => {
    const histogram = new Float64Array(100).fill(100);
    histogram[99] = 1;
    const { low, high } = within(histogram, { low: 0, high: 100 }, 99);
    expect([low, high]).toEqual([0, 99]);
    expect(within(new Float64Array(100).fill(1), { low: 0, high: 100 }, 90)).toEqual({ low: 5, high: 95 });
    expect(within(histogram, { low: 0, high: 100 }, 100)).toEqual({ low: 0, high: 100 });
    expect(within(new Float64Array(100), { low: 2, high: 2 }, 99.9)).toEqual({ low: 2, high: 2 });
  });

  it('where most values are, by divergence', () => {
    const histogram = new Float64Array(2048);
    for (let i = 0; i < 256; i++) histogram[i] = 1000 * Math.exp(-((i / 100) ** 2));
    histogram[2047] = 1;
    const { low, high } = leastDivergence(histogram, { low: 0, high: 2048 });
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(120);
    expect(high).toBeLessThan(1024);
  });
});

describe('toHalf', () => {
  it.runIf(hasOnnxruntime())('stays near, with float32 outside', () => {
    const half = toHalf(model);
    expect(half.graph.inputs).toEqual(model.graph.inputs);
    expect(half.graph.outputs).toEqual(model.graph.outputs);
    expect(constant('conv1.weight', half).dtype).toBe('float16');
    expect(change(half)).toBeLessThan(5e-3);
    expect(() => toHalf(quantizeOnnx(model, { calibration: batches }).model)).toThrow(refusal('unsupported', '8 bits'));
  });

  it('refuses numbers that are too large, and keeps those that are too small from being 0', () => {
    const withBias = (value: number): OnnxModel => {
      const data = new Uint8Array(Float32Array.of(value, 1, 1, 1).buffer);
      const initializers = model.graph.initializers.map((one) => (one.name === 'fc2.bias' ? { ...one, data } : one));
      return { ...model, graph: { ...model.graph, initializers } };
    };
    expect(() => toHalf(withBias(1e5))).toThrow(refusal('not-finite', 'fc2.bias', '100000'));
    expect(constant('fc2.bias', toHalf(withBias(1e-12))).data.slice(0, 2)).toEqual(Uint8Array.of(1, 0));
  });

  it('rounds as libtorch does', () => {
    tidy(() => {
      const values = [
        0,
        -0,
        1,
        -1.5,
        65_504,
        65_519,
        65_520,
        1e9,
        -Infinity,
        6e-8,
        3e-8,
        2e-8,
        6.1e-5,
        0.1,
        2049,
        2051,
        1 / 3,
      ];
      const bits = new Uint16Array(tensor(values).to('float16').bytes().buffer);
      expect(values.map(halfOf)).toEqual([...bits]);
      expect(halfOf(NaN) & 0x7c_00).toBe(0x7c_00);
    });
  });
});
