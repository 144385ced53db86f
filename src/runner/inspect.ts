// What a file of weights holds, without a network to load it into: format, entries, metadata, each tensor, and whose weights it looks like.
import { RetortError } from '../errors.ts';
import { readOnnxFile } from '../formats/index.ts';
import type { OnnxTensor, OnnxValue } from '../formats/index.ts';
import { recognizeNetwork } from '../models/index.ts';
import { valuesOf } from '../models/onnx/values.ts';
import type { OnnxValueInfo } from '../models/onnx/values.ts';
import { loadTensors } from '../nn/index.ts';
import type { LoadedTensors, LoadTensorsOptions } from '../nn/index.ts';
import { itemSize, tidy } from '../torch/index.ts';

/** A tensor of an inspected file. */
export interface InspectedTensor {
  name: string;
  dtype: string;
  shape: readonly number[];
}

/** What {@link inspect} says of a file of weights. */
export interface InspectedWeights {
  kind: 'weights';
  /** See {@link LoadedTensors}. */
  format: string;
  /** The entry of a training checkpoint that the tensors are of. */
  entry?: string;
  /** Other entries that hold tensors. */
  otherEntries: readonly string[];
  metadata: Readonly<Record<string, string>>;
  tensors: readonly InspectedTensor[];
  /** Elements of all tensors; those of tied weights count once. */
  parameters: number;
  /** Their size in memory. */
  bytes: number;
  /** Tensors that libtorch has no element type for, with that type. */
  leftOut: Readonly<Record<string, string>>;
  /** What the weights look like, such as `ResNet-18 for 10 classes`; absent where they are like nothing that is known. */
  network?: string;
  /** What was passed over: objects of classes that are not known. */
  note?: string;
}

/** What {@link inspect} says of an ONNX file. */
export interface InspectedOnnx {
  kind: 'onnx';
  /** The version of ONNX's own operators. */
  opset: number;
  /** The program that wrote it, such as `pytorch 2.6.0`. */
  producer: string;
  metadata: Readonly<Record<string, string>>;
  inputs: readonly InspectedValue[];
  outputs: readonly InspectedValue[];
  /** Every value that is computed, in order: the names that the recorder `OnnxOutputs` takes. */
  values: readonly OnnxValueInfo[];
  /** Elements of all constants. */
  parameters: number;
  /** Their size. */
  bytes: number;
}

/** An input or output of an ONNX file. */
export interface InspectedValue {
  name: string;
  dtype: string;
  /** A name for a size that the caller chooses. */
  shape: readonly (number | string)[];
}

/** What {@link inspect} says of a file, by its kind. */
export type Inspected = InspectedWeights | InspectedOnnx;

/** Options of {@link inspect}. */
export type InspectOptions = Pick<LoadTensorsOptions, 'entry' | 'verify'>;

/** Kinds of files, each told from a path and read by a function of its own; the last takes all that no other does. */
const kinds: readonly { is: (file: string) => boolean; read: (file: string, options: InspectOptions) => Inspected }[] =
  [
    { is: (file) => /\.onnx$/i.test(file), read: inspectOnnx },
    { is: () => true, read: inspectWeights },
  ];

/**
 * Reads a file and says what it holds: weights in any format that {@link loadTensors} reads, or an ONNX graph (`.onnx`). All of it is read,
 * so that damage shows.
 * @throws {RetortError} where it cannot be read or is damaged.
 *
 * @example
 * ```ts
 * const { network, parameters, otherEntries } = inspect('resnet18_8xb16_cifar10.pth');
 * ```
 */
export function inspect(file: string, options: InspectOptions = {}): Inspected {
  return kinds.find(({ is }) => is(file))!.read(file, { verify: true, ...options });
}

function inspectWeights(file: string, options: InspectOptions): InspectedWeights {
  return tidy(() => {
    const { loaded, note } = loadAnyway(file, options);
    const { format, entry, otherEntries = [], metadata, leftOut } = loaded;
    const network = recognizeNetwork(loaded.tensors);
    const distinct = [...new Set(Object.values(loaded.tensors))];
    const sum = (count: (tensor: (typeof distinct)[number]) => number): number =>
      distinct.reduce((total, tensor) => total + count(tensor), 0);
    return {
      kind: 'weights',
      ...{ format, otherEntries, metadata: { ...metadata }, leftOut: { ...leftOut } },
      ...(entry === undefined ? {} : { entry }),
      tensors: Object.entries(loaded.tensors).map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
      parameters: sum(({ numel }) => numel),
      bytes: sum(({ numel, dtype }) => numel * itemSize(dtype)),
      ...(network === undefined ? {} : { network }),
      ...(note === undefined ? {} : { note }),
    };
  });
}

/** Objects of unknown classes are no reason not to look at the tensors. */
function loadAnyway(file: string, options: InspectOptions): { loaded: LoadedTensors; note?: string } {
  try {
    return { loaded: loadTensors(file, options) };
  } catch (error) {
    if (!(error instanceof RetortError) || error.code !== 'pickle') throw error;
    const [note = ''] = error.message.split('\n');
    try {
      return { loaded: loadTensors(file, { ...options, skipUnknown: true }), note };
    } catch {
      throw error; // perhaps what was passed over is what is missing now
    }
  }
}

function inspectOnnx(file: string): InspectedOnnx {
  const model = readOnnxFile(file);
  const { graph, opsets, producerName = '', producerVersion = '', metadata } = model;
  const constants = new Set(graph.initializers.map(({ name }) => name));
  const port = ({ name, dtype, shape = [] }: OnnxValue): InspectedValue => {
    return { name, dtype: dtype ?? '?', shape: shape.map((size) => size ?? '?') };
  };
  const sum = (count: (tensor: OnnxTensor) => number): number =>
    graph.initializers.reduce((total, tensor) => total + count(tensor), 0);
  return {
    kind: 'onnx',
    opset: opsets.find(({ domain }) => domain === '')?.version ?? 0,
    producer: `${producerName} ${producerVersion}`.trim(),
    metadata: { ...metadata },
    inputs: graph.inputs.filter(({ name }) => !constants.has(name)).map(port),
    outputs: graph.outputs.map(port),
    values: valuesOf(model),
    parameters: sum(({ dims }) => dims.reduce((product, size) => product * size, 1)),
    bytes: sum(({ data }) => data.length),
  };
}
