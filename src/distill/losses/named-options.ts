// The check of options that are one of a few names, for losses that are built without a config.
import { didYouMean, RetortError } from '../../errors.ts';

/** The option, checked. @throws {RetortError} unless it is one of `names`. */
export function oneOf<T extends string>(loss: string, option: string, value: T, names: readonly T[]): T {
  if (names.includes(value)) return value;
  throw new RetortError(`${loss}: ${option}: "${String(value)}" is unknown; ${didYouMean(String(value), names)}`);
}
