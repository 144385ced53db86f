// The base of every network. People write `forward` and call `forward`; the constructor wraps it once per instance, which
// gives each call a memory scope, its hooks, and the module's path in errors.
import { inspect } from 'node:util';

import { describeValue, RetortError } from '../errors.ts';
import type { Device, DType, HookHandle, MemoryFormat } from '../torch/index.ts';
import { clearGrads, noGrad, Tensor, tidy } from '../torch/index.ts';
import { enterScope, escapeAll, exitScope, requireEnded, setData } from '../torch/internal.ts';
import { Buffer, Parameter } from './parameter.ts';
import { loadState } from './state-dict.ts';
import type { LoadOptions, LoadReport } from './state-dict.ts';

/** A module from one tensor to one tensor. */
export type Layer = Module & { forward(input: Tensor): Tensor };

/** Sees (and may replace, by returning) the arguments of a call. */
export type ForwardPreHook = (module: Module, args: readonly unknown[]) => readonly unknown[] | void;
/** Sees (and may replace, by returning) the output of a call. */
export type ForwardHook = (module: Module, args: readonly unknown[], output: unknown) => unknown;

interface Hooks {
  before: Set<{ hook: ForwardPreHook }>;
  after: Set<{ hook: ForwardHook }>;
}

/** How modules, parameters and buffers are listed. */
export interface WalkOptions {
  /** Put before every name, with a dot. Default none. */
  prefix?: string;
  /** List what is reachable under several names once, under the first. Default true. */
  removeDuplicate?: boolean;
}

/** What {@link Module.to} changes; what is left out stays as it is. */
export interface ToOptions {
  /** For floating-point parameters and buffers; others keep theirs. */
  dtype?: DType;
  /** Where parameters and buffers are moved. */
  device?: Device;
  /** For parameters and buffers of four dimensions; `'channels_last'` is fastest for convolutions on CPU. */
  memoryFormat?: MemoryFormat;
}

type Forward = (...args: unknown[]) => unknown;

/**
 * The base of networks and layers. A subclass makes its parts in the constructor and computes in {@link forward}; properties that
 * are modules, {@link Parameter} or {@link Buffer} are found by themselves and appear in `parameters()`, `to()` and the state dict
 * under their property names.
 *
 * Call a module by `module.forward(x)`. Each call has a memory scope of its own: tensors made in it that are not returned (or handed
 * to `keep`) are freed when it ends. Errors thrown inside name the path of the module.
 *
 * @example
 * ```ts
 * class TwoLayers extends Module {
 *   readonly hidden = new Linear(784, 32);
 *   readonly fc = new Linear(32, 10);
 *
 *   // images (N, 784) to logits (N, 10)
 *   override forward(x: Tensor): Tensor {
 *     return this.fc.forward(this.hidden.forward(x).relu());
 *   }
 * }
 * const logits = new TwoLayers().forward(randn([8, 784]));
 * ```
 */
export abstract class Module {
  /** Whether dropout drops and batch norm measures; set by {@link train} and {@link eval}. */
  training = true;
  #hooks: Hooks | undefined;

  /** The computation. Called as `module.forward(x)`; tensors it makes and does not return are freed. */
  abstract forward(...inputs: never[]): unknown;

  constructor() {
    Object.defineProperty(this, 'forward', {
      value: (...args: unknown[]) => this.#call(args),
      enumerable: false,
      configurable: true,
      writable: true,
    });
  }

  #call(args: unknown[]): unknown {
    // Looked up at each call: a tap on the class's method is seen by modules that exist already.
    const { forward } = Object.getPrototypeOf(this) as { forward: Forward };
    const scope = enterScope();
    try {
      const hooks = this.#hooks;
      if (hooks === undefined) {
        const output = ended(forward.apply(this, args));
        escapeAll(output);
        return output;
      }
      let given: readonly unknown[] = args;
      for (const { hook } of [...hooks.before]) given = listedInputs(hook(this, given)) ?? given;
      let output = forward.apply(this, given as unknown[]);
      for (const { hook } of [...hooks.after]) {
        const replaced = hook(this, given, output);
        if (replaced !== undefined) output = replaced;
      }
      ended(output);
      escapeAll(output);
      return output;
    } catch (error) {
      locate(error, this);
      throw error;
    } finally {
      exitScope(scope);
    }
  }

  /** Whether hooks see (and may change) what goes in and out. */
  get isHooked(): boolean {
    return this.#hooks !== undefined;
  }

  /** Calls `hook` before every forward of this module, until removed. */
  registerForwardPreHook(hook: ForwardPreHook): HookHandle {
    return this.#addHook('before', { hook });
  }

  /** Calls `hook` after every forward of this module, until removed. */
  registerForwardHook(hook: ForwardHook): HookHandle {
    return this.#addHook('after', { hook });
  }

  #addHook<K extends keyof Hooks>(when: K, entry: Hooks[K] extends Set<infer E> ? E : never): HookHandle {
    const hooks = (this.#hooks ??= { before: new Set(), after: new Set() });
    const entries = hooks[when] as Set<unknown>;
    entries.add(entry);
    const remove = (): void => {
      entries.delete(entry);
      if (hooks.before.size + hooks.after.size === 0 && this.#hooks === hooks) this.#hooks = undefined;
    };
    return { remove, [Symbol.dispose]: remove };
  }

  /** Name and value of everything the module holds; containers list their items instead of their properties. */
  protected members(): Iterable<[string, unknown]> {
    return Object.entries(this);
  }

  /** The direct sub-modules with their names. */
  *namedChildren(): Generator<[string, Module]> {
    for (const [name, value] of this.members()) if (value instanceof Module) yield [name, value];
  }

  /** The module itself (under the prefix, `''` by default) and all below it, depth first, named by their paths. */
  *namedModules(options: WalkOptions = {}): Generator<[string, Module]> {
    const { prefix = '', removeDuplicate = true } = options;
    yield* walk(this, prefix, removeDuplicate ? new Set() : undefined, new Set());
  }

  /** Parameters with their paths, such as `backbone.layer1.0.conv1.weight`. */
  namedParameters(options: WalkOptions = {}): Generator<[string, Parameter]> {
    return this.#owned(options, (value) => value instanceof Parameter) as Generator<[string, Parameter]>;
  }

  /** Buffers with their paths, those that are not persistent too. */
  namedBuffers(options: WalkOptions = {}): Generator<[string, Buffer]> {
    return this.#owned(options, (value) => value instanceof Buffer) as Generator<[string, Buffer]>;
  }

  *#owned(options: WalkOptions, wanted: (value: unknown) => boolean): Generator<[string, Tensor]> {
    const { removeDuplicate = true } = options;
    const seen = new Set<unknown>();
    for (const [path, module] of this.namedModules(options)) {
      for (const [name, value] of module.members()) {
        if (!wanted(value) || (removeDuplicate && seen.has(value))) continue;
        seen.add(value);
        yield [path === '' ? name : `${path}.${name}`, value as Tensor];
      }
    }
  }

  children(): Module[] {
    return [...this.namedChildren()].map(([, module]) => module);
  }
  modules(): Module[] {
    return [...this.namedModules()].map(([, module]) => module);
  }
  parameters(): Parameter[] {
    return [...this.namedParameters()].map(([, parameter]) => parameter);
  }
  buffers(): Buffer[] {
    return [...this.namedBuffers()].map(([, buffer]) => buffer);
  }

  /**
   * Buffers of this module itself that move with what it sees in training, such as running means. Of several processes, each of which
   * sees its share of the samples, all go on with the mean. Default: none.
   */
  runningStatistics(): readonly Tensor[] {
    return [];
  }

  /** The sub-module at a path (`''` is the module itself), or undefined. */
  getModule(path: string): Module | undefined {
    let found: Module | undefined = this;
    if (path === '') return found;
    for (const part of path.split('.')) {
      if (found === undefined) return undefined;
      let next: Module | undefined;
      for (const [name, child] of found.namedChildren()) if (name === part) next = child;
      found = next;
    }
    return found;
  }

  /** Training mode for the module and all below (`false`: evaluation). Returns the module. */
  train(mode = true): this {
    this.training = mode;
    for (const child of this.children()) child.train(mode);
    return this;
  }

  /** Evaluation mode: dropout off, batch norm with its running statistics. Returns the module. */
  eval(): this {
    return this.train(false);
  }

  /** Whether the parameters take part in training. Returns the module. */
  requiresGrad_(value = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(value);
    return this;
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    clearGrads(this.parameters());
  }

  /** Calls `fn` with every module below and then this one. Returns the module. */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  /** Changes dtype (floating-point tensors only), device or memory format of parameters and buffers, in place. Returns the module. */
  to(options: ToOptions): this {
    const { dtype, device, memoryFormat } = options;
    noGrad(() => {
      for (const tensor of [...this.parameters(), ...this.buffers()]) {
        tidy(() => {
          const { shape } = tensor;
          const floating = /^(float|bfloat|complex)/.test(tensor.dtype);
          let moved: Tensor = tensor;
          if (dtype !== undefined && floating) moved = moved.to(dtype);
          if (device !== undefined) moved = moved.to({ device });
          if (memoryFormat !== undefined && shape.length === 4) moved = moved.to({ memoryFormat });
          if (moved === tensor) return;
          const { grad } = tensor;
          if (grad !== null) tensor.grad = null;
          setData(tensor, moved);
          if (grad !== null) tensor.grad = grad.to({ dtype: moved.dtype, device: moved.device });
        });
      }
    });
    return this;
  }

  /** Parameters and persistent buffers by path, as tensors that share their memory but are outside the graph. */
  stateDict(): Record<string, Tensor> {
    const state: Record<string, Tensor> = {};
    for (const [path, module] of this.namedModules({ removeDuplicate: false })) {
      for (const [name, value] of module.members()) {
        if (!(value instanceof Parameter) && !(value instanceof Buffer && value.persistent)) continue;
        state[path === '' ? name : `${path}.${name}`] = value.detach();
      }
    }
    return state;
  }

  /**
   * Called on every module before a state dict is checked; one whose buffers take their shapes from a checkpoint makes them here.
   * @param _given looks an entry up by this module's own name for it, such as `weight`
   */
  expectState(_given: (name: string) => Tensor | undefined): void {}

  /**
   * Copies values into parameters and persistent buffers by name. Everything is checked before anything is changed.
   * @throws {RetortError} on shapes that differ and, when `strict` (the default), on names missing or unknown: all at once.
   */
  loadStateDict(state: Readonly<Record<string, Tensor>>, options: LoadOptions = {}): LoadReport {
    return loadState(this, state, options);
  }

  /** What stands in the brackets of {@link toString}, such as `64, 128, kernelSize=3`. */
  protected describe(): string {
    return '';
  }

  /** The tree of modules, one a line. */
  toString(): string {
    const name = `${this.constructor.name}(${this.describe()}`;
    const lines = [...this.namedChildren()].map(([key, child]) =>
      `(${key}): ${child.toString()}`.replaceAll('\n', '\n  '),
    );
    return lines.length === 0 ? `${name})` : `${name}\n  ${lines.join('\n  ')}\n)`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

function* walk(
  module: Module,
  path: string,
  seen: Set<Module> | undefined,
  ancestors: Set<Module>,
): Generator<[string, Module]> {
  if (seen?.has(module) === true) return;
  if (ancestors.has(module)) {
    throw new RetortError(`${module.constructor.name} contains itself at "${path}"`, {
      help: 'keep the reference in a private (#) field, or in a closure: those are not sub-modules',
    });
  }
  seen?.add(module);
  yield [path, module];
  ancestors.add(module);
  for (const [name, child] of module.namedChildren())
    yield* walk(child, path === '' ? name : `${path}.${name}`, seen, ancestors);
  ancestors.delete(module);
}

/** What a forward returned: its tensors would be freed before a promise is done. */
function ended<T>(output: T): T {
  return output instanceof Tensor
    ? output
    : requireEnded('forward', output, 'compute in a synchronous forward, and await around it');
}

/** What a hook puts in place of the arguments. */
function listedInputs(given: readonly unknown[] | void): readonly unknown[] | void {
  if (given === undefined || given === null || Array.isArray(given)) return given;
  throw new RetortError(
    `forward pre-hook: expected a list of arguments or nothing to be returned, got ${describeValue(given)}`,
    {
      help: 'put a single argument in brackets: [x]',
    },
  );
}

const innermost = new WeakMap<RetortError, Module>();

/** Adds the module's path to an error on its way up; each caller further out makes the path longer. */
function locate(error: unknown, outer: Module): void {
  if (!(error instanceof RetortError)) return;
  let inner = innermost.get(error);
  if (inner === undefined) {
    inner = outer;
    innermost.set(error, inner);
  }
  for (const [path, module] of outer.namedModules()) {
    if (module === inner) error.locate(path === '' ? inner.constructor.name : `${path} (${inner.constructor.name})`);
  }
}
