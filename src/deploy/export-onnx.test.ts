// What an export can be asked for, what it says of itself, and what it refuses.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { readOnnxFile } from '../formats/index.ts';
import { hasOnnxruntime, openOnnx } from '../models/onnx/session.ts';
import { BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Linear, Module, ReLU, Sequential } from '../nn/index.ts';
import { callOperator, manualSeed, noGrad, ops, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { exportOnnx } from './export-onnx.ts';
import type { ExportOnnxOptions } from './export-onnx.ts';

class Computed extends Module {
  readonly #compute: (x: Tensor) => unknown;
  readonly part = new Sequential(new ReLU());
  constructor(compute: (x: Tensor) => unknown) {
    super();
    this.#compute = compute;
  }
  override forward(input: Tensor): unknown {
    return this.#compute(input);
  }
}

class Net extends Module {
  readonly conv = new Conv2d(3, 4, { kernelSize: 3, padding: 1 });
  readonly bn = new BatchNorm2d(4);
  readonly drop = new Dropout();
  readonly fc = new Linear(4, 2);

  override forward(x: Tensor): Tensor {
    const map = this.bn.forward(this.conv.forward(x)).relu_();
    return this.fc.forward(this.drop.forward(map.mean([2, 3])));
  }
}

function net(): Net {
  manualSeed(5);
  const made = new Net();
  tidy(() => {
    made.bn.running_mean!.uniform_(-1, 1);
    made.bn.running_var!.uniform_(0.5, 2);
    noGrad(() => made.bn.weight!.uniform_(0.5, 2));
  });
  return made;
}

const image = [1, 3, 6, 6];
const refused = (compute: (x: Tensor) => unknown, options: ExportOnnxOptions = {}) => {
  return () => tidy(() => exportOnnx(new Computed(compute), ops.randn(image), { check: false, ...options }));
};

it('names everything after the network, and leaves it as it was', () => {
  const module = net();
  module.drop.eval();
  const { model, check } = tidy(() => exportOnnx(module, ops.randn(image), { check: false, classes: ['a', 'b'] }));
  expect(check).toEqual({ status: 'unchecked', reason: 'check: false' });
  expect([module.training, module.bn.training, module.drop.training, module.conv.isHooked]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  const { graph } = model;
  expect(graph.nodes.map(({ name }) => name)).toEqual(['/conv/Conv', '/Relu', '/ReduceMean', '/fc/Gemm']);
  expect(graph.nodes[0]!.outputs).toEqual(['/conv/Conv_output_0']);
  expect(graph.initializers.map(({ name }) => name).toSorted()).toEqual([
    'conv.bias',
    'conv.weight',
    'fc.bias',
    'fc.weight',
  ]);
  expect(graph.inputs).toEqual([{ name: 'input', dtype: 'float32', shape: ['batch', 3, 6, 6] }]);
  expect(graph.outputs).toEqual([{ name: 'logits', dtype: 'float32', shape: ['batch', 2] }]);
  expect(model.metadata).toEqual({ classes: '["a","b"]' });
  expect(model.opsets).toEqual([{ domain: '', version: 17 }]);
});

it('takes names, texts, a version, a fixed number of samples', () => {
  const options = {
    inputNames: ['pixels'],
    outputNames: ['scores'],
    metadata: { author: 'me' },
    opset: 18,
    dynamicBatch: false,
    check: false,
  } as const;
  const { model, operators } = tidy(() => exportOnnx(net(), ops.randn([3, 3, 6, 6]), options));
  expect(model.graph.inputs[0]).toEqual({ name: 'pixels', dtype: 'float32', shape: [3, 3, 6, 6] });
  expect(model.graph.outputs[0]).toEqual({ name: 'scores', dtype: 'float32', shape: [3, 2] });
  expect(model).toMatchObject({ metadata: { author: 'me' }, opsets: [{ domain: '', version: 18 }] });
  expect(operators).toEqual({ Conv: 1, Relu: 1, ReduceMean: 1, Gemm: 1 });
});

it('gives outputs of objects their keys, those of lists numbers, and copies where one is an input or a constant', () => {
  const outputsOf = (compute: (x: Tensor) => unknown) =>
    tidy(() => exportOnnx(new Computed((x) => compute(x)), ops.randn(image))).model.graph.outputs.map(
      ({ name }) => name,
    );
  expect(outputsOf((x) => ({ scores: x.mul(2), maps: [x.add(1)] }))).toEqual(['scores', 'maps']);
  const twice = (x: Tensor): Tensor[] => {
    const y = x.mul(2);
    return [x, y, y, tensor([1])];
  };
  expect(outputsOf(twice)).toEqual(['output_0', 'output_1', 'output_2', 'output_3']);
});

it('is saved and read again', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'retort-export-'));
  try {
    const exported = tidy(() => exportOnnx(net(), ops.randn(image)));
    exported.save(path.join(folder, 'net.onnx'));
    expect(readOnnxFile(path.join(folder, 'net.onnx')).graph.nodes).toHaveLength(4);
    expect(exported.bytes().length).toBeGreaterThan(500);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe.runIf(hasOnnxruntime())('checked', () => {
  it('is within rounding of the network, for several numbers of samples', () => {
    const { check } = tidy(() => exportOnnx(net(), ops.randn(image)));
    expect(check).toMatchObject({ status: 'checked', shapes: [image, [5, 3, 6, 6]] });
    expect(check.status === 'checked' && check.difference).toBeLessThan(1e-6);
  });

  it('takes pixels and gives probabilities', () => {
    const preprocessing = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4], channelOrder: 'BGR' } as const;
    const module = net();
    const exported = tidy(() => exportOnnx(module, ops.randn(image), { preprocessing, softmax: true }));
    expect(exported.check.status).toBe('checked');
    expect(exported.model.graph.inputs).toEqual([{ name: 'input', dtype: 'uint8', shape: ['batch', 6, 6, 3] }]);
    using session = openOnnx(exported.bytes());
    tidy(() => {
      const pixels = ops.randint(0, 256, [1, 6, 6, 3], { dtype: 'int64' }).to('uint8');
      const { probabilities } = session.run([pixels]);
      const [red, green, blue] = pixels.to('float32').div(255).unbind(3);
      const normal = [blue!.sub(0.5).div(0.2), green!.sub(0.4).div(0.3), red!.sub(0.3).div(0.4)];
      module.eval();
      expect(probabilities).toBeAllClose(
        noGrad(() => module.forward(ops.stack(normal, 1)).softmax(1)),
        { rtol: 1e-4 },
      );
    });
  });

  it('refuses what computes something else', () => {
    const byValue = (x: Tensor): Tensor => (x.sum().item() > 0 ? x.mul(2) : x.mul(3));
    const module = new Computed((x) => byValue(x));
    const exporting = (): unknown => tidy(() => exportOnnx(module, ops.full(image, -1)));
    expect(exporting).toThrow(refusal('mismatch', 'logits', '3, 6, 6', '0.0001'));
  });

  it('says which shapes differ, for one sample too where several are given', () => {
    const squeezed = new Computed((x) => x.mean([2, 3]).squeeze());
    const exporting = (): unknown => tidy(() => exportOnnx(squeezed, ops.randn([4, 3, 6, 6])));
    expect(exporting).toThrow(refusal('mismatch', 'logits', '[1, 3] in place of [3]'));
  });

  it('takes what is infinite or no number in both for the same', () => {
    const logarithm = new Computed((x) => x.clampMin(0).log());
    expect(tidy(() => exportOnnx(logarithm, ops.randn(image))).check.status).toBe('checked');
    const deviation = new Computed((x) => x.std([0])); // of one sample
    expect(tidy(() => exportOnnx(deviation, ops.randn(image))).check.status).toBe('checked');
  });

  it('computes with the number of samples', () => {
    const module = new Computed((x) =>
      x
        .mul(x.shape[0]!)
        .sum()
        .div(x.shape[0]! * 2 + 1),
    );
    expect(tidy(() => exportOnnx(module, ops.randn(image))).check.status).toBe('checked');
  });

  it('writes an operator that is given', () => {
    const operators = {
      'aten::sinc': (call: {
        graph: { node(opType: string, inputs: string[]): string };
        input(name: string): string;
      }) => call.graph.node('Sin', [call.input('self')]),
    };
    const module = new Computed((x) => callOperator('sinc', [x]));
    expect(() => tidy(() => exportOnnx(module, ops.randn(image), { operators }))).toThrow(refusal('mismatch'));
    const { model } = tidy(() => exportOnnx(module, ops.randn(image), { operators, check: false }));
    expect(model.graph.nodes.map(({ opType }) => opType)).toEqual(['Sin']);
  });

  it('folds norms behind transposed convolutions of groups, in front of nothing and behind two users', () => {
    manualSeed(2);
    class Both extends Module {
      readonly up = new ConvTranspose2d(4, 6, { kernelSize: 2, stride: 2, groups: 2, bias: false });
      readonly bn = new BatchNorm2d(6);
      readonly conv = new Conv2d(6, 4, { kernelSize: 3, padding: 'same', paddingMode: 'zeros' });
      readonly bn2 = new BatchNorm2d(4);
      readonly first = new BatchNorm2d(4);
      override forward(x: Tensor): Tensor {
        const map = this.conv.forward(this.bn.forward(this.up.forward(this.first.forward(x))));
        return this.bn2.forward(map).add(map);
      }
    }
    const module = new Both();
    tidy(() => {
      for (const [name, buffer] of module.namedBuffers()) {
        if (name.endsWith('mean')) buffer.uniform_(-1, 1);
        if (name.endsWith('var')) buffer.uniform_(0.5, 2);
      }
    });
    const { operators, check } = tidy(() => exportOnnx(module, ops.randn([1, 4, 5, 5])));
    expect(check.status).toBe('checked');
    expect(operators).toEqual({ BatchNormalization: 2, ConvTranspose: 1, Conv: 1, Add: 1 });
  });

  it('leaves a strided convolution of single pixels one convolution', () => {
    const { operators } = tidy(() => exportOnnx(new Conv2d(3, 2, { kernelSize: 1, stride: 2 }), ops.randn(image)));
    expect(operators).toEqual({ Conv: 1 });
  });
});

it('refuses what it cannot write, naming operator and module', () => {
  const odd = new Computed((x) => x);
  odd.part.get(0).registerForwardHook((_, __, output) => callOperator('sinc', [output]));
  class Outer extends Module {
    readonly odd = odd;
    override forward(x: Tensor): Tensor {
      return this.odd.part.forward(x);
    }
  }
  const exporting = (): unknown => tidy(() => exportOnnx(new Outer(), ops.randn(image)));
  expect(exporting).toThrow(refusal('unsupported', 'aten::sinc', 'odd.part.0', 'operators'));
  expect(refused((x) => ops.randn(x.shape).add(x))).toThrow(refusal('unsupported', 'randn', 'training'));
  expect(refused((x) => ops.maxPool2dWithIndices(x, 2)[1])).toThrow(refusal('unsupported'));
  expect(refused((x) => callOperator('index', [x, [x.gt(0)]]))).toThrow(refusal('unsupported', 'index', 'mask'));
});

it('refuses what goes other ways for other numbers of samples, and takes it for one', () => {
  const byNumber = (x: Tensor): Tensor => (x.shape[0] === 2 ? x.mul(2) : x.sin());
  expect(refused(byNumber)).toThrow(refusal('unsupported', 'another size', 'dynamicBatch: false'));
  expect(refused(byNumber, { dynamicBatch: false })).not.toThrow();
  const byConstant = (x: Tensor): Tensor => x.add(ops.arange(x.shape[0]!).view([-1, 1, 1, 1]));
  expect(refused(byConstant)).toThrow(refusal('unsupported', 'dynamicBatch: false'));
  // Two numbers of samples would fit a law that a third does not.
  const half = (x: Tensor): Tensor => x.narrow(0, 0, Math.ceil(x.shape[0]! / 2));
  expect(refused(half, { check: false })).toThrow(refusal('unsupported', '1, 2, 4', 'narrow'));
  expect(refused((x) => x.mul(1 / x.shape[0]!))).toThrow(refusal('unsupported', 'other', 'dynamicBatch: false'));
});

it('refuses state that changes', () => {
  class Counting extends Module {
    readonly bn = new BatchNorm2d(3);
    override forward(x: Tensor): Tensor {
      this.bn.running_mean!.add_(x.mean([0, 2, 3]));
      return this.bn.forward(x);
    }
  }
  const exporting = (): unknown => tidy(() => exportOnnx(new Counting(), ops.randn(image)));
  expect(exporting).toThrow(refusal('unsupported', 'bn.running_mean', 'add_'));
});

it('refuses a forward that gives no tensors', () => {
  expect(refused(() => 5)).toThrow(refusal('invalid-argument', 'forward', 'number 5', 'Computed'));
});

it('refuses arguments that make no sense', () => {
  const one = (options: object, input?: unknown) => {
    return () => tidy(() => exportOnnx(net(), (input ?? ops.randn(image)) as Tensor, options));
  };
  expect(() => exportOnnx({} as Module, [])).toThrow(refusal('invalid-argument', 'module', 'an object'));
  expect(one({ opset: 12 })).toThrow(refusal('invalid-argument', 'opset', '12'));
  expect(one({}, 'x')).toThrow(refusal('invalid-argument', 'inputs', '"x"'));
  expect(one({}, [])).toThrow(refusal('invalid-argument', 'inputs'));
  expect(one({ inputNames: ['a', 'b'] })).toThrow(refusal('invalid-argument', 'inputNames', '1'));
  expect(one({ outputNames: ['input'] })).toThrow(refusal('invalid-argument', 'outputNames', 'input'));
  expect(one({ preprocessing: { mean: [1], std: [1] } })).toThrow(refusal('invalid-argument', 'preprocessing', '3'));
  expect(() => tidy(() => exportOnnx(new Computed((x) => x.add(1)), tensor(1)))).toThrow(
    refusal('invalid-argument', 'dynamicBatch: false'),
  );
});
