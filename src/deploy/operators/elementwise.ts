// Operators that compute each element by itself: arithmetic, comparisons, activations.
import type { DType } from '../../torch/index.ts';
import { float } from '../graph-builder.ts';
import type { OperatorCall } from '../operator-call.ts';
import type { OperatorTable, OperatorWriter } from './types.ts';

const isFloat = (dtype: DType): boolean => /^b?float/.test(dtype);
const order: readonly DType[] = [
  'bool',
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
];

/** The wider of two element types. */
function wider(a: DType, b: DType): DType {
  return order.indexOf(a) > order.indexOf(b) ? a : b;
}

/** A tensor or number argument as a value of an element type. */
export function operand(call: OperatorCall, name: string, dtype: DType): string {
  if (call.isTensor(name)) return call.graph.cast(call.input(name), call.dtypeOf(name), dtype);
  const size = call.sizeNumber(name);
  if (size !== undefined) return call.graph.cast(call.graph.node('Squeeze', [call.sizesValue([size])]), 'int64', dtype);
  return call.graph.scalar(call.number(name), dtype);
}

/** Element by element on the result's element type. */
function unary(opType: string): OperatorWriter {
  return (call) => call.graph.node(opType, [operand(call, 'self', call.result.dtype)]);
}

/** Of two arguments, on the result's element type. */
function binary(opType: string, names: readonly [string, string] = ['self', 'other']): OperatorWriter {
  return (call) => {
    const { dtype } = call.result;
    return call.graph.node(opType, [operand(call, names[0], dtype), operand(call, names[1], dtype)]);
  };
}

/** `a + alpha b`, where there is an alpha. */
function scaled(opType: string, [first, second]: readonly [string, string] = ['self', 'other']): OperatorWriter {
  return (call) => {
    const { dtype } = call.result;
    const alpha = call.number('alpha', 1);
    const one = operand(call, first, dtype);
    let other = operand(call, second, dtype);
    if (alpha !== 1) other = call.graph.node('Mul', [other, call.graph.scalar(alpha, dtype)]);
    return call.graph.node(opType, [one, other]);
  };
}

/** The element type that both arguments of a comparison are brought to. */
function common(call: OperatorCall): DType {
  const own = call.dtypeOf('self');
  if (call.isTensor('other')) {
    const other = call.dtypeOf('other');
    // A tensor without dimensions does not widen within its kind.
    if (isFloat(own) === isFloat(other) && call.rankOf('other') === 0 && call.rankOf('self') > 0) return own;
    if (isFloat(own) === isFloat(other) && call.rankOf('self') === 0 && call.rankOf('other') > 0) return other;
    return wider(own, other);
  }
  const number = call.number('other');
  if (isFloat(own)) return own;
  return Number.isInteger(number) ? wider(own, own === 'bool' ? 'int64' : own) : 'float32';
}

function comparison(opType: string): OperatorWriter {
  return (call) => {
    const dtype = common(call);
    // ONNX compares booleans for equality only.
    const wide = dtype === 'bool' && opType !== 'Equal' ? 'int32' : dtype;
    return call.graph.node(opType, [operand(call, 'self', wide), operand(call, 'other', wide)]);
  };
}

function logical(opType: string): OperatorWriter {
  return (call) => {
    const value = call.graph.node(opType, [operand(call, 'self', 'bool'), operand(call, 'other', 'bool')]);
    return call.graph.cast(value, 'bool', call.result.dtype);
  };
}

/** `and`, `or`, `xor` of booleans: those of the bits of integers are operators of a later version. */
function bitwise(opType: string): OperatorWriter {
  return (call) => {
    if (call.result.dtype !== 'bool') throw call.wrong('on integers, which ONNX has from version 18 on');
    return logical(opType)(call);
  };
}

const relu: OperatorWriter = unary('Relu');

/** Limits that are numbers or tensors, and may be missing. */
function clip(call: OperatorCall, low: string, high: string): string {
  const { dtype } = call.result;
  const limit = (name: string): string => (name !== '' && call.has(name) ? operand(call, name, dtype) : '');
  const value = operand(call, 'self', dtype);
  const scalar = (name: string): boolean => !call.isTensor(name) || call.rankOf(name) === 0;
  if (scalar(low) && scalar(high)) return call.graph.node('Clip', [value, limit(low), limit(high)]);
  const above = limit(low) === '' ? value : call.graph.node('Max', [value, limit(low)]);
  return limit(high) === '' ? above : call.graph.node('Min', [above, limit(high)]);
}

const constant = (call: OperatorCall, value: number): string => call.graph.scalar(value, call.result.dtype);

/** The usual form, by the error function: `x (1 + erf(x / sqrt 2)) / 2`. */
const gelu: OperatorWriter = (call) => {
  const { graph } = call;
  const x = call.input('self');
  if (call.text('approximate', 'none') === 'tanh') {
    const cube = graph.node('Mul', [graph.node('Mul', [x, x]), x]);
    const inner = graph.node('Add', [x, graph.node('Mul', [cube, constant(call, 0.044_715)])]);
    const bent = graph.node('Tanh', [graph.node('Mul', [inner, constant(call, Math.sqrt(2 / Math.PI))])]);
    const half = graph.node('Mul', [x, constant(call, 0.5)]);
    return graph.node('Mul', [half, graph.node('Add', [bent, constant(call, 1)])]);
  }
  const erf = graph.node('Erf', [graph.node('Div', [x, constant(call, Math.SQRT2)])]);
  return graph.node('Mul', [graph.node('Mul', [x, graph.node('Add', [erf, constant(call, 1)])]), constant(call, 0.5)]);
};

const softplus: OperatorWriter = (call) => {
  const { graph } = call;
  const [beta, threshold] = [call.number('beta', 1), call.number('threshold', 20)];
  const x = call.input('self');
  const sharp = beta === 1 ? x : graph.node('Mul', [x, constant(call, beta)]);
  const soft = graph.node('Softplus', [sharp]);
  const bent = beta === 1 ? soft : graph.node('Div', [soft, constant(call, beta)]);
  return graph.node('Where', [graph.node('Greater', [sharp, constant(call, threshold)]), x, bent]);
};

const elu: OperatorWriter = (call) => {
  if (call.number('scale', 1) !== 1 || call.number('input_scale', 1) !== 1)
    throw call.wrong('with scales other than 1');
  return call.graph.node('Elu', [call.input('self')], { alpha: float(call.number('alpha', 1)) });
};

const prelu: OperatorWriter = (call) => {
  const rank = call.rankOf('self');
  const slopes = call.shapeOf('weight')[0];
  const weight = call.input('weight');
  // One slope for each channel stands at dimension 1.
  const axes = Array.from({ length: Math.max(0, rank - 2) }, (_, i) => i + 1);
  const fits = slopes === 1 || axes.length === 0;
  const slope = fits ? weight : call.graph.node('Unsqueeze', [weight, call.graph.ints(axes)]);
  return call.graph.node('PRelu', [call.input('self'), slope]);
};

const div: OperatorWriter = (call) => {
  const { graph, result } = call;
  const mode = call.text('rounding_mode');
  if (mode === undefined) return binary('Div')(call);
  const floating = isFloat(result.dtype) ? result.dtype : 'float64';
  const quotient = graph.node('Div', [operand(call, 'self', floating), operand(call, 'other', floating)]);
  if (mode === 'floor') return graph.cast(graph.node('Floor', [quotient]), floating, result.dtype);
  return graph.cast(graph.cast(quotient, floating, 'int64'), 'int64', result.dtype);
};

const remainder: OperatorWriter = (call) => {
  const { graph, result } = call;
  const [a, b] = [operand(call, 'self', result.dtype), operand(call, 'other', result.dtype)];
  if (!isFloat(result.dtype)) return graph.node('Mod', [a, b]);
  const whole = graph.node('Floor', [graph.node('Div', [a, b])]);
  return graph.node('Sub', [a, graph.node('Mul', [whole, b])]);
};

const addc =
  (opType: string): OperatorWriter =>
  (call) => {
    const { graph, result } = call;
    const together = graph.node(opType, [
      operand(call, 'tensor1', result.dtype),
      operand(call, 'tensor2', result.dtype),
    ]);
    const value = call.number('value', 1);
    const scaledValue = value === 1 ? together : graph.node('Mul', [together, constant(call, value)]);
    return graph.node('Add', [operand(call, 'self', result.dtype), scaledValue]);
  };

const pow: OperatorWriter = (call) => {
  const name = call.has('exponent') ? 'exponent' : 'other';
  if (!call.isTensor(name) && call.number(name) === 2) {
    const x = operand(call, 'self', call.result.dtype);
    return call.graph.node('Mul', [x, x]);
  }
  return binary('Pow', ['self', name])(call);
};

export const elementwise: OperatorTable = {
  add: scaled('Add'),
  sub: scaled('Sub'),
  subtract: scaled('Sub'),
  rsub: scaled('Sub', ['other', 'self']),
  mul: binary('Mul'),
  multiply: binary('Mul'),
  div,
  divide: div,
  true_divide: binary('Div'),
  floor_divide: (call) => {
    const { graph, result } = call;
    const quotient = graph.node('Div', [operand(call, 'self', 'float64'), operand(call, 'other', 'float64')]);
    return graph.cast(graph.node('Floor', [quotient]), 'float64', result.dtype);
  },
  remainder,
  fmod: (call) =>
    call.graph.node('Mod', [operand(call, 'self', call.result.dtype), operand(call, 'other', call.result.dtype)], {
      fmod: 1,
    }),
  pow,
  float_power: pow,
  square: (call) => call.graph.node('Mul', [call.input('self'), call.input('self')]),
  addcmul: addc('Mul'),
  addcdiv: addc('Div'),
  lerp: (call) => {
    const { graph, result } = call;
    const from = call.input('self');
    const way = graph.node('Sub', [call.input('end'), from]);
    return graph.node('Add', [from, graph.node('Mul', [way, operand(call, 'weight', result.dtype)])]);
  },
  neg: unary('Neg'),
  negative: unary('Neg'),
  abs: unary('Abs'),
  absolute: unary('Abs'),
  sign: unary('Sign'),
  sqrt: unary('Sqrt'),
  rsqrt: (call) => call.graph.node('Reciprocal', [call.graph.node('Sqrt', [operand(call, 'self', call.result.dtype)])]),
  reciprocal: unary('Reciprocal'),
  exp: unary('Exp'),
  expm1: (call) => call.graph.node('Sub', [call.graph.node('Exp', [call.input('self')]), constant(call, 1)]),
  log: unary('Log'),
  log1p: (call) => call.graph.node('Log', [call.graph.node('Add', [call.input('self'), constant(call, 1)])]),
  log2: (call) =>
    call.graph.node('Div', [
      call.graph.node('Log', [operand(call, 'self', call.result.dtype)]),
      constant(call, Math.LN2),
    ]),
  log10: (call) =>
    call.graph.node('Div', [
      call.graph.node('Log', [operand(call, 'self', call.result.dtype)]),
      constant(call, Math.LN10),
    ]),
  sin: unary('Sin'),
  cos: unary('Cos'),
  tan: unary('Tan'),
  tanh: unary('Tanh'),
  atan: unary('Atan'),
  erf: unary('Erf'),
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  round: unary('Round'),
  isnan: (call) => call.graph.node('IsNaN', [call.input('self')]),
  relu,
  relu6: (call) => call.graph.node('Clip', [call.input('self'), constant(call, 0), constant(call, 6)]),
  hardtanh: (call) =>
    call.graph.node('Clip', [
      call.input('self'),
      constant(call, call.number('min_val', -1)),
      constant(call, call.number('max_val', 1)),
    ]),
  clamp: (call) => clip(call, 'min', 'max'),
  clip: (call) => clip(call, 'min', 'max'),
  clamp_min: (call) => clip(call, 'min', ''),
  clamp_max: (call) => clip(call, '', 'max'),
  maximum: binary('Max'),
  minimum: binary('Min'),
  fmax: binary('Max'),
  fmin: binary('Min'),
  sigmoid: unary('Sigmoid'),
  log_sigmoid: (call) =>
    call.graph.node('Neg', [call.graph.node('Softplus', [call.graph.node('Neg', [call.input('self')])])]),
  silu: (call) => call.graph.node('Mul', [call.input('self'), call.graph.node('Sigmoid', [call.input('self')])]),
  mish: (call) => {
    const soft = call.graph.node('Softplus', [call.input('self')]);
    return call.graph.node('Mul', [call.input('self'), call.graph.node('Tanh', [soft])]);
  },
  hardsigmoid: (call) =>
    call.graph.node('HardSigmoid', [call.input('self')], { alpha: float(1 / 6), beta: float(0.5) }),
  hardswish: (call) => call.graph.node('HardSwish', [call.input('self')]),
  gelu,
  elu,
  celu: (call) => call.graph.node('Celu', [call.input('self')], { alpha: float(call.number('alpha', 1)) }),
  selu: unary('Selu'),
  leaky_relu: (call) =>
    call.graph.node('LeakyRelu', [call.input('self')], { alpha: float(call.number('negative_slope', 0.01)) }),
  prelu,
  softplus,
  softsign: unary('Softsign'),
  threshold: (call) => {
    const { graph } = call;
    const above = graph.node('Greater', [call.input('self'), constant(call, call.number('threshold'))]);
    return graph.node('Where', [above, call.input('self'), constant(call, call.number('value'))]);
  },
  eq: comparison('Equal'),
  ne: (call) => call.graph.node('Not', [comparison('Equal')(call) as string]),
  not_equal: (call) => call.graph.node('Not', [comparison('Equal')(call) as string]),
  gt: comparison('Greater'),
  greater: comparison('Greater'),
  ge: comparison('GreaterOrEqual'),
  greater_equal: comparison('GreaterOrEqual'),
  lt: comparison('Less'),
  less: comparison('Less'),
  le: comparison('LessOrEqual'),
  less_equal: comparison('LessOrEqual'),
  logical_and: logical('And'),
  logical_or: logical('Or'),
  logical_xor: logical('Xor'),
  logical_not: (call) => call.graph.node('Not', [operand(call, 'self', 'bool')]),
  bitwise_and: bitwise('And'),
  bitwise_or: bitwise('Or'),
  bitwise_xor: bitwise('Xor'),
  bitwise_not: (call) => {
    if (call.result.dtype !== 'bool') throw call.wrong('on integers, which ONNX has from version 18 on');
    return call.graph.node('Not', [call.input('self')]);
  },
  where: (call) =>
    call.graph.node('Where', [
      operand(call, 'condition', 'bool'),
      operand(call, 'self', call.result.dtype),
      operand(call, 'other', call.result.dtype),
    ]),
  masked_fill: (call) =>
    call.graph.node('Where', [
      operand(call, 'mask', 'bool'),
      operand(call, 'value', call.result.dtype),
      call.input('self'),
    ]),
};
