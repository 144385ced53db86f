// A network as an ONNX model: traced, lowered, simplified, and checked against what it computes itself.
import { describeValue, RetortError } from '../errors.ts';
import { onnxModelBytes, writeOnnxFile } from '../formats/index.ts';
import type { OnnxModel } from '../formats/index.ts';
import { hasOnnxruntime, openOnnx } from '../models/onnx/session.ts';
import { Module } from '../nn/index.ts';
import { Generator, mapLeaves, noGrad, ops, Tensor, tensorsIn, tidy } from '../torch/index.ts';
import { version } from '../version.ts';
import { simplify } from './graph-passes.ts';
import { lower } from './lower.ts';
import type { LowerOptions } from './lower.ts';
import type { OperatorTable } from './onnx-operators.ts';
import { addPreprocessing, addSoftmax } from './surroundings.ts';
import type { GraphPreprocessing } from './surroundings.ts';
import { mergeTraces, traceModule, Varying } from './trace.ts';
import type { Size, Trace } from './trace.ts';

/** How a network is exported. */
export interface ExportOnnxOptions {
  /** Version of ONNX's operators, 17 to 20. Default 17: read by onnxruntime from 1.12 on. */
  opset?: 17 | 18 | 19 | 20;
  /** Take any number of samples (dimension 0 of every input and output). Default true. */
  dynamicBatch?: boolean;
  /** Take images of any size (dimensions 2 and 3 of inputs of four dimensions). Default false. */
  dynamicSize?: boolean;
  /** Names of the inputs. Default `input`, for several `input_0`, `input_1`, ... */
  inputNames?: readonly string[];
  /** Names of the outputs. Default `logits` for a tensor, for several `output_0`, ... */
  outputNames?: readonly string[];
  /** Put the preprocessing into the model: its input is then pixels, uint8 `(N, H, W, C)`. */
  preprocessing?: GraphPreprocessing;
  /** Give probabilities in place of scores: softmax over dimension 1. Default false. */
  softmax?: boolean;
  /** Names of the classes, kept in the metadata as `classes`, a list in JSON. */
  classes?: readonly string[];
  /** More texts for the metadata. */
  metadata?: Readonly<Record<string, string>>;
  /** Writers of operators, by libtorch's names: `{ 'aten::foo': (call) => call.graph.node('Foo', [call.input('self')]) }`. */
  operators?: OperatorTable;
  /** Run the model on random inputs and compare, where onnxruntime-node is installed. Default true. */
  check?: boolean;
}

/** How an exported model compares with the network. */
export type ExportCheck =
  | {
      readonly status: 'checked';
      /** The largest difference of an output, in parts of the output's largest value; the worst of all tries. */
      readonly difference: number;
      /** The shapes of the inputs that were tried. */
      readonly shapes: readonly (readonly number[])[];
    }
  | { readonly status: 'unchecked'; readonly reason: string };

/** An exported model. */
export class OnnxExport {
  readonly model: OnnxModel;
  readonly check: ExportCheck;

  constructor(model: OnnxModel, check: ExportCheck) {
    this.model = model;
    this.check = check;
  }

  /** How often each operator occurs, the most frequent first. */
  get operators(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { opType } of this.model.graph.nodes) counts.set(opType, (counts.get(opType) ?? 0) + 1);
    return Object.fromEntries([...counts].toSorted((a, b) => b[1] - a[1]));
  }

  /** The bytes of the file. @throws {FormatError} when it has 2 GiB and more. */
  bytes(): Uint8Array {
    return onnxModelBytes(this.model);
  }

  /** Writes the file, replacing what was there. @throws {RetortError} when it cannot be written. */
  save(file: string): void {
    writeOnnxFile(file, this.model);
  }
}

/** Outputs may differ by this much, in parts of the largest value. */
const tolerance = 1e-4;

/**
 * A network as an ONNX model. It is run in evaluation mode on the inputs, once for each of three numbers of samples, and the operators
 * it calls are written down; parameters and buffers keep their names in the state dict, nodes are named by module and operator
 * (`/backbone/layer1/layer1.0/conv1/Conv`). Batch norms become part of the convolutions before them.
 *
 * What a forward decides by looking at values (`item()`, `data()`, a loop that ends when something is small) cannot be seen: the model has
 * the way that these inputs took, and so has every constant that was computed from values in JavaScript.
 *
 * @param module in any mode; it is left as it was
 * @param inputs what its forward takes: a tensor, or a list of tensors; float32 `(N, C, H, W)` for images
 * @throws {RetortError} `unsupported` for an operator that is not written (naming it and its module), random numbers, sizes that cannot be
 *   expressed; `mismatch` when the model computes something else.
 *
 * @example
 * ```ts
 * const exported = exportOnnx(student, randn([1, 3, 32, 32]), { classes: ['cat', 'dog'] });
 * console.log(exported.check); // { status: 'checked', difference: 1.2e-7, ... }
 * exported.save('student.onnx');
 * ```
 */
export function exportOnnx(
  module: Module,
  inputs: Tensor | readonly Tensor[],
  options: ExportOnnxOptions = {},
): OnnxExport {
  if (!(module instanceof Module)) {
    throw new RetortError(`exportOnnx: module: expected a module, got ${describeValue(module)}`);
  }
  const given = requireInputs(inputs);
  const { opset = 17, dynamicBatch = true, dynamicSize = false } = options;
  if (![17, 18, 19, 20].includes(opset)) {
    throw new RetortError(`exportOnnx: opset: expected 17 to 20, got ${describeValue(opset)}`);
  }
  return tidy(() => {
    const tries = sizesToTry(given, { dynamicBatch, dynamicSize });
    const traces = tries.map((shapes) =>
      traceModule(
        module,
        shapes.map((shape, i) => resized(given[i]!, shape)),
      ),
    );
    const trace = mergeTraces(traces);
    const model = modelOf(module, trace, { ...options, opset, tries, inputs: given });
    return new OnnxExport(model, checkOf(module, model, { ...options, tries, inputs: given }));
  });
}

function requireInputs(inputs: Tensor | readonly Tensor[]): readonly Tensor[] {
  const list = inputs instanceof Tensor ? [inputs] : inputs;
  if (Array.isArray(list) && list.length > 0 && list.every((one) => one instanceof Tensor)) return list;
  throw new RetortError(`exportOnnx: inputs: expected a tensor or a list of tensors, got ${describeValue(inputs)}`, {
    help: 'give what the forward takes, such as randn([1, 3, 224, 224])',
  });
}

/** Shapes of the inputs for each trace: three numbers of samples (two would fit any law), images of another height and another width. */
function sizesToTry(
  inputs: readonly Tensor[],
  { dynamicBatch, dynamicSize }: { dynamicBatch: boolean; dynamicSize: boolean },
): number[][][] {
  const shapes = inputs.map(({ shape }) => shape);
  if (dynamicBatch) {
    const without = shapes.findIndex((shape) => shape.length === 0);
    if (without >= 0) {
      throw new RetortError(`exportOnnx: inputs: input ${without} has no dimensions, so no samples`, {
        help: 'set dynamicBatch: false',
      });
    }
  }
  const batch = (count: number): number[][] => shapes.map(([n = 1, ...rest]) => [dynamicBatch ? count : n, ...rest]);
  const fixed = dynamicBatch ? batch(2) : shapes;
  const tries = [fixed];
  if (dynamicBatch) tries.push(batch(3), batch(7));
  if (dynamicSize) {
    const larger = (down: number, right: number): number[][] =>
      fixed.map((shape) => (shape.length === 4 ? [shape[0]!, shape[1]!, shape[2]! + down, shape[3]! + right] : shape));
    tries.push(larger(64, 0), larger(0, 96));
  }
  return tries;
}

/** An input in another size: its samples again and again, images with pixels again and again. */
function resized(input: Tensor, shape: readonly number[]): Tensor {
  let value = input;
  shape.forEach((size, axis) => {
    if (value.shape[axis] === size) return;
    const places = ops.arange(size, { dtype: 'int64' }).remainder(input.shape[axis]!);
    value = value.indexSelect(axis, places);
  });
  // A tensor of its own: what the forward writes into it is not the caller's.
  return value === input ? input.clone() : value;
}

interface Given extends ExportOnnxOptions {
  readonly inputs: readonly Tensor[];
  readonly tries: readonly (readonly (readonly number[])[])[];
}

function sizesAt(tries: Given['tries'], input: number): Size[] {
  return tries[0]![input]!.map((size, axis) => {
    const values = tries.map((shapes) => shapes[input]![axis]!);
    return values.every((value) => value === size) ? size : new Varying(values);
  });
}

function modelOf(module: Module, trace: Trace<Size>, given: Given & { opset: number }): OnnxModel {
  const { opset, inputs, tries, inputNames, outputNames } = given;
  const names = namesOf('inputNames', inputNames, inputs.length, inputs.length === 1 ? ['input'] : numbered('input'));
  const state = new Map([...module.namedParameters(), ...module.namedBuffers()]);
  const shapes = inputs.map((_, i) => sizesAt(tries, i));
  const sizeNames = sizeNamesOf(shapes);
  const options: LowerOptions = {
    opset,
    inputs: inputs.map(({ dtype }, i) => ({ name: names[i]!, dtype, shape: shapes[i]! })),
    outputs: (refs, structure) => {
      if (refs.length === 0) throw noOutputError(module, trace.output);
      const usual = refs.length === 1 ? ['logits'] : (keysOf(structure, refs.length) ?? numbered('output'));
      return namesOf('outputNames', outputNames, refs.length, usual, names);
    },
    operators: given.operators ?? {},
    sizeNames,
    state,
  };
  const lowered = lower(trace, options);
  const { nodes, initializers } = lowered.graph;
  const graph = { nodes: [...nodes], initializers, outputs: lowered.outputs.map(({ name }) => name) };
  simplify(graph);
  const classes: Record<string, string> = given.classes === undefined ? {} : { classes: JSON.stringify(given.classes) };
  let model: OnnxModel = {
    irVersion: opset >= 19 ? 9 : 8,
    producerName: 'retort',
    producerVersion: version,
    opsets: [{ domain: '', version: opset }],
    metadata: { ...classes, ...given.metadata },
    graph: {
      name: module.constructor.name,
      nodes: graph.nodes,
      initializers: [...initializers.values()],
      inputs: lowered.inputs,
      outputs: lowered.outputs,
    },
  };
  if (given.preprocessing !== undefined) model = addPreprocessing(model, given.preprocessing);
  if (given.softmax === true) model = addSoftmax(model);
  return model;
}

function noOutputError({ constructor }: Module, output: unknown): RetortError {
  return new RetortError(
    `exportOnnx: module: expected a forward that returns tensors, got ${describeValue(output)} of ${constructor.name}`,
    { help: 'return a tensor, or a list or an object of tensors' },
  );
}

/** `batch` for the number of samples, `height` and `width` for those of images. */
function sizeNamesOf(shapes: readonly (readonly Size[])[]): { name: string; size: Varying }[] {
  const named: { name: string; size: Varying }[] = [];
  const add = (name: string, size: Size | undefined): void => {
    if (size instanceof Varying && !named.some((one) => one.name === name)) named.push({ name, size });
  };
  for (const shape of shapes) {
    add('batch', shape[0]);
    add('height', shape[2]);
    add('width', shape[3]);
  }
  return named;
}

const numbered =
  (name: string) =>
  (_: unknown, i: number): string =>
    `${name}_${i}`;

function namesOf(
  option: string,
  given: readonly string[] | undefined,
  count: number,
  usual: readonly string[] | ((_: unknown, i: number) => string),
  taken: readonly string[] = [],
): string[] {
  const list = given ?? (typeof usual === 'function' ? Array.from({ length: count }, usual) : usual);
  const all = [...list, ...taken];
  if (list.length === count && new Set(all).size === all.length && list.every((name) => name !== '')) return [...list];
  throw new RetortError(
    `exportOnnx: ${option}: expected ${count} names, each once, got [${all.slice(0, list.length).join(', ')}]`,
  );
}

/** The keys of an output that is an object of tensors. */
function keysOf(structure: unknown, count: number): string[] | undefined {
  if (typeof structure !== 'object' || structure === null || Array.isArray(structure)) return undefined;
  const keys = structure instanceof Map ? [...structure.keys()].map(String) : Object.keys(structure);
  return keys.length === count ? keys : undefined;
}

/** Runs network and model on random inputs of the size that was given, and of other numbers of samples. */
function checkOf(module: Module, model: OnnxModel, given: Given): ExportCheck {
  const { check = true, inputs, tries, dynamicBatch = true, preprocessing, softmax = false } = given;
  if (!check) return { status: 'unchecked', reason: 'check: false' };
  if (!hasOnnxruntime()) return { status: 'unchecked', reason: 'onnxruntime-node is not installed' };
  using session = openOnnx(onnxModelBytes(model));
  const generator = new Generator(1);
  const of = (samples: number): number[][] => inputs.map(({ shape }) => [samples, ...shape.slice(1)]);
  const sizes = [inputs.map(({ shape }) => shape), ...tries.slice(dynamicBatch ? 3 : 1)];
  if (dynamicBatch) sizes.push(of(5));
  if (dynamicBatch && inputs.some(({ shape }) => shape[0] !== 1)) sizes.push(of(1));
  let difference = 0;
  for (const shapes of sizes) {
    tidy(() => {
      const values = shapes.map((shape, i) => randomLike(resized(inputs[i]!, shape), generator));
      const pixels = preprocessing === undefined ? values : values.map((value) => pixelsOf(value, generator));
      const results = Object.values(session.run(pixels));
      const own = preprocessing === undefined ? values : pixels.map((value) => preprocessed(value, preprocessing));
      const wanted = expectedOutputs(module, own, softmax);
      for (const [i, result] of results.entries()) {
        const apart = differenceOf(result, wanted[i]!);
        if (apart <= tolerance) difference = Math.max(difference, apart);
        else throw checkError(model.graph.outputs[i]!.name, { apart, shapes, result, wanted: wanted[i]! });
      }
    });
  }
  return { status: 'checked', difference, shapes: sizes.map((shapes) => shapes[0]!) };
}

function randomLike(value: Tensor, generator: Generator): Tensor {
  if (!value.dtype.startsWith('float')) return value;
  return ops.randn(value.shape, { generator }).to(value.dtype);
}

/** Random pixels `(N, H, W, C)` for images `(N, C, H, W)`. */
function pixelsOf(value: Tensor, generator: Generator): Tensor {
  const [n = 1, c = 3, h = 1, w = 1] = value.shape;
  return ops.randint(0, 256, [n, h, w, c], { generator, dtype: 'int64' }).to('uint8');
}

function preprocessed(
  pixels: Tensor,
  { mean, std, scale = 1 / 255, channelOrder = 'RGB' }: GraphPreprocessing,
): Tensor {
  const ordered = channelOrder === 'BGR' ? pixels.flip([3]) : pixels;
  const images = ordered.permute([0, 3, 1, 2]).to('float32').mul(scale);
  const channels = (values: readonly number[]): Tensor =>
    ops.cat(
      values.map((value) => ops.full([1, 1, 1, 1], value)),
      1,
    );
  return images.sub(channels(mean)).div(channels(std));
}

function expectedOutputs(module: Module, inputs: readonly Tensor[], softmax: boolean): Tensor[] {
  const modes = module.modules().map((one) => [one, one.training] as const);
  module.eval();
  try {
    const forward = (module as { forward(...args: unknown[]): unknown }).forward.bind(module);
    const outputs = tensorsIn(noGrad(() => mapLeaves(forward(...inputs), (leaf) => leaf)));
    return softmax ? outputs.map((one) => one.softmax(1)) : outputs;
  } finally {
    for (const [one, training] of modes) one.training = training;
  }
}

/** The largest difference in parts of the largest value; infinite where shapes differ, NaN where one alone is not finite. */
function differenceOf(result: Tensor, wanted: Tensor): number {
  if (result.shape.join() !== wanted.shape.join()) return Infinity;
  if (wanted.numel === 0) return 0;
  const [a, b] = [result.to('float64'), wanted.to('float64')];
  // What is infinite or no number in both is the same.
  const same = a.eq(b).logicalOr(a.isnan().logicalAnd(b.isnan()));
  const apart = ops.where(same, 0, a.sub(b)).abs().max().item();
  const largest = ops.where(b.abs().lt(Infinity), b, 0).abs().max().item();
  return apart === 0 ? 0 : apart / Math.max(largest, 1e-6);
}

function checkError(
  output: string,
  given: { apart: number; shapes: readonly (readonly number[])[]; result: Tensor; wanted: Tensor },
): RetortError {
  const { apart, shapes, result, wanted } = given;
  const list = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
  const how = Number.isFinite(apart)
    ? `they differ by ${apart.toExponential(1)} of the largest value, more than ${tolerance}`
    : Number.isNaN(apart)
      ? 'one has values that are no numbers where the other has some'
      : `${list(result.shape)} in place of ${list(wanted.shape)}, or infinite values`;
  return new RetortError(
    `exportOnnx: the model computes another "${output}" than the network for inputs ${shapes.map(list).join(', ')}: ${how}`,
    {
      code: 'mismatch',
      help: 'a forward that decides by values or by sizes cannot be traced; dynamicBatch: false, or check: false to look at the model',
    },
  );
}
