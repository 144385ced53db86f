// Operators that move elements without changing them: views, pieces, lists of tensors, lookups, other element types.
import type { OperatorCall } from '../operator-call.ts';
import { sameSize, sizeOf } from '../operator-call.ts';
import type { Size } from '../trace.ts';
import { bytesOf } from '../graph-builder.ts';
import { operand } from './elementwise.ts';
import type { OperatorTable, OperatorWriter } from './types.ts';

const same: OperatorWriter = (call) => call.input('self');

/** Into the shape that the result has. */
const intoShape: OperatorWriter = (call) => reshapedTo(call, call.result.shape);

function reshapedTo(call: OperatorCall, shape: readonly Size[]): string {
  return call.reshaped(call.input('self'), call.shapeOf('self'), shape);
}

const flatten: OperatorWriter = (call) => {
  const from = call.shapeOf('self');
  const to = call.result.shape;
  // All but the first dimension: ONNX's own operator, which asks for no sizes.
  if (to.length === 2 && from.length > 2 && sameSize(from[0]!, to[0]!)) {
    return call.graph.node('Flatten', [call.input('self')], { axis: 1 });
  }
  return reshapedTo(call, to);
};

/** The order of dimensions after a transposition, permutation or move. */
export function orderOf(call: OperatorCall): number[] | undefined {
  const rank = call.rankOf('self');
  const order = Array.from({ length: rank }, (_, i) => i);
  switch (call.operator.replace('aten::', '')) {
    case 't':
      return order.reverse();
    case 'transpose':
    case 'swapaxes':
    case 'swapdims': {
      const a = call.axis(call.has('dim0') ? 'dim0' : 'axis0');
      const b = call.axis(call.has('dim1') ? 'dim1' : 'axis1');
      [order[a], order[b]] = [b, a];
      return order;
    }
    case 'permute':
      return call.numbers('dims', []).map((i) => (i < 0 ? i + rank : i));
    case 'movedim':
    case 'moveaxis': {
      const counted = (name: string): number[] => call.numbers(name, []).map((i) => (i < 0 ? i + rank : i));
      const [from, to] = [counted('source'), counted('destination')];
      const rest = order.filter((i) => !from.includes(i));
      return order.map((i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!));
    }
    default:
      return undefined;
  }
}

const transposed: OperatorWriter = (call) => {
  const perm = orderOf(call)!;
  if (perm.every((from, i) => from === i)) return call.input('self');
  return call.graph.node('Transpose', [call.input('self')], { perm });
};

/** A piece along one axis. */
export interface Piece {
  readonly axis: number;
  readonly start: Size;
  readonly end: Size;
  /** Whether the axis itself goes. */
  readonly dropped: boolean;
}

/** What part of its argument a result of a view is; undefined for views that are no pieces. */
export function pieceOf(call: OperatorCall, output: number): Piece | undefined {
  const operator = call.operator.replace('aten::', '');
  const length = (axis: number): Size => call.shapeOf('self')[axis]!;
  const counted = (size: Size, axis: number): Size =>
    sizeOf((at, whole) => (at < 0 ? at + whole : at), size, length(axis));
  switch (operator) {
    case 'select': {
      const axis = call.axis('dim');
      const start = counted(call.size('index'), axis);
      return { axis, start, end: sizeOf((at) => at + 1, start), dropped: true };
    }
    case 'narrow': {
      const axis = call.axis('dim');
      const start = counted(call.size('start'), axis);
      return { axis, start, end: sizeOf((at, size) => at + size, start, call.size('length')), dropped: false };
    }
    case 'slice': {
      if (call.number('step', 1) !== 1) return undefined;
      const axis = call.axis('dim', 0);
      const within = (size: Size): Size =>
        sizeOf((at, whole) => Math.min(Math.max(at, 0), whole), counted(size, axis), length(axis));
      const start = call.has('start') ? within(call.size('start')) : 0;
      return { axis, start, end: call.has('end') ? within(call.size('end')) : length(axis), dropped: false };
    }
    case 'unbind': {
      const axis = call.axis('dim', 0);
      return { axis, start: output, end: output + 1, dropped: true };
    }
    case 'chunk':
    case 'split':
    case 'split_with_sizes':
    case 'unsafe_chunk':
    case 'tensor_split': {
      const axis = call.axis('dim', 0);
      const sizes = call.results.map(({ shape }) => shape[axis]!);
      const sum = (upTo: number): Size => sizes.slice(0, upTo).reduce((a, b) => sizeOf((x, y) => x + y, a, b), 0);
      return { axis, start: sum(output), end: sum(output + 1), dropped: false };
    }
    default:
      return undefined;
  }
}

function sliced(call: OperatorCall, value: string, { axis, start, end }: Piece, step = 1): string {
  const { graph } = call;
  const whole = call.shapeOf('self')[axis]!;
  if (step === 1 && start === 0 && sameSize(end, whole)) return value;
  // To the end: beyond what any axis has.
  const last = sameSize(end, whole) ? graph.ints([2 ** 53 - 1]) : call.sizesValue([end]);
  return graph.node('Slice', [value, call.sizesValue([start]), last, graph.ints([axis]), graph.ints([step])]);
}

const piece: OperatorWriter = (call) => {
  const { graph } = call;
  const value = call.input('self');
  const found = pieceOf(call, 0);
  if (found === undefined) {
    const axis = call.axis('dim', 0);
    const whole = call.shapeOf('self')[axis]!;
    const at = (name: string, usual: Size): Size => (call.has(name) ? call.size(name) : usual);
    const counted = (size: Size): Size => sizeOf((i, n) => Math.min(Math.max(i < 0 ? i + n : i, 0), n), size, whole);
    const range = { axis, start: counted(at('start', 0)), end: counted(at('end', whole)), dropped: false };
    return sliced(call, value, range, call.number('step', 1));
  }
  if (!found.dropped) return sliced(call, value, found);
  if (typeof found.start === 'number') {
    return graph.node('Gather', [value, graph.scalar(found.start, 'int64')], { axis: found.axis });
  }
  return graph.node('Squeeze', [sliced(call, value, found), graph.ints([found.axis])]);
};

const pieces: OperatorWriter = (call) => {
  const { graph, results } = call;
  const axis = call.axis('dim', 0);
  const value = call.input('self');
  const sizes = results.map(({ shape }) => shape[axis]!);
  if (results.length === 1) return [value];
  return graph.nodeOf('Split', [value, call.sizesValue(sizes)], { axis }, results.length);
};

const unbind: OperatorWriter = (call) => {
  const { graph, results } = call;
  const axis = call.axis('dim', 0);
  return results.map((_, i) => graph.node('Gather', [call.input('self'), graph.scalar(i, 'int64')], { axis }));
};

const expand: OperatorWriter = (call) => {
  const { shape } = call.result;
  const from = call.shapeOf('self');
  if (from.length === shape.length && from.every((size, i) => sameSize(size, shape[i]!))) return call.input('self');
  return call.graph.node('Expand', [call.input('self'), call.sizesValue(shape)]);
};

function listed(call: OperatorCall): string[] {
  const dtypes = call.dtypesOf('tensors');
  return call.inputs('tensors').map((value, i) => call.graph.cast(value, dtypes[i]!, call.result.dtype));
}

const cat: OperatorWriter = (call) => {
  const shapes = call.shapesOf('tensors');
  // libtorch takes an empty list of any shape for nothing.
  const values = listed(call).filter(
    (_, i) => shapes[i]!.length > 1 || shapes[i]![0] !== 0 || call.result.shape.length === 1,
  );
  if (values.length === 1) return values[0]!;
  return call.graph.node('Concat', values, { axis: call.axis('dim', 0, call.result.shape.length) });
};

const stack: OperatorWriter = (call) => {
  const axis = call.axis('dim', 0, call.result.shape.length);
  const at = call.graph.ints([axis]);
  const values = listed(call).map((value) => call.graph.node('Unsqueeze', [value, at]));
  return call.graph.node('Concat', values, { axis });
};

/** Numbers of elements, counted from the end where they are negative: ONNX does so too. */
const index: OperatorWriter = (call) => {
  const { graph } = call;
  const places = call.inputs('indices');
  const dtypes = call.dtypesOf('indices');
  if (dtypes.some((dtype) => dtype === 'bool' || dtype === 'uint8')) {
    throw call.wrong('with a mask, whose result has a size that depends on the values');
  }
  const given = places.flatMap((value, axis) => (value === '' ? [] : [axis]));
  const value = call.input('self');
  if (given.length === 1) return graph.node('Gather', [value, places[given[0]!]!], { axis: given[0]! });
  const together = given.every((axis, i) => axis === given[0]! + i);
  if (!together || given[0] !== 0) throw call.wrong('with several lists of places that are not the first ones');
  const shapes = call.shapesOf('indices');
  const rank = Math.max(...shapes.map((shape) => shape.length));
  // All of one shape, side by side in a new last dimension.
  const picked = call.result.shape.slice(0, rank);
  const columns = given.map((axis) => {
    const wide = graph.node('Expand', [places[axis]!, call.sizesValue(picked)]);
    return graph.node('Unsqueeze', [wide, graph.ints([rank])]);
  });
  return graph.node('GatherND', [value, graph.node('Concat', columns, { axis: rank })]);
};

/** The elements of an axis turned around: the last come first. */
const roll: OperatorWriter = (call) => {
  const { graph } = call;
  const dims = call.numbers('dims', []);
  if (dims.length === 0) throw call.wrong('without dims');
  let value = call.input('self');
  call.numbers('shifts', []).forEach((shift, i) => {
    const axis = dims[i]! < 0 ? dims[i]! + call.rankOf('self') : dims[i]!;
    const length = call.shapeOf('self')[axis]!;
    const start = sizeOf((n) => (n === 0 ? 0 : ((-shift % n) + n) % n), length);
    if (start === 0) return;
    const [at, end, axes] = [call.sizesValue([start]), graph.ints([2 ** 53 - 1]), graph.ints([axis])];
    const tail = graph.node('Slice', [value, at, end, axes]);
    const head = graph.node('Slice', [value, graph.ints([0]), at, axes]);
    value = graph.node('Concat', [tail, head], { axis });
  });
  return value;
};

const flip: OperatorWriter = (call) => {
  const { graph } = call;
  const dims = call.numbers('dims', []).map((i) => (i < 0 ? i + call.rankOf('self') : i));
  const all = (value: number): string => graph.ints(dims.map(() => value));
  return graph.node('Slice', [call.input('self'), all(-1), all(-(2 ** 53) + 1), graph.ints(dims), all(-1)]);
};

const repeat: OperatorWriter = (call) => {
  const name = call.has('repeats') ? 'repeats' : 'dims';
  const times = call.sizes(name);
  const from = call.shapeOf('self');
  const rank = Math.max(times.length, from.length);
  const padded = [...Array.from({ length: rank - from.length }, () => 1), ...from];
  const value = call.reshaped(call.input('self'), from, padded);
  const all = [...Array.from({ length: rank - times.length }, () => 1), ...times];
  return call.graph.node('Tile', [value, call.sizesValue(all)]);
};

const repeatInterleave: OperatorWriter = (call) => {
  const { graph } = call;
  if (call.isTensor('repeats') || !call.has('dim')) throw call.wrong('other than so many times along a dimension');
  const axis = call.axis('dim');
  const shape = call.shapeOf('self');
  const wide = graph.node('Unsqueeze', [call.input('self'), graph.ints([axis + 1])]);
  const target = [...shape.slice(0, axis + 1), call.size('repeats'), ...shape.slice(axis + 1)];
  const repeated = graph.node('Expand', [wide, call.sizesValue(target)]);
  return call.reshaped(repeated, target, call.result.shape);
};

const pixelUnshuffle: OperatorWriter = (call) => {
  const { graph } = call;
  const factor = call.number('downscale_factor');
  const [n, c, h, w] = call.shapeOf('self') as [Size, Size, Size, Size];
  const part = (size: Size): Size => sizeOf((whole) => whole / factor, size);
  const split = [n, c, part(h), factor, part(w), factor];
  const value = call.reshaped(call.input('self'), [n, c, h, w], split);
  const moved = graph.node('Transpose', [value], { perm: [0, 1, 3, 5, 2, 4] });
  return call.reshaped(moved, [n, c, factor, factor, part(h), part(w)], call.result.shape);
};

/** ONNX's padding begins with all axes' beginnings; libtorch's goes from the last axis on, both sides at a time. */
function onnxPads(rank: number, padding: readonly number[]): number[] {
  const begins: number[] = Array.from({ length: rank }, () => 0);
  const ends = [...begins];
  for (let i = 0; 2 * i < padding.length; i++) {
    begins[rank - 1 - i] = padding[2 * i]!;
    ends[rank - 1 - i] = padding[2 * i + 1]!;
  }
  return [...begins, ...ends];
}

function padded(mode: (call: OperatorCall) => string): OperatorWriter {
  return (call) => {
    const { graph } = call;
    const kind = mode(call);
    const value = call.input('self');
    const padding = call.numbers(call.has('pad') ? 'pad' : 'padding', []);
    const rank = call.rankOf('self');
    if (kind === 'circular') return wrapped(call, value, padding);
    const pads = graph.ints(onnxPads(rank, padding));
    if (kind !== 'constant') return graph.node('Pad', [value, pads], { mode: kind === 'replicate' ? 'edge' : kind });
    const fill = call.has('value') ? operand(call, 'value', call.result.dtype) : '';
    return graph.node('Pad', [value, pads, fill], { mode: 'constant' });
  };
}

/** Each axis continued by its other end. */
function wrapped(call: OperatorCall, given: string, padding: readonly number[]): string {
  const { graph } = call;
  let value = given;
  for (let i = 0; 2 * i < padding.length; i++) {
    const axis = call.rankOf('self') - 1 - i;
    const [before, after] = [padding[2 * i]!, padding[2 * i + 1]!];
    const cut = (start: number, end: number): string =>
      graph.node('Slice', [value, graph.ints([start]), graph.ints([end]), graph.ints([axis])]);
    const parts = [...(before > 0 ? [cut(-before, 2 ** 53 - 1)] : []), value, ...(after > 0 ? [cut(0, after)] : [])];
    if (parts.length > 1) value = graph.node('Concat', parts, { axis });
  }
  return value;
}

/** A triangle of a matrix, the rest zeros. */
function triangle(upper: number): OperatorWriter {
  return (call) =>
    call.graph.node('Trilu', [call.input('self'), call.graph.scalar(call.number('diagonal', 0), 'int64')], { upper });
}

const toDtype: OperatorWriter = (call) => call.graph.cast(call.input('self'), call.dtypeOf('self'), call.result.dtype);

export const shapes: OperatorTable = {
  alias: same,
  detach: same,
  clone: same,
  contiguous: same,
  dropout: same,
  feature_dropout: same,
  alpha_dropout: same,
  lift_fresh: same,
  positive: same,
  view: (call) => (call.dtypeOf('self') === call.result.dtype ? intoShape(call) : viewedAs(call)),
  view_as: intoShape,
  reshape: intoShape,
  reshape_as: intoShape,
  flatten,
  ravel: intoShape,
  unflatten: intoShape,
  unsqueeze: (call) =>
    call.graph.node('Unsqueeze', [
      call.input('self'),
      call.graph.ints([call.axis('dim', undefined, call.rankOf('self') + 1)]),
    ]),
  squeeze: (call) => {
    const from = call.shapeOf('self');
    const axes = (call.has('dim') ? call.axes('dim') : from.map((_, i) => i)).filter((axis) => from[axis] === 1);
    return axes.length === 0
      ? call.input('self')
      : call.graph.node('Squeeze', [call.input('self'), call.graph.ints(axes)]);
  },
  t: transposed,
  transpose: transposed,
  swapaxes: transposed,
  swapdims: transposed,
  permute: transposed,
  movedim: transposed,
  moveaxis: transposed,
  select: piece,
  narrow: piece,
  slice: piece,
  chunk: pieces,
  unsafe_chunk: pieces,
  split: pieces,
  split_with_sizes: pieces,
  tensor_split: pieces,
  unbind,
  expand,
  expand_as: expand,
  broadcast_to: expand,
  cat,
  concat: cat,
  concatenate: cat,
  stack,
  index,
  index_select: (call) =>
    call.graph.node('Gather', [call.input('self'), call.input('index')], { axis: call.axis('dim') }),
  gather: (call) =>
    call.graph.node('GatherElements', [call.input('self'), call.input('index')], { axis: call.axis('dim') }),
  take_along_dim: (call) =>
    call.graph.node('GatherElements', [call.input('self'), call.input('indices')], { axis: call.axis('dim') }),
  embedding: (call) => call.graph.node('Gather', [call.input('weight'), call.input('indices')], { axis: 0 }),
  one_hot: (call) => {
    const depth = call.number('num_classes', -1);
    if (depth < 0) throw call.wrong('without a number of classes');
    const { graph } = call;
    const values = graph.constant('int64', [2], bytesOf('int64', [0, 1]));
    return graph.node('OneHot', [call.input('self'), graph.scalar(depth, 'int64'), values], { axis: -1 });
  },
  roll,
  flip,
  repeat,
  tile: repeat,
  repeat_interleave: repeatInterleave,
  pixel_shuffle: (call) =>
    call.graph.node('DepthToSpace', [call.input('self')], { blocksize: call.number('upscale_factor'), mode: 'CRD' }),
  pixel_unshuffle: pixelUnshuffle,
  channel_shuffle: (call) => {
    const { graph } = call;
    const groups = call.number('groups');
    const [n, c, ...rest] = call.shapeOf('self') as [Size, Size, ...Size[]];
    const split = [n, groups, sizeOf((all) => all / groups, c), ...rest];
    const value = call.reshaped(call.input('self'), call.shapeOf('self'), split);
    const perm = [0, 2, 1, ...rest.map((_, i) => i + 3)];
    const turned = graph.node('Transpose', [value], { perm });
    return call.reshaped(turned, [n, split[2]!, groups, ...rest], call.result.shape);
  },
  pad: padded((call) => call.text('mode', 'constant')!),
  constant_pad_nd: padded(() => 'constant'),
  reflection_pad1d: padded(() => 'reflect'),
  reflection_pad2d: padded(() => 'reflect'),
  replication_pad1d: padded(() => 'replicate'),
  replication_pad2d: padded(() => 'replicate'),
  triu: triangle(1),
  tril: triangle(0),
  to: toDtype,
  type_as: toDtype,
  copy: (call) => {
    const value = call.graph.cast(call.input('src'), call.dtypeOf('src'), call.dtypeOf('self'));
    const [from, to] = [call.shapeOf('src'), call.shapeOf('self')];
    if (from.length === to.length && from.every((size, i) => sameSize(size, to[i]!))) return value;
    return call.graph.node('Expand', [value, call.sizesValue(to)]);
  },
  fill: (call) => filled(call, operand(call, 'value', call.dtypeOf('self'))),
  zero: (call) => filled(call, call.graph.scalar(0, call.dtypeOf('self'))),
};

function filled(call: OperatorCall, value: string): string {
  return call.graph.node('Expand', [value, call.sizesValue(call.shapeOf('self'))]);
}

function viewedAs(call: OperatorCall): never {
  throw call.wrong('the bytes of one element type read as another');
}
