// The keys of one dict of a config, taken one by one: what nobody took is a mistake, so nothing is dropped silently.
import { didYouMean } from '../../errors.ts';
import { kindName } from '../../config/tree/index.ts';
import type { Findings } from './findings.ts';
import { childOf } from './place.ts';
import type { Place } from './place.ts';

export class Fields {
  readonly place: Place;
  readonly #findings: Findings;
  readonly #left = new Map<string, Place>();
  readonly #asked = new Set<string>();

  /** Anything but a dict is a mistake and has no keys. `_scope_` has been seen already: it is in `place.scope`. */
  constructor(place: Place, findings: Findings) {
    this.place = place;
    this.#findings = findings;
    if (place.node.kind !== 'dict') {
      findings.mistake(place, `expected a dict, got ${kindName(place.node.kind)}`);
      return;
    }
    for (const key of place.node.value.keys()) if (key !== '_scope_') this.#left.set(key, childOf(place, key)!);
  }

  /** The value of a key, None as well. */
  take(key: string): Place | undefined {
    this.#asked.add(key);
    const found = this.#left.get(key);
    this.#left.delete(key);
    return found;
  }

  /** The value of a key unless it is None, which means the default. */
  get(key: string): Place | undefined {
    const found = this.take(key);
    return found?.node.kind === 'none' ? undefined : found;
  }

  /** A value that `read` understands; another one is a mistake. */
  read<T>(key: string, read: (place: Place) => T | undefined, expected: string): T | undefined {
    const found = this.get(key);
    if (found === undefined) return undefined;
    const value = read(found);
    if (value === undefined) this.#findings.mistake(found, `expected ${expected}`);
    return value;
  }

  /** Leaves keys out, with a note of why at each that is there and says something: None and False do not. */
  drop(keys: readonly string[], why: string): void {
    for (const key of keys) {
      const found = this.get(key);
      if (found !== undefined && found.node.value !== false) this.#findings.note(found, why);
    }
  }

  /** The keys that were asked for, there or not. */
  asked(): Iterable<string> {
    return this.#asked;
  }

  /** What nobody took yet. */
  rest(): [key: string, place: Place][] {
    return [...this.#left];
  }

  /** What is left is a mistake. */
  finish(what: string): void {
    for (const [key, place] of this.#left) {
      this.#findings.mistake(place, `unknown option "${key}" of ${what}; ${didYouMean(key, this.#asked)}`);
    }
  }
}
