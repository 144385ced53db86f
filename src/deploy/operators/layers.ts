// Operators with weights or windows: products, convolutions, norms, pooling, interpolation, attention.
import type { DType } from '../../torch/index.ts';
import { bytesOf, float } from '../graph-builder.ts';
import type { OperatorCall } from '../operator-call.ts';
import { sameSize, sizeOf } from '../operator-call.ts';
import type { Size } from '../trace.ts';
import { operand } from './elementwise.ts';
import { reduce } from './reductions.ts';
import type { OperatorTable, OperatorWriter } from './types.ts';

/** A matrix turned over: at once, where it is a constant. */
function turned(call: OperatorCall, name: string): string {
  const { graph } = call;
  const value = call.input(name);
  const constant = call.constantOf(name);
  if (constant === undefined || constant.shape.length !== 2) return graph.node('Transpose', [value], { perm: [1, 0] });
  const [rows, columns] = constant.shape as [number, number];
  const size = constant.bytes.length / (rows * columns);
  const bytes = new Uint8Array(constant.bytes.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = (i * columns + j) * size;
      bytes.set(constant.bytes.subarray(at, at + size), (j * rows + i) * size);
    }
  }
  return graph.constant(constant.dtype, [columns, rows], bytes, `${value}.t`);
}

const linear: OperatorWriter = (call) => {
  const { graph } = call;
  const bias = call.optional('bias');
  if (call.rankOf('input') === 2) {
    return graph.node('Gemm', [call.input('input'), call.input('weight'), bias], { transB: 1 });
  }
  const product = graph.node('MatMul', [call.input('input'), turned(call, 'weight')]);
  return bias === '' ? product : graph.node('Add', [product, bias]);
};

function product(first: string, second: string): OperatorWriter {
  return (call) => call.graph.node('MatMul', [call.input(first), call.input(second)]);
}

/** `beta self + alpha a b`. */
function addedProduct(first: string, second: string): OperatorWriter {
  return (call) => {
    const { graph, result } = call;
    const [alpha, beta] = [call.number('alpha', 1), call.number('beta', 1)];
    const scaled = (value: string, by: number): string =>
      by === 1 ? value : graph.node('Mul', [value, graph.scalar(by, result.dtype)]);
    const together = scaled(graph.node('MatMul', [call.input(first), call.input(second)]), alpha);
    return beta === 0 ? together : graph.node('Add', [together, scaled(call.input('self'), beta)]);
  };
}

const einsum: OperatorWriter = (call) =>
  call.graph.node('Einsum', call.inputs('tensors'), { equation: call.text('equation')!.replaceAll(' ', '') });

/** Softmax of scaled products, times the values. */
const attention: OperatorWriter = (call) => {
  const { graph } = call;
  const { dtype } = call.result;
  if (call.number('dropout_p', 0) !== 0) throw call.wrong('with dropout');
  const width = call.shapeOf('query').at(-1)!;
  const scale = call.has('scale') ? call.number('scale') : 1 / Math.sqrt(width as number);
  if (!Number.isFinite(scale)) throw call.wrong('of a width that depends on the inputs');
  const rank = call.rankOf('key');
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  const key = graph.node('Transpose', [call.input('key')], { perm });
  let scores = graph.node('MatMul', [call.input('query'), key]);
  scores = graph.node('Mul', [scores, graph.scalar(scale, dtype)]);
  if (call.flag('is_causal', false)) {
    const [rows, columns] = [call.shapeOf('query').at(-2)!, call.shapeOf('key').at(-2)!];
    const ones = graph.node('Expand', [graph.scalar(-Infinity, dtype), call.sizesValue([rows, columns])]);
    const above = graph.node('Trilu', [ones, graph.scalar(1, 'int64')], { upper: 1 });
    scores = graph.node('Add', [scores, above]);
  } else if (call.isTensor('attn_mask')) {
    scores =
      call.dtypeOf('attn_mask') === 'bool'
        ? graph.node('Where', [call.input('attn_mask'), scores, graph.scalar(-Infinity, dtype)])
        : graph.node('Add', [scores, call.input('attn_mask')]);
  }
  return graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), call.input('value')]);
};

/** With an image that comes without a batch, one is put in front and taken away again. */
function batched(spatial: number, name: string, write: (call: OperatorCall, value: string) => string): OperatorWriter {
  return (call) => {
    const { graph } = call;
    const value = call.input(name);
    if (call.rankOf(name) === spatial + 2) return write(call, value);
    const wide = graph.node('Unsqueeze', [value, graph.ints([0])]);
    return graph.node('Squeeze', [write(call, wide), graph.ints([0])]);
  };
}

function convolution(spatial: number, isTransposed = false): OperatorWriter {
  return batched(spatial, 'input', (call, value) => {
    const kernel = call.shapeOf('weight').slice(2) as number[];
    const strides = call.numbers('stride', 1, spatial);
    const dilations = call.numbers('dilation', 1, spatial);
    const group = call.number('groups', 1);
    const text = call.text('padding');
    let pads: number[];
    if (text === 'same') {
      const total = kernel.map((size, i) => dilations[i]! * (size - 1));
      pads = [...total.map((sum) => Math.floor(sum / 2)), ...total.map((sum) => Math.ceil(sum / 2))];
    } else {
      const padding = text === 'valid' ? kernel.map(() => 0) : call.numbers('padding', 0, spatial);
      pads = [...padding, ...padding];
    }
    const inputs = [value, call.input('weight'), call.optional('bias')];
    const shared = { kernel_shape: kernel, strides, pads, dilations, group };
    if (!isTransposed) return call.graph.node('Conv', inputs, shared);
    const more = call.numbers('output_padding', 0, spatial);
    return call.graph.node('ConvTranspose', inputs, {
      ...shared,
      output_padding: more.some((size) => size > 0) ? more : undefined,
    });
  });
}

/** The numbers `1` or `0` for each channel, where a norm has no weight of its own. */
function channels(call: OperatorCall, name: string, { value, count }: { value: number; count: number }): string {
  if (call.isTensor(name)) return call.input(name);
  const { dtype } = call.result;
  return call.graph.constant(
    dtype,
    [count],
    bytesOf(
      dtype,
      Array.from({ length: count }, () => value),
    ),
  );
}

const batchNorm: OperatorWriter = (call) => {
  const count = call.shapeOf('input')[1] as number;
  if (!call.isTensor('running_mean') || call.flag('training', false)) {
    return normalized(call, count, { epsilon: call.number('eps', 1e-5), axes: allBut(call.rankOf('input'), 1) });
  }
  const inputs = [
    call.input('input'),
    channels(call, 'weight', { value: 1, count }),
    channels(call, 'bias', { value: 0, count }),
    call.input('running_mean'),
    call.input('running_var'),
  ];
  return call.graph.node('BatchNormalization', inputs, { epsilon: float(call.number('eps', 1e-5)) });
};

function allBut(rank: number, axis: number): number[] {
  return Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis);
}

/** `(x - mean) / sqrt(var + eps)` with the statistics of the values themselves, then scale and shift by channel. */
function normalized(
  call: OperatorCall,
  count: number,
  { epsilon, axes }: { epsilon: number; axes: readonly number[] },
): string {
  const { graph } = call;
  const { dtype } = call.result;
  const value = call.input('input');
  const mean = reduce(call, 'ReduceMean', { value, axes, keep: true });
  const apart = graph.node('Sub', [value, mean]);
  const variance = reduce(call, 'ReduceMean', { value: graph.node('Mul', [apart, apart]), axes, keep: true });
  const deviation = graph.node('Sqrt', [graph.node('Add', [variance, graph.scalar(epsilon, dtype)])]);
  return scaledByChannel(call, graph.node('Div', [apart, deviation]), count);
}

function scaledByChannel(call: OperatorCall, given: string, count: number): string {
  const { graph } = call;
  const rank = call.rankOf('input');
  const shape = graph.ints([count, ...Array.from({ length: rank - 2 }, () => 1)]);
  const wide = (name: string): string => graph.node('Reshape', [call.input(name), shape]);
  let value = given;
  if (call.isTensor('weight')) value = graph.node('Mul', [value, wide('weight')]);
  return call.isTensor('bias') ? graph.node('Add', [value, wide('bias')]) : value;
}

const instanceNorm: OperatorWriter = (call) => {
  const rank = call.rankOf('input');
  const count = call.shapeOf('input')[1] as number;
  if (!call.flag('use_input_stats', true)) return batchNorm(call);
  if (rank < 3) return normalized(call, count, { epsilon: call.number('eps', 1e-5), axes: allBut(rank, 1).slice(1) });
  const inputs = [
    call.input('input'),
    channels(call, 'weight', { value: 1, count }),
    channels(call, 'bias', { value: 0, count }),
  ];
  return call.graph.node('InstanceNormalization', inputs, { epsilon: float(call.number('eps', 1e-5)) });
};

/** Each group of channels as one channel, normalized by itself. */
const groupNorm: OperatorWriter = (call) => {
  const { graph } = call;
  const groups = call.number('num_groups');
  const shape = call.shapeOf('input');
  const { dtype } = call.result;
  const value = graph.node('Reshape', [call.input('input'), graph.ints([0, groups, -1])]);
  const plain = (number: number): string =>
    graph.constant(
      dtype,
      [groups],
      bytesOf(
        dtype,
        Array.from({ length: groups }, () => number),
      ),
    );
  const inner = graph.node('InstanceNormalization', [value, plain(1), plain(0)], {
    epsilon: float(call.number('eps', 1e-5)),
  });
  const merged: Size = sizeOf((...sizes) => sizes.reduce((a, b) => a * b, 1) / groups, ...shape.slice(1));
  const back = call.reshaped(inner, [shape[0]!, groups, merged], shape);
  return scaledByChannel(call, back, shape[1] as number);
};

const layerNorm: OperatorWriter = (call) => {
  const { graph } = call;
  const { dtype } = call.result;
  const over = call.numbers('normalized_shape', []);
  const ones = (): string =>
    graph.constant(
      dtype,
      over,
      bytesOf(
        dtype,
        Array.from({ length: over.reduce((a, b) => a * b, 1) }, () => 1),
      ),
    );
  const weight = call.isTensor('weight') ? call.input('weight') : ones();
  return graph.node('LayerNormalization', [call.input('input'), weight, call.optional('bias')], {
    axis: -over.length,
    epsilon: float(call.number('eps', 1e-5)),
  });
};

interface Window {
  kernel: number[];
  strides: number[];
  padding: number[];
}

function windowOf(call: OperatorCall, spatial: number): Window {
  const kernel = call.numbers('kernel_size', 1, spatial);
  return {
    kernel,
    strides: call.numbers('stride', kernel, spatial),
    padding: call.numbers('padding', 0, spatial),
  };
}

/** Where the largest values were is not written: ONNX counts places in another way. */
function maxPool(spatial: number): OperatorWriter {
  return batched(spatial, 'self', (call, value) => {
    const { kernel, strides, padding } = windowOf(call, spatial);
    return call.graph.node('MaxPool', [value], {
      kernel_shape: kernel,
      strides,
      pads: [...padding, ...padding],
      dilations: call.numbers('dilation', 1, spatial),
      ceil_mode: Number(call.flag('ceil_mode', false)),
    });
  });
}

/**
 * A mean over windows. With `ceil_mode` libtorch's last window may reach beyond the padding, and what is there does not count;
 * operator sets before 19 do not agree, so then the sum of what is there is divided by the number of what is there.
 */
function avgPool(spatial: number): OperatorWriter {
  return batched(spatial, 'self', (call, value) => {
    const { graph } = call;
    const { kernel, strides, padding } = windowOf(call, spatial);
    const counted = call.flag('count_include_pad', true);
    const padded = padding.some((size) => size > 0);
    const ceil = call.flag('ceil_mode', false) && !asWithFloor(call, spatial, { kernel, strides, padding });
    const shared = { kernel_shape: kernel, strides, pads: [...padding, ...padding], ceil_mode: Number(ceil) };
    const mean = graph.node('AveragePool', [value], {
      ...shared,
      count_include_pad: Number(counted && padded && !ceil),
    });
    if (call.has('divisor_override')) {
      if (ceil || (padded && !counted))
        throw call.wrong('with a divisor of its own beside ceil_mode or padding that does not count');
      const area = kernel.reduce((a, b) => a * b, 1);
      return graph.node('Mul', [mean, graph.scalar(area / call.number('divisor_override'), call.result.dtype)]);
    }
    if (!(ceil && counted && padded)) return mean;
    const shape = call.shapeOf('self').slice(-spatial);
    if (shape.some((size) => typeof size !== 'number')) throw call.wrong('with ceil_mode and padding that counts');
    const factors = correction(call, shape as number[], { kernel, strides, padding });
    return graph.node('Mul', [mean, factors]);
  });
}

/**
 * Whether rounding up gives as many windows as rounding down: libtorch leaves out a last window that would begin beyond the image and the
 * padding before it, and not every version of ONNX does.
 */
function asWithFloor(call: OperatorCall, spatial: number, { kernel, strides, padding }: Window): boolean {
  const [from, to] = [call.shapeOf('self').slice(-spatial), call.result.shape.slice(-spatial)];
  return from.every((size, i) => {
    const floor = sizeOf((n) => Math.floor((n + 2 * padding[i]! - kernel[i]!) / strides[i]!) + 1, size);
    return sameSize(floor, to[i]!);
  });
}

/** How many elements of each window are in the image, divided by how many libtorch counts: padding, but nothing beyond it. */
function correction(call: OperatorCall, shape: readonly number[], { kernel, strides, padding }: Window): string {
  const outputs = call.result.shape.slice(-shape.length) as number[];
  const along = shape.map((length, axis) =>
    Array.from({ length: outputs[axis]! }, (_, i) => {
      const start = i * strides[axis]! - padding[axis]!;
      const end = Math.min(start + kernel[axis]!, length + padding[axis]!);
      return (Math.min(end, length) - Math.max(start, 0)) / (end - start);
    }),
  );
  let values = [1];
  for (const factors of along) values = values.flatMap((value) => factors.map((factor) => value * factor));
  const { dtype } = call.result;
  return call.graph.constant(dtype, [1, 1, ...outputs], bytesOf(dtype, values));
}

function adaptivePool(spatial: number, kind: 'Average' | 'Max'): OperatorWriter {
  return batched(spatial, 'self', (call, value) => {
    const sizes = call.shapeOf('self').slice(-spatial);
    const outputs = call.sizes('output_size', spatial);
    if (outputs.every((size) => size === 1)) return call.graph.node(`Global${kind}Pool`, [value]);
    if (sizes.every((size, i) => sameSize(size, outputs[i]!))) return value;
    if ([...sizes, ...outputs].some((size) => typeof size !== 'number')) {
      throw call.wrong('to more than one place, of images of any size');
    }
    const [from, to] = [sizes as number[], outputs as number[]];
    if (from.some((size, i) => size % to[i]! !== 0))
      throw call.wrong(`from [${from.join(', ')}] to [${to.join(', ')}], which does not divide it`);
    const kernel = from.map((size, i) => size / to[i]!);
    return call.graph.node(`${kind}Pool`, [value], { kernel_shape: kernel, strides: kernel });
  });
}

/** What `Resize` does with each of libtorch's modes. */
function resize(mode: 'nearest' | 'linear' | 'cubic', spatial: number): OperatorWriter {
  return (call) => {
    const { graph } = call;
    const image = call.isTensor('self') ? 'self' : 'input';
    const from = call.shapeOf(image);
    const to = call.result.shape;
    const value = call.input(image);
    const corners = call.flag('align_corners', false);
    const attributes =
      mode === 'nearest'
        ? { mode, coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
        : {
            mode,
            coordinate_transformation_mode: corners ? 'align_corners' : 'half_pixel',
            ...(mode === 'cubic' ? { cubic_coeff_a: float(-0.75) } : {}),
          };
    const factors = givenFactors(call, spatial);
    const sizesFixed = to.slice(2).every((size) => typeof size === 'number');
    if (factors !== undefined) {
      const scales = graph.constant('float32', [from.length], bytesOf('float32', [1, 1, ...factors]));
      return graph.node('Resize', [value, '', scales], attributes);
    }
    if (sizesFixed && from.slice(2).every((size) => typeof size === 'number')) {
      const wanted = call.sizesValue([from[0]!, from[1]!, ...to.slice(2)]);
      return graph.node('Resize', [value, '', '', wanted], attributes);
    }
    return graph.node('Resize', [value, '', '', call.sizesValue(to)], attributes);
  };
}

/** Factors by which each axis grows, where they were given in place of sizes. */
function givenFactors(call: OperatorCall, spatial: number): number[] | undefined {
  if (call.has('scale_factors')) return call.numbers('scale_factors', []);
  const names =
    spatial === 1 ? ['scales'] : spatial === 2 ? ['scales_h', 'scales_w'] : ['scales_d', 'scales_h', 'scales_w'];
  return names.every((name) => call.has(name)) ? names.map((name) => call.number(name)) : undefined;
}

const cosine: OperatorWriter = (call) => {
  const { graph } = call;
  const dtype: DType = call.result.dtype;
  const rank = Math.max(call.rankOf('x1'), call.rankOf('x2'));
  const axes = [call.axis('dim', 1, rank)];
  const [a, b] = [operand(call, 'x1', dtype), operand(call, 'x2', dtype)];
  const dot = reduce(call, 'ReduceSum', { value: graph.node('Mul', [a, b]), axes, keep: false });
  const length = (value: string): string => reduce(call, 'ReduceL2', { value, axes, keep: false });
  const least = graph.scalar(call.number('eps', 1e-8), dtype);
  return graph.node('Div', [dot, graph.node('Max', [graph.node('Mul', [length(a), length(b)]), least])]);
};

const glu: OperatorWriter = (call) => {
  const { graph } = call;
  const axis = call.axis('dim', -1);
  const half = call.result.shape[axis]!;
  const [a, b] = graph.nodeOf('Split', [call.input('self'), call.sizesValue([half, half])], { axis }, 2);
  return graph.node('Mul', [a!, graph.node('Sigmoid', [b!])]);
};

export const layers: OperatorTable = {
  linear,
  matmul: product('self', 'other'),
  linalg_matmul: product('self', 'other'),
  mm: product('self', 'mat2'),
  bmm: product('self', 'mat2'),
  mv: product('self', 'vec'),
  dot: product('self', 'tensor'),
  addmm: addedProduct('mat1', 'mat2'),
  baddbmm: addedProduct('batch1', 'batch2'),
  addmv: addedProduct('mat', 'vec'),
  einsum,
  scaled_dot_product_attention: attention,
  conv1d: convolution(1),
  conv2d: convolution(2),
  conv3d: convolution(3),
  conv_transpose1d: convolution(1, true),
  conv_transpose2d: convolution(2, true),
  conv_transpose3d: convolution(3, true),
  batch_norm: batchNorm,
  instance_norm: instanceNorm,
  group_norm: groupNorm,
  layer_norm: layerNorm,
  max_pool1d: maxPool(1),
  max_pool2d: maxPool(2),
  max_pool3d: maxPool(3),
  max_pool2d_with_indices: maxPool(2),
  avg_pool1d: avgPool(1),
  avg_pool2d: avgPool(2),
  avg_pool3d: avgPool(3),
  adaptive_avg_pool1d: adaptivePool(1, 'Average'),
  adaptive_avg_pool2d: adaptivePool(2, 'Average'),
  adaptive_avg_pool3d: adaptivePool(3, 'Average'),
  adaptive_max_pool1d: adaptivePool(1, 'Max'),
  adaptive_max_pool2d: adaptivePool(2, 'Max'),
  upsample_nearest1d: resize('nearest', 1),
  upsample_nearest2d: resize('nearest', 2),
  upsample_nearest3d: resize('nearest', 3),
  upsample_linear1d: resize('linear', 1),
  upsample_bilinear2d: resize('linear', 2),
  upsample_trilinear3d: resize('linear', 3),
  upsample_bicubic2d: resize('cubic', 2),
  cosine_similarity: cosine,
  glu,
};
