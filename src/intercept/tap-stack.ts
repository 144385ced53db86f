// What a tap is, and the stack of taps on one location. The wrapper is there only while there are taps; each call looks up which there are.
// Locations, stacks and wrappers are known to all copies of this package in the process.
import { parseExpressionAt } from 'acorn';
import type { Function as FunctionNode, ObjectExpression, Pattern, Property } from 'acorn';

/** One call of a tapped function or method. */
export interface TappedCall {
  readonly self: unknown;
  readonly args: readonly unknown[];
  /** Names of the function's parameters, for errors; a pattern has the name `_`. Empty where they cannot be read. */
  readonly parameters: readonly string[];
}

/** Runs what is below (the function itself, or the next tap) when it calls `next`. */
export type Around = (call: TappedCall, next: () => unknown) => unknown;

/**
 * Where a tap lies. `'observe'` taps see the call outermost, so they also see values that a `'replace'` tap delivers; `'replace'`
 * taps lie next to the function. Within a layer the later tap is outside.
 */
export type Layer = 'observe' | 'replace';

/** A location that can be tapped: one function binding or one method. Several taps stack; the last removed restores the original exactly. */
export interface TapTarget {
  /** What was named, for errors. */
  readonly address: string;
  /** Calls `around` for every call, until disposed (in any order; again does nothing). */
  tap(around: Around, layer: Layer): Disposable;
}

type AnyFunction = (...args: unknown[]) => unknown;

/** Where a function is kept, and can be exchanged. */
export interface TapLocation {
  /** What is there now. */
  current(): unknown;
  /** Remembers what is there, and returns what calls are to run in the end. */
  take(): AnyFunction;
  /** Puts a wrapper there, after {@link take}. */
  install(wrapper: AnyFunction): void;
  /** Puts back exactly what was there. */
  restore(): void;
}

/** Wrapper -> what it wraps. */
const wrapped = shared<WeakMap<object, AnyFunction>>('tap-wrappers', () => new WeakMap());

/** The function behind a tap's wrapper; anything else as it is. */
export function unwrap(value: unknown): unknown {
  let inner = value;
  while (typeof inner === 'function' && wrapped.has(inner)) inner = wrapped.get(inner);
  return inner;
}

class Call implements TappedCall {
  readonly self: unknown;
  readonly args: readonly unknown[];
  readonly #called: AnyFunction;

  constructor(called: AnyFunction, self: unknown, args: readonly unknown[]) {
    this.#called = called;
    this.self = self;
    this.args = args;
  }

  get parameters(): readonly string[] {
    return parameterNames(this.#called);
  }
}

/** What one wrapper runs; outermost first. The list is replaced, never changed: a call keeps the taps it began with. */
interface Wrapping {
  chain: readonly Around[];
  readonly wrapper: AnyFunction;
}

export class TapStack {
  readonly #location: TapLocation;
  readonly #layers: Record<Layer, readonly Around[]> = { observe: [], replace: [] };
  #wrapping: Wrapping | undefined;

  constructor(location: TapLocation) {
    this.#location = location;
  }

  add(around: Around, layer: Layer): Disposable {
    // The same function may be added twice; each has an entry of its own.
    const entry: Around = (call, next) => around(call, next);
    this.#change(layer, [entry, ...this.#layers[layer]]);
    const remove = (): void => {
      const kept = this.#layers[layer].filter((other) => other !== entry);
      if (kept.length < this.#layers[layer].length) this.#change(layer, kept);
    };
    return { [Symbol.dispose]: remove };
  }

  #change(layer: Layer, taps: readonly Around[]): void {
    const location = this.#location;
    const layers = { ...this.#layers, [layer]: taps };
    const chain = [...layers.observe, ...layers.replace];
    const before = this.#wrapping;
    if (chain.length > 0) {
      const wrapping = before ?? wrap(location);
      // Where the location cannot be changed this throws, and nothing has changed.
      if (before === undefined) location.install(wrapping.wrapper);
      wrapping.chain = chain;
      this.#wrapping = wrapping;
    } else this.#wrapping = undefined;
    this.#layers[layer] = taps;
    if (this.#wrapping !== undefined || before === undefined) return;
    // Somebody may have put another function there since: that one stays, and the wrapper only passes calls on.
    before.chain = [];
    if (location.current() === before.wrapper) location.restore();
  }
}

/** A proxy: name, length, properties, `prototype` and `new` stay those of the function. */
function wrap(location: TapLocation): Wrapping {
  const called = location.current() as AnyFunction;
  const original = location.take();
  const wrapper = new Proxy(called, {
    apply: (_target, self, args: unknown[]) => {
      const { chain } = wrapping;
      const call = new Call(called, self, args);
      const run = (depth: number): unknown => {
        const around = chain[depth];
        return around === undefined ? Reflect.apply(original, self, args) : around(call, () => run(depth + 1));
      };
      return run(0);
    },
  });
  wrapped.set(wrapper, called);
  const wrapping: Wrapping = { chain: [], wrapper };
  return wrapping;
}

type Stacks = WeakMap<object, Map<PropertyKey, TapStack>>;

/** The stack for the location that `owner` and `name` stand for; `location` describes it, when there is none yet. */
export function stackFor(owner: object, name: PropertyKey, location: () => TapLocation): TapStack {
  const stacks = shared<Stacks>('tap-stacks', () => new WeakMap());
  let ofOwner = stacks.get(owner);
  if (ofOwner === undefined) stacks.set(owner, (ofOwner = new Map()));
  let stack = ofOwner.get(name);
  if (stack === undefined) ofOwner.set(name, (stack = new TapStack(location())));
  return stack;
}

/** The value called `name`, made by `make` when it is first asked for. */
export function shared<T>(name: string, make: () => T): T {
  const values = globalThis as { [key: symbol]: T | undefined };
  return (values[Symbol.for(`retort-kd.${name}`)] ??= make());
}

/** `['x', 'mask']`; a destructured parameter is `_`. Empty for built-in functions and where the text is not a function. */
function parameterNames(called: (...args: never[]) => unknown): readonly string[] {
  const text = Function.prototype.toString.call(called);
  return (functionIn(`(${text})`) ?? methodIn(`({${text}})`))?.params.map(nameOf) ?? [];
}

function functionIn(text: string): FunctionNode | undefined {
  const node = parse(text);
  return node?.type === 'FunctionExpression' || node?.type === 'ArrowFunctionExpression' ? node : undefined;
}

function methodIn(text: string): FunctionNode | undefined {
  const node = parse(text) as ObjectExpression | undefined;
  return (node?.properties[0] as Property | undefined)?.value as FunctionNode | undefined;
}

function parse(text: string): ReturnType<typeof parseExpressionAt> | undefined {
  try {
    return parseExpressionAt(text, 0, { ecmaVersion: 'latest' });
  } catch {
    return undefined;
  }
}

function nameOf(parameter: Pattern): string {
  switch (parameter.type) {
    case 'Identifier':
      return parameter.name;
    case 'AssignmentPattern':
      return nameOf(parameter.left);
    case 'RestElement':
      return `...${nameOf(parameter.argument)}`;
    default:
      return '_';
  }
}
