// Operators that make one of many: sums, means, largest values, norms, softmax.
import type { DType } from '../../torch/index.ts';
import type { OperatorCall } from '../operator-call.ts';
import type { Size } from '../trace.ts';
import { operand } from './elementwise.ts';
import type { OperatorTable, OperatorWriter } from './types.ts';

/** ONNX's reductions: the axes of all but the sum are an attribute until version 18. */
export function reduce(
  call: OperatorCall,
  opType: string,
  { value, axes, keep }: { value: string; axes: readonly number[]; keep: boolean },
): string {
  const keepdims = Number(keep);
  if (axes.length === 0) return value;
  return opType === 'ReduceSum' || call.graph.opset >= 18
    ? call.graph.node(opType, [value, call.graph.ints(axes)], { keepdims })
    : call.graph.node(opType, [value], { axes, keepdims });
}

function reduction(opType: string): OperatorWriter {
  return (call) => {
    const value = operand(call, 'self', call.result.dtype);
    return reduce(call, opType, { value, axes: call.axes('dim'), keep: call.flag('keepdim', false) });
  };
}

/** `max` and `min`: of two tensors, of all elements, or along a dimension with the places. */
function extreme(opType: 'Max' | 'Min'): OperatorWriter {
  const all = reduction(`Reduce${opType}`);
  return (call) => {
    const { graph } = call;
    if (call.isTensor('other')) {
      const { dtype } = call.result;
      return graph.node(opType, [operand(call, 'self', dtype), operand(call, 'other', dtype)]);
    }
    if (!call.has('dim')) return all(call);
    const axis = call.axis('dim');
    const keep = call.flag('keepdim', false);
    const value = call.input('self');
    return [
      reduce(call, `Reduce${opType}`, { value, axes: [axis], keep }),
      graph.node(`Arg${opType}`, [value], { axis, keepdims: Number(keep) }),
    ];
  };
}

function place(opType: string): OperatorWriter {
  return (call) => {
    const keepdims = Number(call.flag('keepdim', false));
    if (call.has('dim')) return call.graph.node(opType, [call.input('self')], { axis: call.axis('dim'), keepdims });
    const flat = call.graph.node('Reshape', [call.input('self'), call.graph.ints([-1])]);
    return call.graph.node(opType, [flat], { axis: 0, keepdims: 0 });
  };
}

/** How many elements a reduction goes over, less `less`, as a value. */
function count(call: OperatorCall, axes: readonly number[], less: number): string {
  const { dtype } = call.result;
  const shape = call.shapeOf('self');
  const sizes = axes.map((axis) => shape[axis]!);
  if (sizes.every((size): size is number => typeof size === 'number')) {
    return call.graph.scalar(Math.max(0, sizes.reduce((product, size) => product * size, 1) - less), dtype);
  }
  const product = call.graph.node('ReduceProd', [call.sizesValue(sizes)], { keepdims: 0 });
  const counted = call.graph.cast(product, 'int64', dtype);
  return less === 0 ? counted : call.graph.node('Sub', [counted, call.graph.scalar(less, dtype)]);
}

function variance(call: OperatorCall): string {
  const { graph } = call;
  const axes = call.axes('dim');
  const less = call.has('correction') ? call.number('correction') : Number(call.flag('unbiased', true));
  const value = call.input('self');
  const mean = reduce(call, 'ReduceMean', { value, axes, keep: true });
  const apart = graph.node('Sub', [value, mean]);
  const squares = graph.node('Mul', [apart, apart]);
  const keep = call.flag('keepdim', false);
  if (less === 0) return reduce(call, 'ReduceMean', { value: squares, axes, keep });
  return graph.node('Div', [reduce(call, 'ReduceSum', { value: squares, axes, keep }), count(call, axes, less)]);
}

const norm: OperatorWriter = (call) => {
  const { graph } = call;
  const { dtype } = call.result;
  const p = call.has('p') ? call.number('p') : call.number('ord', 2);
  const axes = call.axes('dim');
  const keep = call.flag('keepdim', false);
  const value = operand(call, 'self', dtype);
  if (p === 2) return reduce(call, 'ReduceL2', { value, axes, keep });
  if (p === 1) return reduce(call, 'ReduceL1', { value, axes, keep });
  const magnitude = graph.node('Abs', [value]);
  if (p === Infinity) return reduce(call, 'ReduceMax', { value: magnitude, axes, keep });
  if (p === -Infinity) return reduce(call, 'ReduceMin', { value: magnitude, axes, keep });
  const powers = graph.node('Pow', [magnitude, graph.scalar(p, dtype)]);
  const sum = reduce(call, 'ReduceSum', { value: powers, axes, keep });
  return graph.node('Pow', [sum, graph.scalar(1 / p, dtype)]);
};

function softmax(opType: string): OperatorWriter {
  return (call) => call.graph.node(opType, [operand(call, 'self', call.result.dtype)], { axis: call.axis('dim') });
}

/** `any` and `all`, as the largest and smallest of zeros and ones. */
function logical(opType: string): OperatorWriter {
  return (call) => {
    const bits = call.graph.cast(operand(call, 'self', 'bool'), 'bool', 'int32');
    const value = reduce(call, opType, { value: bits, axes: call.axes('dim'), keep: call.flag('keepdim', false) });
    return call.graph.cast(value, 'int32', 'bool');
  };
}

function largest(call: OperatorCall, k: Size, isLargest: boolean): readonly string[] {
  const axis = call.axis('dim', -1);
  return call.graph.nodeOf(
    'TopK',
    [call.input('self'), call.sizesValue([k])],
    { axis, largest: Number(isLargest), sorted: 1 },
    2,
  );
}

function cast(call: OperatorCall, dtype: DType): string {
  return operand(call, 'self', dtype);
}

export const reductions: OperatorTable = {
  sum: reduction('ReduceSum'),
  mean: reduction('ReduceMean'),
  amax: reduction('ReduceMax'),
  amin: reduction('ReduceMin'),
  prod: reduction('ReduceProd'),
  logsumexp: reduction('ReduceLogSumExp'),
  max: extreme('Max'),
  min: extreme('Min'),
  argmax: place('ArgMax'),
  argmin: place('ArgMin'),
  any: logical('ReduceMax'),
  all: logical('ReduceMin'),
  var: variance,
  std: (call) => call.graph.node('Sqrt', [variance(call)]),
  norm,
  linalg_vector_norm: norm,
  linalg_norm: (call) => {
    if (call.has('ord') || call.axes('dim').length > 1) throw call.wrong('a norm of matrices');
    return norm(call);
  },
  frobenius_norm: norm,
  cumsum: (call) =>
    call.graph.node('CumSum', [cast(call, call.result.dtype), call.graph.scalar(call.axis('dim'), 'int64')]),
  softmax: softmax('Softmax'),
  _softmax: softmax('Softmax'),
  special_softmax: softmax('Softmax'),
  log_softmax: softmax('LogSoftmax'),
  _log_softmax: softmax('LogSoftmax'),
  topk: (call) => largest(call, call.size('k'), call.flag('largest', true)),
  sort: (call) => largest(call, call.shapeOf('self')[call.axis('dim', -1)]!, call.flag('descending', false)),
};
