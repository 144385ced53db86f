// A network out of an ONNX file, run by onnxruntime: a frozen teacher need not be of PyTorch's world.
import { z } from 'zod';

import { didYouMean, RetortError } from '../../errors.ts';
import { onnxModelBytes, readOnnxFile } from '../../formats/index.ts';
import { Module } from '../../nn/index.ts';
import type { ForwardMode, GivenTargets, LossModel, NamedValues, Outputs } from '../../nn/index.ts';
import { checkOptions, entry, pathTo } from '../../registry/index.ts';
import { ops, Tensor, tidy } from '../../torch/index.ts';
import { count } from '../schema.ts';
import { openOnnx } from './session.ts';
import type { OnnxSession } from './session.ts';

const options = z.strictObject({
  file: pathTo('file').describe('An .onnx file.'),
  outputs: z
    .union([z.string(), z.array(z.string()).min(1).readonly()])
    .exactOptional()
    .describe('What forward gives: the name of an output (a tensor), or several (a list). Default: the first output.'),
  device: z.enum(['cpu', 'cuda']).default('cpu').describe('Where onnxruntime computes.'),
  threads: count.exactOptional().describe("Threads of one operator. Default: as many as libtorch's operators use."),
});

/** Options of {@link OnnxNetwork}. */
export interface OnnxNetworkOptions extends z.input<typeof options> {}

/**
 * A frozen network out of an ONNX file: `(N, ...)` images to what the file's outputs are, `(N, K)` scores as a rule. It has no parameters
 * and no gradients: it can teach, and be measured. Values inside of it are recorded by their names, with the recorder `OnnxOutputs`.
 * A file whose batch is fixed is run in pieces of that size. float16 comes out as float32. Needs the package onnxruntime-node.
 *
 * @example
 * ```ts
 * const teacher = new OnnxNetwork({ file: 'resnet50.onnx' });
 * const scores = teacher.forward(images); // (N, 1000)
 * ```
 */
export class OnnxNetwork<O extends Outputs = Tensor> extends Module implements LossModel<O>, NamedValues {
  static readonly schema = options;
  /** The names of all values that the file computes. */
  readonly valueNames: readonly string[];
  readonly #options: z.output<typeof options>;
  /** The names of the file's outputs. */
  readonly #known: readonly string[];
  readonly #outputs: readonly string[];
  readonly #listeners = new Map<string, Set<(value: Tensor) => void>>();
  #session: { readonly run: OnnxSession; readonly watched: ReadonlySet<string> } | undefined;

  /** @throws {RetortError} for a file that is not there or not ONNX, one with several inputs, and outputs that it does not have. */
  constructor(given: OnnxNetworkOptions) {
    super();
    this.#options = checkOptions(options, given, new.target.name);
    const { file, outputs } = this.#options;
    const { graph } = readOnnxFile(file);
    this.valueNames = graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== ''));
    const known = graph.outputs.map(({ name }) => name);
    this.#known = known;
    this.#outputs = outputs === undefined ? known.slice(0, 1) : typeof outputs === 'string' ? [outputs] : outputs;
    for (const name of this.#outputs) {
      if (known.includes(name)) continue;
      throw new RetortError(`OnnxNetwork: outputs: ${file} has no output "${name}"; ${didYouMean(name, known)}`, {
        code: 'unknown-name',
        help: `it has ${known.join(', ')}; values inside are recorded with OnnxOutputs`,
      });
    }
    const constants = new Set(graph.initializers.map(({ name }) => name));
    const inputs = graph.inputs.filter(({ name }) => !constants.has(name));
    if (inputs.length !== 1) {
      throw new RetortError(
        `OnnxNetwork: ${file}: expected one input, the images, got ${inputs.map(({ name }) => name).join(', ') || 'none'}`,
        { code: 'unsupported', help: 'export the network with its other inputs as constants' },
      );
    }
    this.train(false);
  }

  /** Calls `listener` with a value each time the network runs. @throws {RetortError} for a name that the file does not compute. */
  watchValue(name: string, listener: (value: Tensor) => void): Disposable {
    if (!this.valueNames.includes(name)) {
      throw new RetortError(
        `OnnxNetwork: ${this.#options.file} computes no "${name}"; ${didYouMean(name, this.valueNames)}`,
        { code: 'unknown-name' },
      );
    }
    const own = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, own.add(listener));
    return {
      [Symbol.dispose]: () => {
        own.delete(listener);
      },
    };
  }

  /** Frees what onnxruntime holds; the next forward loads the file's graph again. */
  dispose(): void {
    this.#session?.run.dispose();
    this.#session = undefined;
  }
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * @param mode `'tensor'` (default): what the outputs are; `'predict'`: probabilities of scores `(N, K)`
   * @throws {RetortError} for images of another shape or element type than the file says, mode `'loss'`, and when onnxruntime fails.
   */
  override forward(images: Tensor, targets: GivenTargets, mode: 'loss'): Record<string, Tensor>;
  override forward(images: Tensor, targets?: GivenTargets, mode?: 'tensor' | 'predict'): O;
  override forward(images: Tensor, _targets?: GivenTargets, mode: ForwardMode = 'tensor'): O | Record<string, Tensor> {
    if (mode === 'loss') {
      throw new RetortError('OnnxNetwork: it has no loss, and cannot be trained', {
        code: 'unsupported',
        help: 'make it the teacher; the student is a network of ours',
      });
    }
    const outputs = this.#run(images);
    return (mode === 'predict' && outputs instanceof Tensor ? outputs.softmax(-1) : outputs) as O;
  }

  #run(images: Tensor): Tensor | Tensor[] {
    const watched = [...this.#listeners].filter(([, listeners]) => listeners.size > 0).map(([name]) => name);
    const session = this.#opened(watched);
    const names = [...new Set([...this.#outputs, ...watched])];
    const values = inPieces(session, images, names);
    for (const name of watched) for (const listener of this.#listeners.get(name)!) listener(values[name]!);
    const outputs = this.#outputs.map((name) => values[name]!);
    return Array.isArray(this.#options.outputs) ? outputs : outputs[0]!;
  }

  /** A session that gives the values that are watched: they are outputs of the graph it runs. */
  #opened(watched: readonly string[]): OnnxSession {
    const open = this.#session;
    const { file, device, threads } = this.#options;
    const wanted = new Set(watched.filter((name) => !this.#known.includes(name)));
    if (open !== undefined && [...wanted].every((name) => open.watched.has(name))) return open.run;
    const more = new Set([...(open?.watched ?? []), ...wanted]);
    this.dispose();
    const model = more.size === 0 ? file : withOutputs(file, more);
    const run = openOnnx(model, { device, ...(threads === undefined ? {} : { threads }) });
    this.#session = { run, watched: more };
    return run;
  }
}

/** A file's model that gives more values. It is read again: the network keeps no weights besides those of its session. */
function withOutputs(file: string, names: ReadonlySet<string>): Uint8Array {
  const model = readOnnxFile(file);
  const added = [...names].map((name) => ({ name }));
  return onnxModelBytes({ ...model, graph: { ...model.graph, outputs: [...model.graph.outputs, ...added] } });
}

/** Runs a batch of any size; a last piece that is smaller than the file's batch is filled up, and what comes of that cut off. */
function inPieces(session: OnnxSession, images: Tensor, names: readonly string[]): Record<string, Tensor> {
  const [input] = session.inputs;
  const given = input!.dtype === 'float16' && images.dtype === 'float32' ? images.to('float16') : images;
  const [size, total] = [input!.shape[0], images.shape[0] ?? 0];
  const run = (piece: Tensor): Record<string, Tensor> => {
    const values = session.run([piece.contiguous()], names);
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, placed(widened(value), images)]));
  };
  if (typeof size !== 'number' || size === 0 || size === total) return run(given);
  return tidy(() => {
    if (total === 0) {
      const whole = run(ops.zeros([size, ...given.shape.slice(1)], { dtype: given.dtype, device: given.device }));
      return Object.fromEntries(names.map((name) => [name, samples(name, whole[name]!, size, 0)]));
    }
    const pieces: Record<string, Tensor>[] = [];
    for (let at = 0; at < total; at += size) {
      const count = Math.min(size, total - at);
      const piece = given.narrow(0, at, count);
      const missing = given.narrow(0, at, 1).expand([size - count, ...given.shape.slice(1)]);
      const values = run(count === size ? piece : ops.cat([piece, missing]));
      pieces.push(
        Object.fromEntries(Object.entries(values).map(([name, value]) => [name, samples(name, value, size, count)])),
      );
    }
    return Object.fromEntries(names.map((name) => [name, ops.cat(pieces.map((values) => values[name]!))]));
  });
}

/** The first samples of a value of a whole piece. */
function samples(name: string, value: Tensor, size: number, count: number): Tensor {
  if (value.shape[0] === size) return value.narrow(0, 0, count);
  throw new RetortError(
    `OnnxNetwork: "${name}" is (${value.shape.join(', ')}), and the file's batch is fixed at ${size}: its first dimension is not the batch`,
    { code: 'unsupported', help: `use batches of ${size}, or export the network with a batch of any size` },
  );
}

/** Where the images are: onnxruntime gives tensors of the CPU. */
const placed = (value: Tensor, { device }: Tensor): Tensor => (device === 'cpu' ? value : value.to({ device }));
const widened = (value: Tensor): Tensor => (value.dtype === 'float16' ? value.to('float32') : value);

export const onnxNetworkEntry = entry(options, (given): OnnxNetwork => new OnnxNetwork(given), {
  summary: 'A frozen teacher out of an ONNX file, run by onnxruntime.',
});
