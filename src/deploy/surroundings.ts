// What surrounds a network in an exported model: pixels made into its input, scores into probabilities.
import { RetortError } from '../errors.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../formats/index.ts';
import { bytesOf } from './graph-builder.ts';

/** How pixels become the input of a network: `(scale x - mean) / std`. */
export interface GraphPreprocessing {
  /** Of each channel of the network, subtracted. */
  readonly mean: readonly number[];
  /** Of each channel, divides what is left. */
  readonly std: readonly number[];
  /** Pixels, 0 to 255, are multiplied by it first. Default 1 / 255: means are between 0 and 1; 1 where they are in pixels. */
  readonly scale?: number;
  /** The order of channels that the network was trained on; pixels come as RGB. Default `'RGB'`. */
  readonly channelOrder?: 'RGB' | 'BGR';
}

const node = (
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: OnnxNode['attributes'] = {},
): OnnxNode => {
  return { opType, name: `/preprocessing/${opType}`, inputs, outputs, attributes };
};

/** The model with pixels, uint8 `(N, H, W, C)`, in place of its input `(N, C, H, W)`. */
export function addPreprocessing(model: OnnxModel, preprocessing: GraphPreprocessing): OnnxModel {
  const { graph } = model;
  const [input, ...others] = graph.inputs;
  const shape = input?.shape;
  if (input?.dtype !== 'float32' || shape?.length !== 4 || others.length > 0) {
    throw new RetortError('exportOnnx: preprocessing: expected a network of one float32 input (N, C, H, W)');
  }
  const { mean, std, scale = 1 / 255, channelOrder = 'RGB' } = preprocessing;
  const channels = shape[1];
  if (mean.length !== channels || std.length !== channels || std.some((value) => !(value > 0))) {
    throw new RetortError(
      `exportOnnx: preprocessing: expected mean and std (above 0) of ${channels} channels, got [${mean.join(', ')}] and [${std.join(', ')}]`,
    );
  }
  const row = (name: string, values: readonly number[]): OnnxTensor => {
    return { name, dtype: 'float32', dims: [1, values.length, 1, 1], data: bytesOf('float32', values) };
  };
  // (scale x - mean) / std as x times one number, plus another.
  const constants = [
    row(
      'preprocessing.scale',
      std.map((value) => scale / value),
    ),
    row(
      'preprocessing.shift',
      std.map((value, i) => -mean[i]! / value),
    ),
  ];
  const images = '/preprocessing/images';
  const nodes = [node('Cast', [input.name], ['/preprocessing/float'], { to: { type: 'int', value: 1 } })];
  let current = '/preprocessing/float';
  if (channelOrder === 'BGR') {
    const order = {
      name: 'preprocessing.order',
      dtype: 'int64',
      dims: [channels],
      data: bytesOf(
        'int64',
        mean.map((_, i) => channels - 1 - i),
      ),
    } as const;
    constants.push(order);
    nodes.push(node('Gather', [current, order.name], ['/preprocessing/ordered'], { axis: { type: 'int', value: 3 } }));
    current = '/preprocessing/ordered';
  }
  nodes.push(
    node('Transpose', [current], ['/preprocessing/turned'], { perm: { type: 'ints', value: [0, 3, 1, 2] } }),
    node('Mul', ['/preprocessing/turned', 'preprocessing.scale'], ['/preprocessing/scaled']),
    node('Add', ['/preprocessing/scaled', 'preprocessing.shift'], [images]),
  );
  const taken = graph.nodes.map((one) => ({
    ...one,
    inputs: one.inputs.map((name) => (name === input.name ? images : name)),
  }));
  const pixels = { name: input.name, dtype: 'uint8', shape: [shape[0], shape[2], shape[3], shape[1]] } as const;
  return {
    ...model,
    graph: {
      ...graph,
      nodes: [...nodes, ...taken],
      initializers: [...graph.initializers, ...constants],
      inputs: [pixels],
    },
  };
}

/** The model with probabilities in place of its scores `(N, K)`; the output is then called `probabilities`, if it was `logits`. */
export function addSoftmax(model: OnnxModel): OnnxModel {
  const { graph } = model;
  const [output, ...others] = graph.outputs;
  if (output?.shape?.length !== 2 || others.length > 0) {
    throw new RetortError('exportOnnx: softmax: expected a network of one output (N, K)');
  }
  const name = output.name === 'logits' ? 'probabilities' : output.name;
  const scores = `/softmax/${output.name}`;
  const nodes = graph.nodes.map((one) => ({
    ...one,
    inputs: one.inputs.map((input) => (input === output.name ? scores : input)),
    outputs: one.outputs.map((made) => (made === output.name ? scores : made)),
  }));
  const softmax: OnnxNode = {
    opType: 'Softmax',
    name: '/softmax/Softmax',
    inputs: [scores],
    outputs: [name],
    attributes: { axis: { type: 'int', value: 1 } },
  };
  return { ...model, graph: { ...graph, nodes: [...nodes, softmax], outputs: [{ ...output, name }] } };
}
