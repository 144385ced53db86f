// The taps on one place. The wrapper is there only while there are taps; each call looks up which there are.
import { parameterNames } from './parameter-names.ts';
import { shared } from './shared.ts';
import type { Around, Layer, TappedCall } from './target.ts';

type AnyFunction = (...args: unknown[]) => unknown;

/** Where a function is kept, and can be exchanged. */
export interface Place {
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
  readonly #place: Place;
  readonly #layers: Record<Layer, readonly Around[]> = { observe: [], replace: [] };
  #wrapping: Wrapping | undefined;

  constructor(place: Place) {
    this.#place = place;
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
    const place = this.#place;
    const layers = { ...this.#layers, [layer]: taps };
    const chain = [...layers.observe, ...layers.replace];
    const before = this.#wrapping;
    if (chain.length > 0) {
      const wrapping = before ?? wrap(place);
      // Where the place cannot be changed this throws, and nothing has changed.
      if (before === undefined) place.install(wrapping.wrapper);
      wrapping.chain = chain;
      this.#wrapping = wrapping;
    } else this.#wrapping = undefined;
    this.#layers[layer] = taps;
    if (this.#wrapping !== undefined || before === undefined) return;
    // Somebody may have put another function there since: that one stays, and the wrapper only passes calls on.
    before.chain = [];
    if (place.current() === before.wrapper) place.restore();
  }
}

/** A proxy: name, length, properties, `prototype` and `new` stay those of the function. */
function wrap(place: Place): Wrapping {
  const called = place.current() as AnyFunction;
  const original = place.take();
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
