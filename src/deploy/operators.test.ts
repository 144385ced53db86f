// Operators one by one: each is exported for any number of samples, and onnxruntime computes what libtorch computes.
import { describe, expect, it } from 'vitest';

import { hasOnnxruntime } from '../models/onnx/session.ts';
import { functional, Module } from '../nn/index.ts';
import { callOperator, manualSeed, ops, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { exportOnnx } from './export-onnx.ts';

type Compute = (x: Tensor, y: Tensor) => Tensor | Tensor[];

class Computed extends Module {
  readonly #compute: Compute;
  constructor(compute: Compute) {
    super();
    this.#compute = compute;
  }
  override forward(...inputs: Tensor[]): Tensor | Tensor[] {
    return this.#compute(...(inputs as [Tensor, Tensor]));
  }
}

const image = [1, 4, 6, 8];
const list = (text: string): number[] => text.split(' ').map(Number);

const elementwise: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
  add: (x, y) => x.add(y, { alpha: 2 }).add(1.5).add(3),
  sub: (x, y) => x.sub(y, { alpha: 0.5 }).sub(2),
  rsub: (x) => callOperator('rsub', [x, 2, 3]) as Tensor,
  mul: (x, y) => x.mul(y).mul(2),
  div: (x, y) => x.div(y.abs().add(1)).div(3),
  'div, rounded down': (x, y) => x.mul(7).div(y.abs().add(1), { roundingMode: 'floor' }),
  'div, cut': (x, y) => x.mul(7).div(y.abs().add(1), { roundingMode: 'trunc' }),
  floorDivide: (x) => x.mul(7).floorDivide(2),
  remainder: (x) => x.mul(7).remainder(3),
  fmod: (x) => x.mul(7).fmod(3),
  pow: (x) => x.abs().add(0.1).pow(1.7).add(x.pow(2)).add(x.square()),
  'pow of a number': (x) => ops.pow(2, x),
  addcmul: (x, y) => x.addcmul(x, y, { value: 0.3 }).addcdiv(x, y.abs().add(1)),
  lerp: (x, y) => x.lerp(y, 0.3),
  roots: (x) => x.abs().add(0.1).sqrt().add(x.abs().add(0.1).rsqrt()).add(x.abs().add(1).reciprocal()),
  exponentials: (x) => x.exp().add(x.expm1()).add(x.abs().add(1).log()).add(x.abs().log1p()),
  logarithms: (x) => x.abs().add(1).log2().add(x.abs().add(1).log10()),
  trigonometry: (x) => x.sin().add(x.cos()).add(x.mul(0.3).tan()).add(x.atan()).add(x.erf()),
  rounding: (x) => x.mul(3).floor().add(x.ceil()).add(x.mul(5).round()).add(x.sign()).add(x.neg()),
  clamp: (x) => x.clamp(-0.5, 0.7).add(x.clampMin(0)).add(x.clampMax(0)).add(x.clamp(null, 1)),
  'clamp by tensors': (x, y) => x.clamp(y.neg().abs().neg(), y.abs()),
  maximum: (x, y) => x.maximum(y).add(x.minimum(y)),
  relu: (x) =>
    ops
      .relu(x)
      .add(ops.relu6(x.mul(5)))
      .add(ops.hardtanh(x)),
  sigmoid: (x) => x.sigmoid().add(x.tanh()).add(ops.logSigmoid(x)),
  silu: (x) => ops.silu(x).add(ops.mish(x)),
  hard: (x) => ops.hardswish(x.mul(4)).add(ops.hardsigmoid(x.mul(4))),
  gelu: (x) => ops.gelu(x).add(ops.gelu(x, { approximate: 'tanh' })),
  elu: (x) => ops.elu(x, 0.7).add(ops.celu(x, 1.3)).add(ops.selu(x)),
  leakyRelu: (x) => ops.leakyRelu(x, 0.2).add(ops.threshold(x, 0.1, 20)),
  softplus: (x) => ops.softplus(x.mul(10), 3, 20).add(ops.softplus(x)),
  prelu: (x) => ops.prelu(x, tensor([0.1, 0.2, 0.3, 0.4])).add(ops.prelu(x, tensor([0.25]))),
  comparisons: (x, y) => {
    const bits = [x.gt(y), x.ge(0), x.lt(0.5), x.le(y), x.eq(y), x.ne(y)];
    return bits.reduce((sum, one) => sum.add(one), ops.zerosLike(x));
  },
  'comparisons of integers': (x) => x.mul(3).to('int64').gt(0.5).logicalAnd(x.mul(3).to('int64').eq(1).logicalNot()),
  logic: (x, y) => x.gt(0).logicalOr(y.gt(0)).logicalXor(x.gt(1)).bitwiseAnd(y.lt(1)).to('float32'),
  where: (x, y) => ops.where(x.gt(0), x, y).add(x.maskedFill(y.gt(0), 7)),
  casts: (x) => x.mul(5).to('int32').to('float64').mul(0.5).to('float32').add(x.gt(0).to('uint8')),
  'integers and fractions': (x) => x.mul(5).to('int64').div(2).add(x.mul(5).to('int64').mul(0.5)),
};

const reductions: Record<string, (x: Tensor) => Tensor | Tensor[]> = {
  sum: (x) => x.sum([2, 3]).add(x.sum(3).sum(2, true).squeeze(2)),
  'sum of all but the batch': (x) => x.sum([1, 2, -1], true),
  mean: (x) => x.mean([2, 3], true).mul(x).mean(-1),
  extremes: (x) =>
    x
      .amax([2, 3])
      .add(x.amin([2, 3]))
      .add(x.max(1)[0].sum([1, 2]).view([-1, 1])),
  'max with places': (x) => [...x.max(3)],
  argmax: (x) => [x.argmax(1), x.argmin(-1, true)],
  norms: (x) =>
    x
      .norm(2, 1)
      .add(x.norm(1, [1]))
      .add(x.norm(3, [1]))
      .add(ops.linalgVectorNorm(x, 2, [1])),
  'largest norm': (x) => x.norm(Infinity, 1, true),
  normalize: (x) => functional.normalize(x),
  variance: (x) =>
    x
      .var([2, 3])
      .add(x.var([2, 3], false))
      .add(x.std([2, 3])),
  'variance over the batch too': (x) => x.sub(x.var([0, 1, 2, 3])),
  logsumexp: (x) => x.logsumexp([1]),
  prod: (x) => x.prod(1),
  cumsum: (x) => x.cumsum(2),
  softmax: (x) => x.softmax(1).add(x.logSoftmax(-1)),
  any: (x) => [x.gt(1).any(1), x.gt(-3).all(1, true)],
  topk: (x) => [...x.topk(2, 3), ...x.topk(1, 1, false)],
  sort: (x) => x.sort(1, true)[0],
  cosine: (x) => ops.cosineSimilarity(x, x.flip([3])),
};

const shapes: Record<string, (x: Tensor) => Tensor | Tensor[]> = {
  view: (x) => x.view([x.shape[0]!, 4, 48]).mul(2),
  'reshape with two sizes': (x) =>
    x
      .reshape([x.shape[0]! * 4, 6, 8])
      .mul(2)
      .reshape([x.shape[0]!, 4, -1]),
  'batch in the middle': (x) => x.permute([1, 0, 2, 3]).reshape([4, x.shape[0]!, 48]),
  'batch last': (x) => x.reshape([x.shape[0]!, -1]).t().add(1),
  flatten: (x) =>
    x
      .flatten(2)
      .add(x.flatten(1).view([-1, 4, 48]))
      .add(x.flatten(-2)),
  unflatten: (x) => x.unflatten(1, [2, 2]),
  unsqueeze: (x) => x.unsqueeze(1).unsqueeze(-1).squeeze(1).mul(2),
  transpose: (x) => x.transpose(1, 3).movedim([1], [2]),
  select: (x) => x.select(1, -1).add(x.select(1, 0)),
  narrow: (x) => x.narrow(1, 1, 2).add(x.narrow(1, 0, 2)),
  slice: (x) =>
    x
      .slice(2, 1, -1)
      .add(x.slice(2, -4))
      .add(x.slice(2, 0, 4)),
  'slice with a step': (x) => x.slice(3, 1, null, 2),
  chunk: (x) => {
    const [a, b] = x.chunk(2, 1);
    return a!.mul(b!);
  },
  split: (x) => {
    const [a, b, c] = x.splitWithSizes([1, 1, 2], 1);
    return [a!.mul(b!), c!];
  },
  unbind: (x) => {
    const [a, b] = x.unbind(1);
    return a!.sub(b!);
  },
  expand: (x) => x.select(1, 0).unsqueeze(1).expand([-1, 3, -1, -1]).add(1),
  'a token for each sample': (x) =>
    ops.cat([tensor([[[1, 2, 3]]]).expand([x.shape[0]!, 2, 3]), x.view([-1, 64, 3])], 1),
  cat: (x) => ops.cat([x, x.mul(2), ops.zeros([x.shape[0]!, 1, 6, 8])], 1),
  stack: (x) => ops.stack([x, x.neg()], -1),
  index: (x) => callOperator('index', [x, [null, tensor([3n, 0n, 1n])]]) as Tensor,
  indexSelect: (x) => x.indexSelect(2, tensor([5n, 0n, 5n])),
  'index of pairs': (x) => {
    const table = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const rows = x.gt(0).to('int64');
    return callOperator('index', [table, [rows, rows.neg().add(1)]]) as Tensor;
  },
  gather: (x) => x.gather(3, x.gt(0).to('int64')),
  embedding: (x) =>
    ops.embedding(
      tensor([
        [1, 2],
        [3, 4],
      ]),
      x.gt(0).to('int64'),
    ),
  roll: (x) => ops.roll(x, [2, -1], [2, 3]),
  flip: (x) => x.flip([1, 3]),
  repeat: (x) =>
    x
      .repeat([1, 2, 1, 1])
      .narrow(1, 0, 4)
      .add(ops.tile(x, [1, 1, 1])),
  repeatInterleave: (x) => callOperator('repeat_interleave', [x, 2, 1]) as Tensor,
  pixelShuffle: (x) => ops.pixelShuffle(x, 2).sum(1),
  pixelUnshuffle: (x) => callOperator('pixel_unshuffle', [x, 2]) as Tensor,
  channelShuffle: (x) => callOperator('channel_shuffle', [x, 2]) as Tensor,
  pad: (x) => ops.pad(x, [1, 2, 0, 1]).add(ops.pad(x, [1, 2, 0, 1], 'constant', 3)),
  'pad by what is there': (x) => [ops.pad(x, [1, 2, 1, 1], 'reflect'), ops.pad(x, [1, 0, 2, 1], 'replicate')],
  'pad around': (x) => ops.pad(x, [1, 2, 2, 0], 'circular'),
  'windows that were moved, with a mask': (x) => {
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const moved = ops.roll(x.permute([0, 2, 3, 1]), [-1, -1], [1, 2]);
    const windows = moved
      .view([n, h / 2, 2, w / 2, 2, c])
      .permute([0, 1, 3, 2, 4, 5])
      .reshape([-1, 4, c]);
    const [q, k] = windows.reshape([windows.shape[0]!, 4, 2, 2]).permute([2, 0, 1, 3]).unbind(0);
    const count = (h * w) / 4;
    const mask = ops
      .arange(count * 16)
      .remainder(3)
      .view([1, count, 4, 4])
      .to('float32');
    const scores = q!
      .matmul(k!.transpose(-2, -1))
      .view([windows.shape[0]! / count, count, 4, 4])
      .add(mask);
    const mixed = scores.view([-1, 4, 4]).softmax(-1).matmul(windows);
    const back = mixed
      .view([n, h / 2, w / 2, 2, 2, c])
      .permute([0, 1, 3, 2, 4, 5])
      .reshape([n, h, w, c]);
    return ops.roll(back, [1, 1], [1, 2]).flatten(1, 2);
  },
  triangles: (x) => x.triu(1).add(x.tril(-1)),
  oneHot: (x) => callOperator('one_hot', [x.gt(0).to('int64'), 2]) as Tensor,
  'what does not depend': (x) =>
    x
      .mul(ops.arange(8).sin())
      .add(ops.fullLike(x, 2))
      .add(x.newOnes([x.shape[0]!, 1, 1, 1])),
  'the number of samples': (x) => x.sum([1, 2, 3]).add(ops.zeros([x.shape[0]!])),
};

const layers: Record<string, (x: Tensor) => Tensor | Tensor[]> = {
  linear: (x) => ops.linear(x, ops.arange(16).view([2, 8]).cos(), tensor([1, 2])),
  'linear of rows': (x) => ops.linear(x.flatten(1), ops.arange(384).view([2, 192]).cos(), tensor([1, 2])),
  products: (x) =>
    x.matmul(x.transpose(2, 3)).add(ops.bmm(x.flatten(0, 1), x.flatten(0, 1).transpose(1, 2)).view([-1, 4, 6, 6])),
  baddbmm: (x) => {
    const rows = x.flatten(2);
    const square = rows.matmul(rows.transpose(1, 2));
    return ops.baddbmm(square, square, square, { alpha: 0.1, beta: 0.5 });
  },
  einsum: (x) => ops.einsum('nchw, ndhw -> ncd', [x, x]),
  conv2d: (x) => ops.conv2d(x, kernel([4, 2, 3, 3]), tensor([1, 2, 3, 4]), [2, 1], [1, 0], [1, 2], 2),
  'conv2d, same': (x) => callOperator('conv2d', [x, kernel([2, 4, 2, 3]), null, [1, 1], 'same']) as Tensor,
  'conv2d of one image': (x) => ops.conv2d(x.sum(0), kernel([2, 4, 3, 3])),
  conv1d: (x) => ops.conv1d(x.flatten(2), kernel([3, 4, 5]), null, 2, 1),
  convTranspose: (x) => ops.convTranspose2d(x, kernel([4, 2, 3, 3]), tensor([1, 2, 3, 4]), 2, 1, 1, 2),
  batchNorm: (x) =>
    ops.batchNorm(
      x,
      null,
      tensor(list('1 2 3 4')),
      tensor(list('1 0 -1 2')),
      tensor(list('1 2 3 4')),
      false,
      0.1,
      1e-3,
      false,
    ),
  layerNorm: (x) =>
    ops
      .layerNorm(x, [6, 8])
      .add(ops.layerNorm(x, [8], ops.arange(8).add(1).to('float32'), ops.arange(8).to('float32'))),
  groupNorm: (x) => ops.groupNorm(x, 2, tensor(list('1 2 3 4')), tensor(list('0 1 0 1'))),
  instanceNorm: (x) => ops.instanceNorm(x, tensor(list('1 2 3 4')), null, null, null, true, 0.1, 1e-5, false),
  maxPool: (x) => [ops.maxPool2d(x, 3, 2, 1), ops.maxPool2d(x, [2, 3], [1, 2], 0, 1, true)],
  avgPool: (x) => [ops.avgPool2d(x, 3, 2, 1), ops.avgPool2d(x, 3, 2, 1, false, false), ops.avgPool2d(x, [2, 4])],
  'avgPool, rounded up': (x) => [
    ops.avgPool2d(x, 3, 2, 0, true),
    ops.avgPool2d(x, 3, 2, 1, true),
    ops.avgPool2d(x, 3, 2, 1, true, false),
  ],
  'avgPool, rounded up, the last window left out': (x) => {
    const odd = x.narrow(2, 0, 5).narrow(3, 0, 7);
    return [
      ops.avgPool2d(odd, 2, 2, 1, true),
      ops.avgPool2d(odd, 2, 2, 1, true, false),
      ops.maxPool2d(odd, 2, 2, 1, 1, true),
    ];
  },
  'avgPool with a divisor': (x) => ops.avgPool2d(x, 2, 2, 0, false, true, 3),
  adaptivePools: (x) => [
    ops.adaptiveAvgPool2d(x, [1, 1]),
    ops.adaptiveAvgPool2d(x, [3, 2]),
    ops.adaptiveMaxPool2d(x, [2, 4])[0],
  ],
  nearest: (x) => [
    functional.interpolate(x, { scaleFactor: 2, mode: 'nearest' }),
    functional.interpolate(x, { size: [9, 5], mode: 'nearest' }),
  ],
  bilinear: (x) => [
    functional.interpolate(x, { size: [12, 5], mode: 'bilinear', alignCorners: false }),
    functional.interpolate(x, { size: [4, 12], mode: 'bilinear', alignCorners: true }),
    functional.interpolate(x, { scaleFactor: 1.5, mode: 'bilinear', alignCorners: false }),
  ],
  bicubic: (x) => functional.interpolate(x, { size: [9, 12], mode: 'bicubic', alignCorners: false }),
  glu: (x) => ops.glu(x, 1),
};

const written: Record<string, (x: Tensor) => Tensor | Tensor[]> = {
  'over a result': (x) => x.mul(2).add_(1).relu_().mul_(x),
  'into the input': (x) => {
    x.add_(1);
    return x.mul(2);
  },
  'into a part': (x) => {
    const y = x.mul(2);
    y.narrow(1, 1, 2).mul_(3);
    y.select(2, 0).zero_();
    y.select(3, -1).fill_(2);
    return y.add(1);
  },
  'through a view that is used later': (x) => {
    const y = x.mul(2);
    const rows = y.view([x.shape[0]!, 4, 48]);
    y.add_(1);
    return [rows.mul(2), y];
  },
  'through turned views': (x) => {
    const y = x.mul(2);
    y.permute([0, 2, 3, 1]).select(3, 1).unsqueeze(1).mul_(5);
    return y;
  },
  'into zeros': (x) => {
    const y = ops.zeros([x.shape[0]!, 4, 6, 10]);
    y.narrow(3, 1, 8).copy_(x);
    return y;
  },
  'one into another, repeated': (x) => {
    const y = x.clone();
    y.copy_(x.mean([2, 3], true));
    return y;
  },
  'into a copy': (x) => {
    const y = x.clone();
    const z = x.to('float64').to('float32');
    y.add_(1);
    z.add_(2);
    return [x.mul(1), y, z];
  },
  'booleans over numbers': (x) => x.clone().gt_(0),
};

function kernel(shape: readonly number[]): Tensor {
  const size = shape.reduce((product, one) => product * one, 1);
  return ops.arange(size, { dtype: 'float32' }).mul(1.7).sin().view(shape);
}

function exported(compute: Compute, count = 1, options = {}): ReturnType<typeof exportOnnx> {
  manualSeed(3);
  return tidy(() =>
    exportOnnx(
      new Computed(compute),
      Array.from({ length: count }, () => ops.randn(image)),
      options,
    ),
  );
}

describe.runIf(hasOnnxruntime())('operators', () => {
  it.each(Object.entries(elementwise))('%s', (_, compute) => {
    expect(exported((x, y) => compute(x, y), 2).check.status).toBe('checked');
  });
  it.each(Object.entries({ ...reductions, ...shapes, ...layers }))('%s', (_, compute) => {
    expect(exported((x) => compute(x)).check.status).toBe('checked');
  });
  it.each(Object.entries(written))('written %s', (_, compute) => {
    expect(exported((x) => compute(x)).check.status).toBe('checked');
  });
  it.each(['mean', 'extremes', 'largest norm', 'avgPool'])('%s with operators of version 18', (name) => {
    const compute = reductions[name] ?? layers[name]!;
    expect(exported((x) => compute(x), 1, { opset: 18 }).check.status).toBe('checked');
  });
});
