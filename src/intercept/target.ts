// What a tap is: the interface that recorders and deliveries are written against.

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

/** A place that can be tapped: one function binding or one method. Several taps stack; the last removed restores the original exactly. */
export interface TapTarget {
  /** What was named, for errors. */
  readonly address: string;
  /** Calls `around` for every call, until disposed (in any order; again does nothing). */
  tap(around: Around, layer: Layer): Disposable;
}

/** A method of a class: an instance method or, where there is none of that name, a static one. */
export interface MethodReference {
  class: abstract new (...args: never[]) => unknown;
  method: string;
}

export interface AddressOptions {
  /** Relative module paths start here, and packages are looked for from here. Default: the process's working directory. */
  folder?: string;
  /** For dotted names: prefix -> module file or folder, such as `{ 'mmdet.models.dense_heads': './heads' }`. The longest prefix wins. */
  prefixes?: Readonly<Record<string, string>>;
}
