// A trace as a graph of ONNX. Writing into memory becomes a new value in place of the old: whoever shows that memory is made again when
// it is next asked for. Sizes that depend on the inputs are looked for among the shapes of what is there.
import { RetortError } from '../errors.ts';
import type { OnnxValue } from '../formats/index.ts';
import { GraphBuilder, onnxDType } from './graph-builder.ts';
import { writerOf } from './onnx-operators.ts';
import type { OperatorTable } from './onnx-operators.ts';
import { OperatorCall, sameSize, sizeOf } from './operator-call.ts';
import { orderOf, pieceOf } from './operators/shapes.ts';
import { inModule, refsIn, Varying } from './trace.ts';
import type { Call, Constant, Size, TensorNote, Trace, ViewStep } from './trace.ts';
import type { DType } from '../torch/index.ts';

/** An input of the graph. */
export interface GraphInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Size[];
}

/** What {@link lower} is given besides the trace. */
export interface LowerOptions {
  readonly opset: number;
  readonly inputs: readonly GraphInput[];
  readonly outputs: (refs: readonly number[], structure: unknown) => readonly string[];
  readonly operators: OperatorTable;
  /** Names of sizes that depend on the inputs, such as `batch`. */
  readonly sizeNames: readonly { readonly name: string; readonly size: Varying }[];
  /** Values of parameters and buffers, by their paths. */
  readonly state: ReadonlyMap<
    string,
    { readonly dtype: DType; readonly shape: readonly number[]; bytes(): Uint8Array }
  >;
}

/** A graph, not yet simplified. */
export interface Lowered {
  readonly graph: GraphBuilder;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** @throws {RetortError} for an operator that is not written, and a size that cannot be computed. */
export function lower(trace: Trace<Size>, options: LowerOptions): Lowered {
  return new Lowering(trace, options).run();
}

/** The memory behind tensors: its value, and how often it was written into. */
interface Memory {
  value: string | undefined;
  version: number;
}

interface Known {
  readonly value: string;
  readonly shape: readonly Size[];
}

class Lowering {
  readonly graph: GraphBuilder;
  readonly tensors: readonly TensorNote<Size>[];
  readonly #trace: Trace<Size>;
  readonly #options: LowerOptions;
  readonly #memories = new Map<number, Memory>();
  readonly #values = new Map<number, { value: string; version: number }>();
  readonly #known: Known[] = [];
  readonly #sizes = new Map<string, string>();
  readonly #parameters = new Map<string, string>();
  readonly #constants = new Map<Constant<Size>, string>();

  constructor(trace: Trace<Size>, options: LowerOptions) {
    this.graph = new GraphBuilder(options.opset);
    this.tensors = trace.tensors;
    this.#trace = trace;
    this.#options = options;
    for (const { name, shape } of options.inputs) this.#known.push({ value: this.graph.unique(name), shape });
  }

  run(): Lowered {
    for (const call of this.#trace.calls) if (call.depends) this.#lower(call);
    this.graph.scope = '';
    const ids = this.#outputIds();
    const names = this.#options.outputs(ids, this.#trace.output);
    const outputs = ids.map((id, i) => this.#output(id, names[i]!));
    const inputs = this.#options.inputs.map(({ name, dtype, shape }) => ({
      name,
      dtype: onnxDType(dtype),
      shape: shape.map((size) => this.#dim(size)),
    }));
    return { graph: this.graph, inputs, outputs };
  }

  #outputIds(): number[] {
    const found: number[] = [];
    const visit = (value: unknown): void => {
      const ids = refsIn(value);
      if (ids.length > 0) found.push(...ids);
      else if (value instanceof Map) for (const item of value.values()) visit(item);
      else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) visit(item);
    };
    visit(this.#trace.output);
    return found;
  }

  /** Every output is made by a node of its own, and has the name that was asked for. */
  #output(id: number, name: string): OnnxValue {
    const constant = this.#trace.outputConstants.get(id);
    const value = constant === undefined ? this.valueOf(id) : this.#constant(id, constant, undefined);
    this.graph.nodes.push({
      opType: 'Identity',
      name: this.graph.unique(`/${name}/Identity`),
      inputs: [value],
      outputs: [this.graph.unique(name)],
      attributes: {},
    });
    const { dtype, shape } = this.tensors[id]!;
    return { name, dtype: onnxDType(dtype), shape: shape.map((size) => this.#dim(size)) };
  }

  #dim(size: Size): number | string | undefined {
    if (typeof size === 'number') return size;
    return this.#options.sizeNames.find((one) => sameSize(one.size, size))?.name;
  }

  #lower(call: Call<Size>): void {
    this.graph.scope = call.module;
    const made = this.#written(call);
    if (call.inPlace) {
      const [target] = call.results;
      if (target !== undefined) this.#write(target, made[0]!, call);
      return;
    }
    call.results.forEach((id, i) => {
      const value = made[i];
      if (value === undefined) return;
      const { root, steps, shape } = this.tensors[id]!;
      const memory = this.#memory(root);
      if (steps.length === 0) memory.value = value;
      this.#values.set(id, { value, version: memory.version });
      this.#known.push({ value, shape });
    });
  }

  #written(call: Call<Size>, self?: string): readonly string[] {
    const writer = writerOf(call.operator, this.#options.operators);
    const wrapped = new OperatorCall(call, this, self);
    if (writer === undefined) throw this.#unknown(call);
    const made = writer(wrapped);
    const values = typeof made === 'string' ? [made] : made;
    if (!call.inPlace) return values;
    const compares = /^(eq|ne|gt|ge|lt|le|logical_\w+)_$/.test(call.operator);
    const { dtype } = this.tensors[call.results[0]!]!;
    return compares ? [this.graph.cast(values[0]!, 'bool', dtype)] : values;
  }

  #unknown({ operator, module }: Call<Size>): RetortError {
    const name = operator.includes('::') ? operator : `aten::${operator}`;
    return new RetortError(`exportOnnx: ${name}, ${inModule(module)}, is not written in ONNX`, {
      code: 'unsupported',
      help: `write it yourself: exportOnnx(module, inputs, { operators: { '${name}': (call) => call.graph.node('...', [call.input('self')]) } })`,
    });
  }

  #memory(root: number): Memory {
    let memory = this.#memories.get(root);
    if (memory === undefined) {
      const { source } = this.tensors[root]!;
      memory = { value: typeof source === 'number' ? this.#options.inputs[source]!.name : undefined, version: 0 };
      this.#memories.set(root, memory);
    }
    return memory;
  }

  /** The value of a tensor, as it is now. */
  valueOf(id: number, call?: Call<Size>): string {
    const constant = call?.constants.get(id);
    if (constant !== undefined) return this.#constant(id, constant, call);
    const note = this.tensors[id]!;
    const memory = this.#memory(note.root);
    const known = this.#values.get(id);
    if (known !== undefined && known.version === memory.version) return known.value;
    if (memory.value === undefined) throw this.#missing(call);
    const value = this.#through(memory.value, note.steps);
    this.#values.set(id, { value, version: memory.version });
    return value;
  }

  #missing(call: Call<Size> | undefined): RetortError {
    const where = call === undefined ? '' : ` that ${call.operator}, ${inModule(call.module)}, takes`;
    return new RetortError(
      `exportOnnx: a result${where} is not written in ONNX, such as the places of largest values`,
      {
        code: 'unsupported',
        help: 'compute it in another way',
      },
    );
  }

  /** What views make of a memory's value. */
  #through(value: string, steps: readonly ViewStep[]): string {
    const { scope } = this.graph;
    let current = value;
    for (const { call, output } of steps) {
      this.graph.scope = call.module;
      current = this.#written(call, current)[output]!;
    }
    this.graph.scope = scope;
    return current;
  }

  /** Takes a tensor's new value over into the memory that it shows. */
  #write(id: number, value: string, call: Call<Size>): void {
    const { root, steps } = this.tensors[id]!;
    const memory = this.#memory(root);
    if (steps.length > 0 && memory.value === undefined) {
      const constant = call.constants.get(root);
      if (constant !== undefined) memory.value = this.#constant(root, constant, call);
    }
    // From the innermost view outwards: each is put back into what it shows.
    const before = [memory.value ?? ''];
    for (const step of steps.slice(0, -1)) before.push(this.#through(before.at(-1)!, [step]));
    let written = value;
    for (let i = steps.length - 1; i >= 0; i--) written = this.#back(steps[i]!, before[i]!, written);
    memory.value = written;
    memory.version++;
    this.#values.set(id, { value, version: memory.version });
  }

  /** The value of what a view shows, after the view's own has changed. */
  #back({ call, output }: ViewStep, whole: string, part: string): string {
    const view = new OperatorCall(call, this, whole);
    const { graph } = this;
    const from = this.tensors[call.results[output]!]!.shape;
    const to = view.shapeOf('self');
    const order = orderOf(view);
    if (order !== undefined) {
      const inverse = order.map((_, i) => order.indexOf(i));
      return graph.node('Transpose', [part], { perm: inverse });
    }
    const piece = pieceOf(view, output);
    if (piece !== undefined) {
      const { axis, start, end, dropped } = piece;
      const wide = dropped ? graph.node('Unsqueeze', [part, graph.ints([axis])]) : part;
      const axes = graph.ints([axis]);
      const parts = [wide];
      if (start !== 0) {
        parts.unshift(graph.node('Slice', [whole, graph.ints([0]), view.sizesValue([start]), axes]));
      }
      if (!sameSize(end, to[axis]!)) {
        parts.push(graph.node('Slice', [whole, view.sizesValue([end]), graph.ints([2 ** 53 - 1]), axes]));
      }
      return parts.length === 1 ? wide : graph.node('Concat', parts, { axis });
    }
    const reshapes =
      /^(view|view_as|reshape|reshape_as|flatten|ravel|unflatten|unsqueeze|squeeze|alias|detach|to|contiguous)$/;
    if (reshapes.test(call.operator)) return view.reshaped(part, from, to);
    throw view.wrong('what is written into it cannot be put back');
  }

  /** A value that does not depend on the inputs. */
  #constant(id: number, constant: Constant<Size>, call: Call<Size> | undefined): string {
    const { source, root, steps } = this.tensors[id]!;
    const state = typeof source === 'string' ? this.#options.state.get(source) : undefined;
    if (typeof source === 'string' && state !== undefined) return this.#parameter(source, state);
    const known = this.#constants.get(constant);
    if (known !== undefined) return known;
    const origin = this.tensors[root]!.source;
    const name = typeof origin === 'string' ? `${origin}.${steps.at(-1)?.call.operator ?? 'constant'}` : undefined;
    const fixed = constant.shape.map((size) => (typeof size === 'number' ? size : 1));
    let value = this.graph.constant(constant.dtype, fixed, constant.bytes, name);
    if (constant.shape.some((size) => typeof size !== 'number')) {
      const context = call ?? { ...this.#trace.calls.at(-1)!, args: new Map() };
      value = this.graph.node('Expand', [value, new OperatorCall(context, this).sizesValue(constant.shape)]);
    }
    this.#constants.set(constant, value);
    return value;
  }

  #parameter(path: string, state: { dtype: DType; shape: readonly number[]; bytes(): Uint8Array }): string {
    let name = this.#parameters.get(path);
    if (name === undefined) {
      name = this.graph.constant(state.dtype, state.shape, state.bytes(), path);
      this.#parameters.set(path, name);
    }
    return name;
  }

  /** A list of one int64: a size that depends on the inputs. */
  sizeValue(size: Varying, call: Call<Size>): string {
    const key = size.values.join();
    let value = this.#sizes.get(key);
    if (value === undefined) {
      value = this.#computed(size, call);
      this.#sizes.set(key, value);
    }
    return value;
  }

  #computed(size: Varying, call: Call<Size>): string {
    const { graph } = this;
    const inputs = this.#known.slice(0, this.#options.inputs.length);
    const near = [...call.args.values()].flatMap(refsIn).flatMap((id): Known[] => {
      const { shape, root, steps, source } = this.tensors[id]!;
      const memory = this.#memories.get(root);
      const here = this.#values.get(id);
      const value = here !== undefined ? here.value : steps.length === 0 ? memory?.value : undefined;
      return value === undefined || typeof source === 'string' ? [] : [{ value, shape }];
    });
    const dims = [...near, ...inputs].flatMap(({ value, shape }) =>
      shape.flatMap((one, axis) => (one instanceof Varying ? [{ value, axis, size: one }] : [])),
    );
    const later = this.#known
      .toReversed()
      .flatMap(({ value, shape }) =>
        shape.flatMap((one, axis) => (one instanceof Varying ? [{ value, axis, size: one }] : [])),
      );
    const read = ({ value, axis }: { value: string; axis: number }): string =>
      graph.node('Gather', [graph.node('Shape', [value]), graph.ints([axis])], { axis: 0 });
    const exact = [...dims, ...later].find((one) => sameSize(one.size, size));
    if (exact !== undefined) return read(exact);
    // A multiple of a size, and something more or less.
    for (const one of dims) {
      const other = one.size.values.findIndex((value) => value !== one.size.values[0]);
      const factor = (size.values[other]! - size.values[0]!) / (one.size.values[other]! - one.size.values[0]!);
      const offset = size.values[0]! - factor * one.size.values[0]!;
      if (!Number.isInteger(factor) || !Number.isInteger(offset)) continue;
      if (
        !sameSize(
          sizeOf((value) => factor * value + offset, one.size),
          size,
        )
      )
        continue;
      const multiple = factor === 1 ? read(one) : graph.node('Mul', [read(one), graph.ints([factor])]);
      return offset === 0 ? multiple : graph.node('Add', [multiple, graph.ints([offset])]);
    }
    // A part of a size.
    for (const one of dims) {
      const divisor = one.size.values[0]! / size.values[0]!;
      if (
        !Number.isInteger(divisor) ||
        !sameSize(
          sizeOf((value) => value / divisor, one.size),
          size,
        )
      )
        continue;
      return graph.node('Div', [read(one), graph.ints([divisor])]);
    }
    // A product of two, times a number.
    for (const one of [...dims, ...later]) {
      for (const two of [...dims, ...later]) {
        const factor = size.values[0]! / (one.size.values[0]! * two.size.values[0]!);
        if (!Number.isInteger(factor)) continue;
        if (
          !sameSize(
            sizeOf((a, b) => factor * a * b, one.size, two.size),
            size,
          )
        )
          continue;
        const product = graph.node('Mul', [read(one), read(two)]);
        return factor === 1 ? product : graph.node('Mul', [product, graph.ints([factor])]);
      }
    }
    throw new OperatorCall(call, this).wrong(
      `a size that is ${size.values.join(', ')} for inputs of different sizes cannot be computed from them`,
    );
  }
}
