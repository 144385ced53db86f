// Layers that compute with rounded weights and inputs: the rounding by hand, gradients that pass, what stays as it was.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyNetwork } from '../../test/networks.ts';
import { refusal } from '../../test/refusal.ts';
import type { SingleTeacherDistill } from '../distill/algorithms/index.ts';
import { buildModel } from '../models/index.ts';
import { run } from '../runner/index.ts';
import { grad, randn, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { BatchNorm2d, Conv2d, floatAgain, Linear, QuantizationAware, ReLU, Sequential } from './index.ts';

const small = (): Sequential =>
  new Sequential(
    new Conv2d(2, 3, { kernelSize: 3 }),
    new BatchNorm2d(3),
    new ReLU(),
    new Conv2d(3, 2, { kernelSize: 1 }),
  );

/** Rounded to whole steps, by hand. */
function rounded(value: number, scale: number, zero: number, least: number, most: number): number {
  const q = Math.min(most, Math.max(least, Math.round(value / scale) + zero));
  return (q - zero) * scale;
}

it('rounds weights by output channel and inputs by their range', () => {
  const layer = new Linear(3, 2, { bias: false });
  const aware = new QuantizationAware(layer, { weightBits: 3, activationBits: 2 });
  tidy(() => {
    const x = tensor([[-1, 0.4, 2]]);
    const weight = [...layer.weight.data()].map(Number);
    const output = layer.forward(x);
    const inputs = [-1, 0.4, 2].map((value) => rounded(value, 1, 1, 0, 3)); // 3 steps from -1 to 2
    const expected = [0, 1].map((row) => {
      const own = weight.slice(3 * row, 3 * row + 3);
      const scale = Math.max(...own.map(Math.abs)) / 3;
      return own.reduce((sum, value, i) => sum + rounded(value, scale, 0, -3, 3) * inputs[i]!, 0);
    });
    expect(output).toBeAllClose([expected], { rtol: 1e-5 });
    aware.detach();
    expect(layer.forward(x)).toBeAllClose(x.mm(layer.weight.t()));
  });
});

it('leaves the state dict, passes gradients, and does not depend on batch norms behind', () => {
  const net = small();
  const names = Object.keys(tidy(() => net.stateDict()));
  const aware = new QuantizationAware(net);
  expect(Object.keys(tidy(() => net.stateDict()))).toEqual(names);
  expect([...aware.quantizers.keys()]).toEqual(['0', '3']);
  tidy(() => {
    const x = randn([4, 2, 6, 6]);
    const [first, second] = grad(
      [net.forward(x).square().sum()],
      [net.parameters()[0]!, net.parameters()[4]!],
    ) as Tensor[];
    expect(first!.abs().sum().item()).toBeGreaterThan(0);
    expect(second!.abs().sum().item()).toBeGreaterThan(0);
    // the greatest and least of the first batch are the range
    const range = aware.quantizers.get('0');
    expect(range.greatest.item()).toBeCloseTo(x.max().item(), 6);
    expect(range.least.item()).toBeCloseTo(x.min().item(), 6);
    net.forward(x.mul(3));
    expect(range.greatest.item()).toBeCloseTo(x.max().item() * 1.02, 4);
    net.eval();
    const before = range.greatest.item();
    net.forward(x.mul(100));
    expect(range.greatest.item()).toBe(before);
  });
});

it('rounds nothing before it has seen a training batch', () => {
  const net = small().eval();
  tidy(() => {
    const x = randn([1, 2, 4, 4]);
    const plain = net.forward(x);
    const aware = new QuantizationAware(net, { exclude: ['3'] });
    const weight = net.parameters()[0]!;
    expect(net.forward(x).sub(plain).abs().max().item()).toBeLessThan(0.2);
    expect(aware.quantizers.get('0').forward(x)).toBeAllClose(x);
    expect(weight.requiresGrad).toBe(true);
    floatAgain(net);
    expect(net.forward(x)).toBeAllClose(plain);
  });
});

it('names what is wrong', () => {
  const make =
    (options: object, net = small()) =>
    () =>
      new QuantizationAware(net, options);
  expect(make({ exclude: ['2'] })).toThrow(refusal('unknown-name', 'exclude', '"2"'));
  expect(make({ weightBits: 1 })).toThrow(refusal('invalid-argument', 'weightBits', 1));
  expect(make({}, new Sequential(new ReLU()))).toThrow(refusal('invalid-argument', 'Sequential'));
  expect(() => new QuantizationAware(small()).forward()).toThrow(refusal('unsupported', 'network'));
});

it('trains a student of a float teacher, and goes on with the same ranges when it is resumed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-quantization-'));
  try {
    const model = {
      ...{ type: 'SingleTeacherDistill', architecture: tinyNetwork(4), teacher: buildModel(tinyNetwork(8)) },
      ...{ distiller: logitsDistiller(), quantizationAware: { exclude: ['head.fc'] } },
    };
    const config = tinyExperiment({ model, epochs: 2 });
    const whole = await run(config, { workDir: join(folder, 'whole'), probe: false });
    const { algorithm } = whole.stages[0]!.parts;
    const ranges = (algorithm as SingleTeacherDistill).student_quantization!.quantizers;
    expect([...ranges.keys()]).not.toContain('head/fc');
    expect(ranges.get('backbone/conv1').batches.item()).toBe(4);

    const controller = new AbortController();
    const progress = { step: () => controller.abort(), line: () => undefined };
    await run(config, { workDir: join(folder, 'parts'), probe: false, progress, signal: controller.signal });
    await run(config, { workDir: join(folder, 'parts'), resume: true });
    const student = (name: string): Buffer => readFileSync(join(folder, name, 'student.safetensors'));
    expect(student('parts').equals(student('whole'))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
