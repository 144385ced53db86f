// One operator of a trace as those see it who write it in ONNX: its arguments by name, its tensors as names of values, sizes that
// depend on the inputs as something that can be computed.
import { RetortError } from '../errors.ts';
import type { DType } from '../torch/index.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { inModule, Ref, refsIn, Varying } from './trace.ts';
import type { Call, Size, TensorNote } from './trace.ts';

/** What {@link OperatorCall} asks of what surrounds it. */
export interface CallContext {
  readonly graph: GraphBuilder;
  readonly tensors: readonly TensorNote<Size>[];
  /** The value of a tensor, by its number. */
  valueOf(id: number, call: Call<Size>): string;
  /** A list of one int64 with a size that depends on the inputs. */
  sizeValue(size: Varying, call: Call<Size>): string;
}

/**
 * A call of one of libtorch's operators, to be written as nodes of ONNX. Names of arguments are those of libtorch's schema: `self`, `dim`,
 * `keepdim`.
 */
export class OperatorCall {
  /** With its namespace: `aten::conv2d`. */
  readonly operator: string;
  /** The path of the module it stands in. */
  readonly module: string;
  /** Where nodes and constants are added. */
  readonly graph: GraphBuilder;
  readonly #call: Call<Size>;
  readonly #context: CallContext;
  /** In place of the first argument, when a view is made again. */
  readonly #self: string | undefined;

  constructor(call: Call<Size>, context: CallContext, self?: string) {
    this.operator = call.operator.includes('::') ? call.operator : `aten::${call.operator}`;
    this.module = call.module;
    this.graph = context.graph;
    this.#call = call;
    this.#context = context;
    this.#self = self;
  }

  /** Shapes and element types of the results. */
  get results(): readonly { readonly shape: readonly Size[]; readonly dtype: DType }[] {
    return this.#call.results.map((id) => this.#context.tensors[id]!);
  }
  /** The first of them. */
  get result(): { readonly shape: readonly Size[]; readonly dtype: DType } {
    return this.results[0]!;
  }

  /** Whether an argument was given, and is not null. */
  has(name: string): boolean {
    const value = this.#call.args.get(name);
    return value !== undefined && value !== null;
  }
  /** Whether it is a tensor. */
  isTensor(name: string): boolean {
    return this.#call.args.get(name) instanceof Ref;
  }

  /** The value of a tensor argument. */
  input(name: string): string {
    return this.#value(this.#ref(name));
  }
  /** The value of a tensor argument; `''` where it was not given. */
  optional(name: string): string {
    return this.isTensor(name) ? this.input(name) : '';
  }
  /** The values of a list of tensors; `''` for those that are null. */
  inputs(name: string): string[] {
    const list = this.#call.args.get(name);
    if (!Array.isArray(list)) throw this.wrong(`${name} is no list of tensors`);
    return list.map((item) => (item instanceof Ref ? this.#value(item) : ''));
  }
  shapesOf(name: string): (readonly Size[])[] {
    return refsIn(this.#call.args.get(name)).map((id) => this.#context.tensors[id]!.shape);
  }
  dtypesOf(name: string): DType[] {
    return refsIn(this.#call.args.get(name)).map((id) => this.#context.tensors[id]!.dtype);
  }
  shapeOf(name: string): readonly Size[] {
    return this.#note(name).shape;
  }
  dtypeOf(name: string): DType {
    return this.#note(name).dtype;
  }
  rankOf(name: string): number {
    return this.#note(name).shape.length;
  }
  /** Whether a tensor argument has the same values whatever the inputs are. */
  isConstant(name: string): boolean {
    const ref = this.#call.args.get(name);
    return ref instanceof Ref && this.#call.constants.has(ref.id);
  }
  /** The bytes of such an argument, and its shape; undefined where its size depends on the inputs. */
  constantOf(name: string): { shape: readonly number[]; dtype: DType; bytes: Uint8Array } | undefined {
    const found = this.#call.constants.get(this.#ref(name).id);
    if (found === undefined || found.shape.some((size) => typeof size !== 'number')) return undefined;
    return found as { shape: readonly number[]; dtype: DType; bytes: Uint8Array };
  }

  /** A number. @throws {RetortError} where it depends on the sizes of the inputs, and where it was not given and there is no default. */
  number(name: string, usual?: number): number {
    const value = this.#call.args.get(name) ?? usual;
    if (typeof value === 'boolean') return Number(value);
    if (typeof value === 'bigint') return Number(value);
    if (typeof value !== 'number') throw this.wrong(`${name} is no number that is known before`);
    return value;
  }
  /** A whole number that depends on the sizes of the inputs, such as the number of samples; undefined for others. */
  sizeNumber(name: string): Size | undefined {
    const value = this.#call.args.get(name);
    return value instanceof Varying && value.values.every(Number.isInteger) ? value : undefined;
  }
  flag(name: string, usual: boolean): boolean {
    const value = this.#call.args.get(name);
    return value === undefined || value === null ? usual : Boolean(value);
  }
  text(name: string, usual?: string): string | undefined {
    const value = this.#call.args.get(name) ?? usual;
    return typeof value === 'string' ? value : undefined;
  }
  /** A list of sizes; a number stands for itself `count` times. */
  sizes(name: string, count = 1): Size[] {
    const value = this.#call.args.get(name);
    if (isSize(value)) return Array.from({ length: count }, () => value);
    if (!Array.isArray(value) || !value.every(isSize)) throw this.wrong(`${name} is no list of integers`);
    return value.length === 1 && count > 1 ? Array.from({ length: count }, () => value[0] as Size) : value;
  }
  /** A size. */
  size(name: string, usual?: number): Size {
    const value = this.#call.args.get(name) ?? usual;
    if (!isSize(value)) throw this.wrong(`${name} is no integer`);
    return value;
  }
  /** A list of numbers. @throws {RetortError} where one depends on the sizes of the inputs. */
  numbers(name: string, usual: readonly number[] | number, count = 1): number[] {
    const value = this.#call.args.get(name);
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) {
      return typeof usual === 'number' ? Array.from({ length: count }, () => usual) : [...usual];
    }
    return this.sizes(name, count).map((size) => {
      if (typeof size !== 'number') throw this.wrong(`${name} depends on the sizes of the inputs`);
      return size;
    });
  }
  /** A dimension, counted from 0. @param rank default: that of `self` */
  axis(name: string, usual?: number, rank = this.rankOf('self')): number {
    const axis = this.number(name, usual);
    return axis < 0 ? axis + rank : axis;
  }
  /** Dimensions, counted from 0; all of them where none are given. */
  axes(name: string): number[] {
    const rank = this.rankOf('self');
    const value = this.#call.args.get(name);
    const given = value === undefined || value === null ? [] : this.numbers(name, []);
    return (given.length === 0 ? Array.from({ length: rank }, (_, i) => i) : given).map((i) => (i < 0 ? i + rank : i));
  }

  /** A list of int64 with these sizes, as a value. */
  sizesValue(sizes: readonly Size[]): string {
    if (sizes.every((size) => typeof size === 'number')) return this.graph.ints(sizes);
    const parts: string[] = [];
    let fixed: number[] = [];
    const flush = (): void => {
      if (fixed.length > 0) parts.push(this.graph.ints(fixed));
      fixed = [];
    };
    for (const size of sizes) {
      if (typeof size === 'number') fixed.push(size);
      else {
        flush();
        parts.push(this.#context.sizeValue(size, this.#call));
      }
    }
    flush();
    return parts.length === 1 ? parts[0]! : this.graph.node('Concat', parts, { axis: 0 });
  }

  /** A value in a shape. Sizes that depend on the inputs are left to ONNX where it can find them itself. */
  reshaped(value: string, from: readonly Size[], to: readonly Size[]): string {
    if (from.length === to.length && from.every((size, i) => sameSize(size, to[i]!))) return value;
    const varying = to.filter((size) => typeof size !== 'number');
    const empty = to.some((size) => size === 0);
    if (varying.length === 0) return this.graph.node('Reshape', [value, this.graph.ints(to as number[])]);
    if (!empty) {
      // 0 takes a size over from the same place, -1 is what is left.
      let open = 0;
      const short = to.map((size, i) => {
        if (typeof size === 'number') return size;
        if (i < from.length && sameSize(size, from[i]!)) return 0;
        open++;
        return -1;
      });
      if (open === 0 || (open === 1 && varying.length >= 1)) {
        const single = varying.length === 1 ? short.map((size) => (size === 0 ? -1 : size)) : short;
        return this.graph.node('Reshape', [value, this.graph.ints(single)]);
      }
    }
    return this.graph.node('Reshape', [value, this.sizesValue(to)]);
  }

  /** What cannot be written: an error that names operator and module. */
  wrong(why: string): RetortError {
    return new RetortError(`exportOnnx: ${this.operator} ${inModule(this.module)}: ${why}`, {
      code: 'unsupported',
      help: `write it yourself: exportOnnx(..., { operators: { '${this.operator}': (call) => ... } }), or for fixed sizes dynamicBatch: false`,
    });
  }

  #ref(name: string): Ref {
    const value = this.#call.args.get(name);
    if (value instanceof Ref) return value;
    throw this.wrong(`${name} is no tensor`);
  }
  #value(ref: Ref): string {
    if (this.#self !== undefined && this.#call.args.values().next().value === ref) return this.#self;
    return this.#context.valueOf(ref.id, this.#call);
  }
  #note(name: string): TensorNote<Size> {
    return this.#context.tensors[this.#ref(name).id]!;
  }
}

function isSize(value: unknown): value is Size {
  return typeof value === 'number' || value instanceof Varying;
}

/** Whether two sizes are the same in all traces. */
export function sameSize(a: Size, b: Size): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return a.values.length === b.values.length && a.values.every((value, i) => value === b.values[i]);
}

/** A size computed from others, trace by trace. */
export function sizeOf(compute: (...values: number[]) => number, ...sizes: readonly Size[]): Size {
  const varying = sizes.find((size) => size instanceof Varying);
  if (varying === undefined) return compute(...(sizes as number[]));
  const values = varying.values.map((_, i) =>
    compute(...sizes.map((size) => (typeof size === 'number' ? size : size.values[i]!))),
  );
  return values.every((value) => value === values[0]) ? values[0]! : new Varying(values);
}
