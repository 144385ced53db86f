// What a network computes, as a list of operators: the operators that depend on the inputs, in the order they ran, each with the module
// it stands in; what depends on none is a constant. Tensors that share memory are known as such, so that writing into one is seen in
// the others. Several traces with inputs of different sizes, laid side by side, show which numbers come from the sizes.
import { isPlain } from '../check.ts';
import { RetortError } from '../errors.ts';
import type { Module } from '../nn/index.ts';
import { mapLeaves, noGrad, Tensor, tidy } from '../torch/index.ts';
import type { DType } from '../torch/index.ts';
import { traceOperators } from '../torch/internal.ts';
import type { TracedCall } from '../torch/internal.ts';

/** A number that depends on the sizes of the inputs: its value in each trace. */
export class Varying {
  readonly values: readonly number[];
  constructor(values: readonly number[]) {
    this.values = values;
  }
}

/** A size: fixed, or depending on the inputs' sizes. */
export type Size = number | Varying;

/** The tensor of an argument or result, by its number in the order in which tensors were seen. */
export class Ref {
  readonly id: number;
  constructor(id: number) {
    this.id = id;
  }
}

/** How a tensor is made of the memory of another: call and output. */
export interface ViewStep {
  readonly call: Call<Size>;
  readonly output: number;
}

/** What is known of a tensor. */
export interface TensorNote<S> {
  readonly shape: readonly S[];
  readonly dtype: DType;
  /** The tensor whose memory it shows; its own number where it has its own. */
  readonly root: number;
  /** How it is made of the root. */
  readonly steps: readonly ViewStep[];
  /** An input's position, or a parameter's or buffer's path. */
  readonly source: number | string | undefined;
  readonly contiguous: boolean;
}

/** Values of a tensor that do not depend on the inputs. */
export interface Constant<S> {
  readonly dtype: DType;
  readonly shape: readonly S[];
  readonly bytes: Uint8Array;
}

/** One operator as it ran. */
export interface Call<S> {
  /** libtorch's name, `conv2d`. */
  readonly operator: string;
  readonly overload: string;
  /** The path of the module it stands in. */
  readonly module: string;
  /** Tensors are {@link Ref}s; numbers in lists and alone are of type `S`. */
  readonly args: ReadonlyMap<string, unknown>;
  readonly results: readonly number[];
  readonly inPlace: boolean;
  /** Whether the result depends on the inputs. Others are kept where they are views only. */
  readonly depends: boolean;
  /** Arguments that do not depend on the inputs, as they were. */
  readonly constants: ReadonlyMap<number, Constant<S>>;
}

/** A whole forward. */
export interface Trace<S> {
  readonly calls: readonly Call<S>[];
  readonly tensors: readonly TensorNote<S>[];
  /** What the forward returned, tensors as {@link Ref}s. */
  readonly output: unknown;
  readonly outputConstants: ReadonlyMap<number, Constant<S>>;
}

/** Operators whose result shows the memory of their first argument. */
const views = new Set(
  `alias detach view view_as select narrow slice chunk split split_with_sizes unsafe_chunk unbind expand expand_as unsqueeze squeeze
  transpose t swapaxes swapdims permute movedim moveaxis unflatten diagonal tensor_split hsplit vsplit`.split(/\s+/),
);
/** Those that do where the first argument lies in one piece. */
const viewsOfWhole = new Set(['reshape', 'reshape_as', 'flatten', 'ravel']);
/** Those whose values come from their arguments' shapes alone. */
const fromShapes = new Set(
  'zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_tensor'.split(' '),
);
const random = new Set(
  `rand randn randint randperm rand_like randn_like randint_like bernoulli multinomial normal uniform_ normal_ random_ bernoulli_
  rrelu poisson exponential_`.split(/\s+/),
);

interface Memory {
  root: number;
  depends: boolean;
  /** Counts writes. */
  version: number;
}

interface Seen {
  readonly note: TensorNote<number>;
  readonly memory: Memory;
  readonly tensor: Tensor;
}

/**
 * Runs `module.forward(...inputs)` in evaluation mode without gradients, and writes down its operators.
 * @throws {RetortError} where operators draw random numbers, and whatever the forward throws.
 */
export function traceModule(module: Module, inputs: readonly unknown[]): Trace<number> {
  return tidy(() => noGrad(() => new Recording(module, inputs).run()));
}

class Recording {
  readonly #module: Module;
  readonly #inputs: readonly unknown[];
  readonly #calls: Call<number>[] = [];
  readonly #seen: Seen[] = [];
  readonly #byHandle = new Map<number, number>();
  readonly #sources = new Map<number, number | string>();
  readonly #path: string[] = [];
  /** Constants by tensor and version of its memory. */
  readonly #kept = new Map<string, Constant<number>>();

  constructor(module: Module, inputs: readonly unknown[]) {
    this.#module = module;
    this.#inputs = inputs;
    const state = [...module.namedParameters(), ...module.namedBuffers()];
    for (const [path, tensor] of state) this.#sources.set(tensor.handle, path);
    tensorsOf(inputs).forEach((tensor, i) => this.#sources.set(tensor.handle, i));
  }

  run(): Trace<number> {
    const module = this.#module;
    const modes = module.modules().map((one) => [one, one.training] as const);
    const hooks = [...module.namedModules()].flatMap(([path, one]) => [
      one.registerForwardPreHook(() => void this.#path.push(path)),
      one.registerForwardHook(() => void this.#path.pop()),
    ]);
    module.eval();
    try {
      for (const tensor of tensorsOf(this.#inputs)) this.#idOf(tensor);
      const forward = (): unknown => (module as { forward(...args: unknown[]): unknown }).forward(...this.#inputs);
      const output = traceOperators(forward, (call, proceed) => this.#call(call, proceed));
      const outputConstants = new Map<number, Constant<number>>();
      const refs = mapLeaves(output, (leaf) => {
        if (!(leaf instanceof Tensor)) return leaf;
        const id = this.#idOf(leaf);
        if (!this.#seen[id]!.memory.depends) outputConstants.set(id, this.#constant(id));
        return new Ref(id);
      });
      return { calls: this.#calls, tensors: this.#seen.map(({ note }) => note), output: refs, outputConstants };
    } finally {
      for (const hook of hooks) hook.remove();
      for (const [one, training] of modes) one.training = training;
    }
  }

  #call({ operator, overload, args, inPlace }: TracedCall, proceed: () => unknown): unknown {
    const module = this.#path.at(-1) ?? '';
    if (random.has(operator)) throw randomError(operator, module);
    const given = new Map([...args].map(([name, value]) => [name, this.#refs(value)] as const));
    const ids = [...given.values()].flatMap(refsIn);
    const shapesOnly = fromShapes.has(operator);
    const depends = !shapesOnly && ids.some((id) => this.#seen[id]!.memory.depends);
    const constants = new Map<number, Constant<number>>();
    if (depends) {
      for (const id of ids) {
        const { memory } = this.#seen[id]!;
        if (!memory.depends) constants.set(id, this.#constant(id));
      }
    }
    const first = given.values().next().value;
    const target = inPlace && first instanceof Ref ? this.#seen[first.id]! : undefined;
    if (target !== undefined && depends && !target.memory.depends) {
      // The memory begins as a constant: as a whole, if it is there as a whole.
      const { root } = target.memory;
      const whole = this.#seen[root]!;
      if (typeof whole.note.source === 'string') throw stateError(operator, module, whole.note.source);
      if (!whole.tensor.isDisposed) constants.set(root, this.#constant(root));
      else throw piecesError(operator, module);
    }
    const result = proceed();
    if (target !== undefined) {
      target.memory.version++;
      if (depends) target.memory.depends = true;
    }
    const isView = views.has(operator) || (viewsOfWhole.has(operator) && this.#contiguous(first));
    const sharing = operator === 'contiguous' || operator === 'to' || operator.startsWith('_to');
    const list = Array.isArray(result) ? result : [result];
    const results: number[] = [];
    const call: Call<number> = { operator, overload, module, args: given, results, inPlace, depends, constants };
    for (const [output, value] of list.entries()) {
      if (!(value instanceof Tensor)) continue;
      if (inPlace) {
        results.push((first as Ref).id);
        continue;
      }
      const from = first instanceof Ref && !shapesOnly ? this.#seen[first.id] : undefined;
      const shares = from !== undefined && (isView || (sharing && sameMemory(from, value)));
      const step = { call: call as unknown as Call<Size>, output };
      results.push(
        shares
          ? this.#add(value, from.memory, [...from.note.steps, step])
          : this.#add(value, { root: this.#seen.length, depends, version: 0 }, []),
      );
    }
    if (depends || results.some((id) => this.#seen[id]!.note.steps.length > 0)) this.#calls.push(call);
    return result;
  }

  #contiguous(first: unknown): boolean {
    return first instanceof Ref && this.#seen[first.id]!.note.contiguous;
  }

  /** The value with its tensors as references. */
  #refs(value: unknown): unknown {
    if (value instanceof Tensor) return new Ref(this.#idOf(value));
    return Array.isArray(value) ? value.map((item) => this.#refs(item)) : value;
  }

  #idOf(tensor: Tensor): number {
    const known = this.#byHandle.get(tensor.handle);
    if (known !== undefined) return known;
    const depends = typeof this.#sources.get(tensor.handle) === 'number';
    return this.#add(tensor, { root: this.#seen.length, depends, version: 0 }, []);
  }

  #add(tensor: Tensor, memory: Memory, steps: readonly ViewStep[]): number {
    const id = this.#seen.length;
    const { shape, dtype, isContiguous: contiguous } = tensor;
    const source = this.#sources.get(tensor.handle);
    const note = { shape, dtype, root: memory.root, steps, source, contiguous };
    this.#seen.push({ note, memory, tensor });
    this.#byHandle.set(tensor.handle, id);
    return id;
  }

  #constant(id: number): Constant<number> {
    const { note, memory, tensor } = this.#seen[id]!;
    const key = `${id} ${memory.version}`;
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      kept = { dtype: note.dtype, shape: note.shape, bytes: tensor.bytes() };
      this.#kept.set(key, kept);
    }
    return kept;
  }
}

/** Whether `to` or `contiguous` gave back what they got. */
function sameMemory({ note }: Seen, result: Tensor): boolean {
  return result.dtype === note.dtype && result.isContiguous === note.contiguous;
}

function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsOf);
  return isPlain(value) ? Object.values(value).flatMap(tensorsOf) : [];
}

/** The numbers of all tensors in an argument. */
export function refsIn(value: unknown): number[] {
  if (value instanceof Ref) return [value.id];
  return Array.isArray(value) ? value.flatMap(refsIn) : [];
}

/** Where something happened, for messages. */
export function inModule(path: string): string {
  return path === '' ? 'in the network itself' : `in ${path}`;
}

function randomError(operator: string, module: string): RetortError {
  return new RetortError(`exportOnnx: ${operator} ${inModule(module)} draws random numbers, also in evaluation mode`, {
    code: 'unsupported',
    help: 'draw only where `this.training` is true',
  });
}

function stateError(operator: string, module: string, name: string): RetortError {
  return new RetortError(
    `exportOnnx: ${operator} ${inModule(module)} writes into ${name}: an ONNX model keeps nothing`,
    {
      code: 'unsupported',
      help: 'change buffers only where `this.training` is true',
    },
  );
}

function piecesError(operator: string, module: string): RetortError {
  return new RetortError(`exportOnnx: ${operator} ${inModule(module)} writes into a part of a tensor that is gone`, {
    code: 'unsupported',
    help: 'keep the tensor, or put the parts together with cat',
  });
}

/**
 * Several traces of one network as one: what differs becomes {@link Varying}.
 * @throws {RetortError} where the network goes other ways, or makes constants that only some sizes have.
 */
export function mergeTraces(traces: readonly Trace<number>[]): Trace<Size> {
  const [first, ...others] = traces as [Trace<number>, ...Trace<number>[]];
  if (others.length === 0) return first;
  const made = new Map<Call<number>, Call<Size>>();
  const calls = first.calls.map((call, i) => {
    const all = traces.map((trace) => trace.calls[i]);
    for (const other of all) {
      const same =
        other?.overload === call.overload &&
        other.module === call.module &&
        other.depends === call.depends &&
        other.results.join() === call.results.join();
      if (!same) throw otherWay(call, other);
    }
    const args = new Map<string, unknown>();
    for (const name of call.args.keys()) {
      args.set(
        name,
        merged(
          all.map((one) => one!.args.get(name)),
          () => otherWay(call, undefined),
        ),
      );
    }
    const constants = mergedConstants(
      all.map((one) => one!.constants),
      () => otherWay(call, undefined),
    );
    const together: Call<Size> = { ...call, args, constants };
    made.set(call, together);
    return together;
  });
  if (others.some((trace) => trace.calls.length !== calls.length)) throw otherWay(first.calls.at(-1), undefined);
  const tensors = first.tensors.map((note, i): TensorNote<Size> => {
    const all = traces.map((trace) => trace.tensors[i]);
    const fits = all.every((one) => one?.shape.length === note.shape.length && one.dtype === note.dtype);
    if (!fits) throw otherWay(undefined, undefined);
    const shape = note.shape.map((_, axis) => mergedNumber(all.map((one) => one!.shape[axis]!)));
    const steps = note.steps.map(({ call, output }) => ({ call: made.get(call as Call<number>)!, output }));
    return { ...note, shape, steps };
  });
  const wrong = (): RetortError => otherWay(undefined, undefined);
  return {
    calls,
    tensors,
    output: merged(
      traces.map(({ output }) => output),
      wrong,
    ),
    outputConstants: mergedConstants(
      traces.map(({ outputConstants }) => outputConstants),
      wrong,
    ),
  };
}

function mergedNumber(values: readonly number[]): Size {
  return values.every((value) => Object.is(value, values[0])) ? values[0]! : new Varying(values);
}

function merged(values: readonly unknown[], wrong: () => RetortError): unknown {
  const [first] = values;
  if (typeof first === 'number') {
    if (values.every((value) => typeof value === 'number')) return mergedNumber(values);
  } else if (first instanceof Ref) {
    if (values.every((value) => value instanceof Ref && value.id === first.id)) return first;
  } else if (Array.isArray(first)) {
    if (values.every((value) => Array.isArray(value) && value.length === first.length)) {
      return first.map((_, i) =>
        merged(
          values.map((value) => (value as unknown[])[i]),
          wrong,
        ),
      );
    }
  } else if (isPlain(first)) {
    return Object.fromEntries(
      Object.keys(first).map((key) => [
        key,
        merged(
          values.map((value) => (value as Record<string, unknown>)[key]),
          wrong,
        ),
      ]),
    );
  } else if (values.every((value) => value === first || (first instanceof Map && value instanceof Map))) return first;
  throw wrong();
}

function mergedConstants(
  maps: readonly ReadonlyMap<number, Constant<number>>[],
  wrong: () => RetortError,
): Map<number, Constant<Size>> {
  const constants = new Map<number, Constant<Size>>();
  for (const [id, one] of maps[0]!) {
    const all = maps.map((map) => map.get(id));
    if (all.some((other) => other === undefined)) throw wrong();
    constants.set(id, mergedConstant(one, all as Constant<number>[], wrong));
  }
  return constants;
}

/** A constant whose size differs: it must be the same along each axis of another length, and keeps one there, to be repeated. */
function mergedConstant(
  first: Constant<number>,
  all: readonly Constant<number>[],
  wrong: () => RetortError,
): Constant<Size> {
  const shape = first.shape.map((_, axis) => mergedNumber(all.map((one) => one.shape[axis]!)));
  const reduced = all.map((one) =>
    shape.reduce((kept, size, axis) => (size instanceof Varying ? oneOf(kept, axis) : kept), one),
  );
  const same = reduced.every((one) => one !== undefined && Buffer.compare(one.bytes, reduced[0]!.bytes) === 0);
  if (!same) throw wrong();
  return { dtype: first.dtype, shape, bytes: reduced[0]!.bytes };
}

/** The first of a constant's equal slices along an axis; itself, not cut, where they are not equal. */
function oneOf({ dtype, shape, bytes }: Constant<number>, axis: number): Constant<number> {
  const length = shape[axis]!;
  const outer = shape.slice(0, axis).reduce((product, size) => product * size, 1);
  const piece = length === 0 || outer === 0 ? 0 : bytes.length / outer / length;
  const kept = new Uint8Array(outer * piece);
  for (let i = 0; i < outer; i++) {
    const start = i * length * piece;
    const slice = bytes.subarray(start, start + piece);
    for (let j = 1; j < length; j++) {
      const other = bytes.subarray(start + j * piece, start + (j + 1) * piece);
      if (Buffer.compare(slice, other) !== 0) return { dtype, shape, bytes };
    }
    kept.set(slice, i * piece);
  }
  return { dtype, shape: shape.with(axis, 1), bytes: kept };
}

function otherWay(call: Call<number> | undefined, other: Call<number> | undefined): RetortError {
  const where = call === undefined ? '' : ` at ${call.operator} ${inModule(call.module)}`;
  const got = other === undefined || other.operator === call?.operator ? '' : `: there it calls ${other.operator}`;
  return new RetortError(`exportOnnx: with inputs of another size the network goes another way${where}${got}`, {
    code: 'unsupported',
    help: 'export it for one size: dynamicBatch: false, dynamicSize: false',
  });
}
