// Modules made of modules: in a row, in a list, by name.
import { describeValue, RetortError } from '../errors.ts';
import type { Tensor } from '../torch/index.ts';
import { runLayers } from './folded-norms.ts';
import type { Layer } from './module.ts';
import { Module } from './module.ts';

/** Items under names that may be anything without a dot; their order is that of insertion. */
abstract class Container<M extends Module> extends Module {
  readonly #items = new Map<string, M>();

  protected insert(name: string, item: M): void {
    if (!(item instanceof Module)) {
      throw new RetortError(`${this.constructor.name}: item "${name}": expected a module, got ${describeValue(item)}`, {
        help: 'items must extend nn.Module',
      });
    }
    if (name === '' || name.includes('.')) {
      throw new RetortError(
        `${this.constructor.name}: item name: expected a name without dots (state dicts join names with them), got "${name}"`,
      );
    }
    this.#items.set(name, item);
  }

  protected override members(): Iterable<[string, unknown]> {
    return this.#items;
  }

  /** The item under a name or, counted from 0 (negative: from the end), at a position. */
  get(key: string | number): M {
    const items = [...this.#items.values()];
    const found = typeof key === 'string' ? this.#items.get(key) : items.at(key);
    if (found !== undefined) return found;
    throw new RetortError(`${this.constructor.name}.get: unknown item ${JSON.stringify(key)}`, {
      code: 'unknown-name',
      help: `it has ${items.length}: ${[...this.#items.keys()].join(', ')}`,
    });
  }

  has(name: string): boolean {
    return this.#items.has(name);
  }
  keys(): string[] {
    return [...this.#items.keys()];
  }
  get length(): number {
    return this.#items.size;
  }
  [Symbol.iterator](): IterableIterator<M> {
    return this.#items.values();
  }
}

/**
 * Layers one after the other, named `0`, `1`, ... or as given.
 *
 * @example
 * ```ts
 * const net = new Sequential(new Linear(4, 8), new ReLU(), new Linear(8, 2));
 * const named = new Sequential({ conv: new Conv2d(3, 8, { kernelSize: 3 }), relu: new ReLU() });
 * ```
 */
export class Sequential extends Container<Layer> {
  constructor(...layers: Layer[] | [Readonly<Record<string, Layer>>]) {
    super();
    const [first] = layers;
    const named = first !== undefined && !(first instanceof Module) ? Object.entries(first) : Object.entries(layers);
    for (const [name, layer] of named) this.insert(name, layer as Layer);
  }

  override forward(input: Tensor): Tensor {
    return runLayers(this, input);
  }
}

function callsItself(container: Module): never {
  throw new RetortError(`${container.constructor.name} has no forward: call its items`, { code: 'unsupported' });
}

/** A list of modules, named `0`, `1`, ...; the module that holds it calls them. */
export class ModuleList<M extends Module = Layer> extends Container<M> {
  constructor(items: Iterable<M> = []) {
    super();
    for (const item of items) this.append(item);
  }

  append(item: M): this {
    this.insert(String(this.length), item);
    return this;
  }

  override forward(): never {
    return callsItself(this);
  }
}

/** Modules by name; the module that holds it calls them. */
export class ModuleDict<M extends Module = Layer> extends Container<M> {
  constructor(items: Readonly<Record<string, M>> = {}) {
    super();
    for (const [name, item] of Object.entries(items)) this.set(name, item);
  }

  set(name: string, item: M): this {
    this.insert(name, item);
    return this;
  }

  override forward(): never {
    return callsItself(this);
  }
}

/** Returns its input. */
export class Identity extends Module {
  override forward<T>(input: T): T {
    return input;
  }
}
