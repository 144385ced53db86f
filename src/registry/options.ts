// The types of options, from the schema's shape in which they are declared: `const own = { /** Temperature. Default 1. */ tau:
// z.number().positive().default(1) }`. Editors show the comment of a key wherever the option is written, as long as these types
// are made from a literal of the same file: the compiler copies comments into `.d.ts` files for literals only, not through
// functions, so what several classes share is an interface that the options of each extend. Also the pieces that many schemas share.
import { z } from 'zod';

import { isPlain } from '../check.ts';

import { mistakesOf } from './validate.ts';

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

/**
 * A schema whose options are explained at the keys of an interface: editors show them where a config names the entry of
 * `entry(schema as Explained<typeof schema, MyOptions>, build, about)`. A class with options alone needs it not.
 */
export type Explained<S extends z.ZodType, Options> = z.ZodType<z.output<S>, Options>;

/** The schema of a number of channels and the like: an integer of at least 1. */
export const count = z.int().positive();

/** The schema of a number for height and width, or `[height, width]`: each an integer of at least `least`. */
export function pair(least: 0 | 1) {
  const one = z.int().min(least);
  const integer = least === 0 ? 'an integer, 0 or more,' : 'a positive integer';
  return z.union([one, z.tuple([one, one]).readonly()], { error: `expected ${integer} or [height, width] of them` });
}

/**
 * A rule between several options, said of the one at `key`: `schema.check(rule('end', ({ begin, end }) => begin < end, 'more than
 * begin'))`.
 * @param expected what was expected there, or how that follows from the options
 */
export function rule<Options extends object>(
  key: keyof Options & string,
  fits: (options: Options) => boolean,
  expected: string | ((options: Options) => string),
): z.core.CheckFn<Options> {
  return ({ value, issues }) => {
    if (fits(value)) return;
    const message = `expected ${typeof expected === 'string' ? expected : expected(value)}`;
    issues.push({ code: 'custom', path: [key], input: value[key], message, continue: true });
  };
}

/**
 * A check of the options of something that another option names, such as the arguments of a layer beside its name: all their
 * mistakes are said at `key`, whatever else is wrong.
 * @param schemaOf the schema of the options that stand at `key`, if what stands beside them says which
 */
export function optionsAt<Options extends object>(
  key: keyof Options & string,
  schemaOf: (options: Partial<Options>) => z.ZodType | undefined,
): z.core.$ZodCheck<Options> {
  const check = z.check<Options>(({ value, issues }) => {
    const schema = schemaOf(value);
    if (schema === undefined) return;
    for (const message of mistakesOf(schema, value[key] ?? {})) {
      issues.push({
        code: 'custom',
        path: [key],
        input: value[key],
        message,
        params: { complete: true },
        continue: true,
      });
    }
  });
  check._zod.def.when = ({ value }) => isPlain(value);
  return check;
}
