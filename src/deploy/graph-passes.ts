// Makes a graph smaller without changing what it computes: norms become part of the layers before them, steps that do nothing go, and
// what nobody takes.
import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../formats/index.ts';

/** A graph that is being changed. */
export interface MutableGraph {
  nodes: OnnxNode[];
  readonly initializers: Map<string, OnnxTensor>;
  /** Names that must stay. */
  readonly outputs: readonly string[];
}

/** All passes, in an order in which one finds what another left. */
export function simplify(graph: MutableGraph): void {
  removeIdentities(graph);
  foldPadding(graph);
  foldPicking(graph);
  foldNormsOf(graph);
  foldReshapes(graph);
  removeUnused(graph);
  mergeRepeated(graph);
  removeUnused(graph);
}

/** Who takes each value, how often; outputs count as taken. */
function usersOf({ nodes, outputs }: MutableGraph): Map<string, OnnxNode[]> {
  const users = new Map<string, OnnxNode[]>();
  const add = (name: string, node: OnnxNode): void => {
    const list = users.get(name);
    if (list === undefined) users.set(name, [node]);
    else list.push(node);
  };
  for (const node of nodes) for (const name of node.inputs) add(name, node);
  for (const name of outputs) add(name, outputUser);
  return users;
}

const outputUser: OnnxNode = { opType: 'Output', name: '', inputs: [], outputs: [], attributes: {} };

function ints(attribute: OnnxAttribute | undefined): number[] {
  return attribute?.type === 'ints' ? attribute.value.map(Number) : [];
}
function int(attribute: OnnxAttribute | undefined, usual: number): number {
  return attribute?.type === 'int' ? Number(attribute.value) : usual;
}
function number(attribute: OnnxAttribute | undefined, usual: number): number {
  return attribute?.type === 'float' ? attribute.value : usual;
}

/** `Identity`, and casts and transpositions that change nothing. An identity behind an output gives its name to what makes it. */
function removeIdentities(graph: MutableGraph): void {
  const renamed = new Map<string, string>();
  const resolve = (name: string): string => {
    let current = name;
    for (let next = renamed.get(current); next !== undefined; next = renamed.get(current)) current = next;
    return current;
  };
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const kept: OnnxNode[] = [];
  for (const node of graph.nodes) {
    const perm = ints(node.attributes['perm']);
    const idle =
      node.opType === 'Identity' || (node.opType === 'Transpose' && perm.length > 0 && perm.every((to, i) => to === i));
    if (!idle || graph.outputs.includes(node.outputs[0]!)) kept.push(node);
    else renamed.set(node.outputs[0]!, node.inputs[0]!);
  }
  graph.nodes = kept.map((node) => ({ ...node, inputs: node.inputs.map(resolve) }));
  // Outputs: the node that makes the value takes the output's name, if it makes it for one output alone.
  const taken = new Map<string, string>();
  graph.nodes = graph.nodes.filter((node) => {
    if (node.opType !== 'Identity') return true;
    const [from, to] = [node.inputs[0]!, node.outputs[0]!];
    if (!makers.has(from) || taken.has(from) || graph.outputs.includes(from)) return true;
    taken.set(from, to);
    return false;
  });
  const named = (name: string): string => taken.get(name) ?? name;
  graph.nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(named),
    outputs: node.outputs.map(named),
  }));
}

/** Zeros around an image, before a convolution that can add them itself. */
function foldPadding(graph: MutableGraph): void {
  const makers = new Map(graph.nodes.map((node) => [node.outputs[0]!, node] as const));
  const users = usersOf(graph);
  graph.nodes = graph.nodes.map((node) => {
    if (node.opType !== 'Conv') return node;
    const pad = makers.get(node.inputs[0]!);
    if (pad?.opType !== 'Pad' || users.get(pad.outputs[0]!)!.length > 1) return node;
    const mode = pad.attributes['mode'];
    const fill = graph.initializers.get(pad.inputs[2] ?? '');
    const zeros = (pad.inputs[2] ?? '') === '' || fill?.data.every((byte) => byte === 0) === true;
    const sizes = graph.initializers.get(pad.inputs[1]!);
    if (mode?.value !== 'constant' || !zeros || sizes === undefined || pad.inputs.length > 3) return node;
    const all = int64s(sizes);
    const rank = all.length / 2;
    const around = [...all.slice(0, 2), ...all.slice(rank, rank + 2)];
    if (around.some((size) => size !== 0) || all.some((size) => size < 0)) return node;
    const more = [...all.slice(2, rank), ...all.slice(rank + 2)];
    const pads = ints(node.attributes['pads']).map((size, i) => size + more[i]!);
    const attributes = { ...node.attributes, pads: { type: 'ints', value: pads } as const };
    return { ...node, inputs: [pad.inputs[0]!, ...node.inputs.slice(1)], attributes };
  });
}

/** Every so-manieth pixel taken first, then convolved one by one: a convolution with that stride. */
function foldPicking(graph: MutableGraph): void {
  const makers = new Map(graph.nodes.map((node) => [node.outputs[0]!, node] as const));
  const users = usersOf(graph);
  const all = (attribute: OnnxAttribute | undefined, value: number): boolean =>
    ints(attribute).every((one) => one === value);
  graph.nodes = graph.nodes.map((node) => {
    if (node.opType !== 'Conv') return node;
    const pool = makers.get(node.inputs[0]!);
    if (pool?.opType !== 'AveragePool' || users.get(pool.outputs[0]!)!.length > 1) return node;
    const { kernel_shape: window, strides, pads, ceil_mode: ceil } = pool.attributes;
    if (!all(window, 1) || !all(pads, 0) || int(ceil, 0) !== 0) return node;
    const own = node.attributes;
    if (!all(own['kernel_shape'], 1) || !all(own['strides'], 1) || !all(own['pads'], 0)) return node;
    const inputs = [pool.inputs[0]!, ...node.inputs.slice(1)];
    return { ...node, inputs, attributes: { ...own, strides: strides! } };
  });
}

/** Batch norms behind convolutions and linear layers, in double precision. */
function foldNormsOf(graph: MutableGraph): void {
  const makers = new Map(graph.nodes.map((node) => [node.outputs[0]!, node] as const));
  const users = usersOf(graph);
  const changed = new Map<OnnxNode, OnnxNode>();
  const gone = new Set<OnnxNode>();
  const renamed = new Map<string, string>();
  for (const norm of graph.nodes) {
    if (norm.opType !== 'BatchNormalization') continue;
    const layer = makers.get(norm.inputs[0]!);
    if (layer === undefined || changed.has(layer) || users.get(norm.inputs[0]!)!.length > 1) continue;
    const parts = norm.inputs.slice(1).map((name) => graph.initializers.get(name));
    const folded = parts.every((part) => part !== undefined)
      ? foldedLayer(graph, { layer, users, parts, epsilon: number(norm.attributes['epsilon'], 1e-5) })
      : undefined;
    if (folded === undefined) continue;
    changed.set(layer, folded);
    gone.add(norm);
    // The layer keeps the name of its value, unless the norm's is an output's.
    if (graph.outputs.includes(norm.outputs[0]!)) changed.set(layer, { ...folded, outputs: norm.outputs });
    else renamed.set(norm.outputs[0]!, folded.outputs[0]!);
  }
  graph.nodes = graph.nodes
    .filter((node) => !gone.has(node))
    .map((node) => changed.get(node) ?? node)
    .map((node) => ({ ...node, inputs: node.inputs.map((name) => renamed.get(name) ?? name) }));
}

interface Folding {
  layer: OnnxNode;
  users: ReadonlyMap<string, readonly OnnxNode[]>;
  /** Scale, shift, mean, variance. */
  parts: readonly OnnxTensor[];
  epsilon: number;
}

function foldedLayer(graph: MutableGraph, { layer, users, parts, epsilon }: Folding): OnnxNode | undefined {
  const { initializers } = graph;
  const weight = initializers.get(layer.inputs[1] ?? '');
  const biasName = layer.inputs[2] ?? '';
  const bias = initializers.get(biasName);
  if (weight?.dtype !== 'float32' || (biasName !== '' && bias?.dtype !== 'float32')) return undefined;
  const axis = outputAxis(layer);
  if (axis === undefined) return undefined;
  const [gamma, beta, mean, variance] = parts.map(float32s) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const scale = Float64Array.from(gamma, (value, i) => value / Math.sqrt(variance[i]! + epsilon));
  const group = layer.opType === 'ConvTranspose' ? int(layer.attributes['group'], 1) : 1;
  const before = bias === undefined ? undefined : float32s(bias);
  const shift = Float32Array.from(scale, (value, i) => ((before?.[i] ?? 0) - mean[i]!) * value + beta[i]!);
  const source = float32s(weight);
  const inner = weight.dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const width = weight.dims[axis]!;
  const perGroup = weight.dims[0]! / group;
  const scaled = new Float32Array(source.length);
  for (let i = 0; i < source.length; i++) {
    const channel = Math.floor(i / inner) % width;
    // A transposed convolution has its groups along the first axis.
    const offset = group === 1 ? 0 : Math.floor(Math.floor(i / (inner * width)) / perGroup) * width;
    scaled[i] = source[i]! * scale[channel + offset]!;
  }
  const put = (name: string, fallback: string, tensor: Omit<OnnxTensor, 'name'>): string => {
    // A weight that others use too stays as it is.
    const shared = name === '' || (users.get(name)?.length ?? 0) > 1;
    const free = shared ? freeName(initializers, fallback) : name;
    initializers.set(free, { name: free, ...tensor });
    return free;
  };
  const weightName = put(layer.inputs[1]!, `${layer.inputs[1]!}.folded`, { ...weight, data: bytes(scaled) });
  const usual = layer.inputs[1]!.replace(/\bweight$/, 'bias');
  const fallback = usual === layer.inputs[1] || initializers.has(usual) ? `${layer.inputs[1]!}.shift` : usual;
  const shiftTensor = { dtype: 'float32', dims: [shift.length], data: bytes(shift) } as const;
  return { ...layer, inputs: [layer.inputs[0]!, weightName, put(biasName, fallback, shiftTensor)] };
}

function freeName(taken: ReadonlyMap<string, unknown>, name: string): string {
  let free = name;
  for (let i = 1; taken.has(free); i++) free = `${name}_${i}`;
  return free;
}

/** The axis of a layer's weight that its outputs are along. */
function outputAxis({ opType, attributes }: OnnxNode): number | undefined {
  if (opType === 'Conv') return 0;
  if (opType === 'ConvTranspose') return 1;
  if (opType === 'Gemm' && number(attributes['alpha'], 1) === 1) return int(attributes['transB'], 0) === 1 ? 0 : 1;
  return undefined;
}

/** One reshape after another: the last alone, where it does not take sizes over from its input. */
function foldReshapes(graph: MutableGraph): void {
  const makers = new Map(graph.nodes.map((node) => [node.outputs[0]!, node] as const));
  graph.nodes = graph.nodes.map((node) => {
    const takesOver = (shape: OnnxTensor | undefined): boolean => shape === undefined || int64s(shape).includes(0);
    if (node.opType !== 'Reshape' || takesOver(graph.initializers.get(node.inputs[1]!))) return node;
    const before = makers.get(node.inputs[0]!);
    const reshapes = before?.opType === 'Reshape' || before?.opType === 'Flatten' || before?.opType === 'Unsqueeze';
    return reshapes ? { ...node, inputs: [before.inputs[0]!, ...node.inputs.slice(1)] } : node;
  });
}

/** Nodes that compute the same from the same are one: the sizes of inputs are asked for again and again. */
function mergeRepeated(graph: MutableGraph): void {
  const renamed = new Map<string, string>();
  const seen = new Map<string, OnnxNode>();
  graph.nodes = graph.nodes.flatMap((given) => {
    const node = { ...given, inputs: given.inputs.map((name) => renamed.get(name) ?? name) };
    if (node.outputs.length !== 1 || graph.outputs.includes(node.outputs[0]!)) return [node];
    if (Object.values(node.attributes).some(({ type }) => type === 'graph' || type === 'graphs')) return [node];
    const key = JSON.stringify([node.opType, node.domain, node.inputs, node.attributes], (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    const same = seen.get(key);
    if (same === undefined) {
      seen.set(key, node);
      return [node];
    }
    renamed.set(node.outputs[0]!, same.outputs[0]!);
    return [];
  });
}

/** Nodes and constants that nobody takes. */
function removeUnused(graph: MutableGraph): void {
  const taken = new Set(graph.outputs);
  const kept: OnnxNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((name) => taken.has(name))) continue;
    kept.push(node);
    for (const name of node.inputs) taken.add(name);
  }
  graph.nodes = kept.toReversed();
  for (const name of graph.initializers.keys()) if (!taken.has(name)) graph.initializers.delete(name);
}

/** The elements of a tensor of float32. */
export function float32s({ data }: OnnxTensor): Float32Array {
  return new Float32Array(data.slice().buffer);
}

/** The elements of a tensor of int64, as numbers. */
function int64s({ data }: OnnxTensor): number[] {
  return Array.from(new BigInt64Array(data.slice().buffer), Number);
}

function bytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
