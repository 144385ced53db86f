// The types of options, from the schema's shape in which they are declared: `const own = { /** Temperature. Default 1. */ tau:
// z.number().positive().default(1) }`. Editors show the comment of a key wherever the option is written, as long as these types
// are made from a literal of the same file: the compiler copies comments into `.d.ts` files for literals only, not through
// functions, so what several classes share is an interface that the options of each extend.
import type { z } from 'zod';

type OptionalKeys<S> = {
  [K in keyof S]: S[K] extends { _zod: { optin: 'optional' | 'defaulted' } } ? K : never;
}[keyof S];
// of the form of Pick, which keeps the comments of keys where `as` would lose them
type Given<S, K extends keyof S> = { [P in K]: z.input<S[P]> };
type LeftOut<S, K extends keyof S> = { [P in K]?: z.input<S[P]> };

/** What may be given: options with a default, or optional ones, may be left out. */
export type OptionsFrom<S> = Given<S, Exclude<keyof S, OptionalKeys<S>>> & LeftOut<S, OptionalKeys<S>>;

/** What is known once they are checked: defaults are filled in. */
export type SettingsFrom<S> = { readonly [K in keyof S]: z.output<S[K]> };
