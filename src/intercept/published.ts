// The bindings that transformed modules have published, in a list on `globalThis` that all copies of this package share.
import { shared, unwrap } from './tap-stack.ts';

/** A top-level binding of a module; without a setter it cannot be assigned to. */
export type Binding = readonly [name: string, get: () => unknown, set?: (value: unknown) => void];

/** What a module publishes when it has run. A module that was loaded twice, under other queries, publishes twice. */
export interface Published {
  /** The module's URL without query and hash. */
  readonly key: string;
  readonly bindings: readonly Binding[];
  /** Exported name -> the local name, or a getter for what comes from another module; `*` gets all of such a module. */
  readonly exports: readonly (readonly [string, string | (() => unknown)])[];
}

/** All modules that have published, in the order in which they ran. */
export function allPublished(): readonly Published[] {
  return shared<readonly Published[]>('taps', () => []);
}

export function publishedAs(key: string): readonly Published[] {
  return allPublished().filter((module) => module.key === key);
}

/** What a module calls `name`: its own binding first, else what it exports as that. */
export function lookUp(module: Published, name: string): { value: unknown } | undefined {
  const own = module.bindings.find(([binding]) => binding === name);
  if (own !== undefined) return { value: unwrap(own[1]()) };
  for (const [exported, from] of module.exports) {
    if (exported !== name) continue;
    return typeof from === 'string' ? lookUp(module, from) : { value: unwrap(read(from)) };
  }
  for (const [exported, from] of module.exports) {
    if (exported !== '*' || typeof from === 'string' || name === 'default') continue;
    const others = read(from) as Record<string, unknown> | undefined;
    if (others !== undefined && name in others) return { value: unwrap(others[name]) };
  }
  return undefined;
}

/** All names that {@link lookUp} finds whose values are as wanted. */
export function namesIn(module: Published, wanted: (value: unknown) => boolean): string[] {
  const names = new Set(module.bindings.map(([name]) => name));
  for (const [exported, from] of module.exports) {
    if (exported !== '*' || typeof from === 'string') names.add(exported);
    else for (const name of Object.keys(read(from) ?? {})) names.add(name);
  }
  return [...names].filter((name) => wanted(lookUp(module, name)?.value));
}

/** Every assignable binding that holds `value`, in any module, behind taps too. */
export function bindingsOf(value: unknown): { module: Published; binding: Binding }[] {
  return allPublished().flatMap((module) =>
    module.bindings
      .filter(([, get, set]) => set !== undefined && unwrap(get()) === value)
      .map((binding) => ({ module, binding })),
  );
}

/** A getter of something imported throws while modules that import each other are still loading. */
function read(get: () => unknown): unknown {
  try {
    return get();
  } catch {
    return undefined;
  }
}
