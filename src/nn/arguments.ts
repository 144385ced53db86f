// Checks of the arguments of layers and functions: the errors name the caller, the argument, what was expected and what was given.
import { shown } from '../check.ts';
import { didYouMean, RetortError } from '../errors.ts';

/** A size for height and width: one number for both, or `[height, width]`. */
export type Pair = number | readonly [height: number, width: number];

/** A checked size as `[height, width]`. */
export function sides(value: Pair): readonly [height: number, width: number] {
  return typeof value === 'number' ? [value, value] : value;
}

/** @throws {RetortError} unless `groups` divides `channels`. */
export function divides(where: string, groups: number, channels: number): void {
  if (channels % groups !== 0) {
    throw new RetortError(`${where}: expected a multiple of the ${groups} groups, got ${channels}`);
  }
}

/** `value` if it lies within [0, 1]. @throws {RetortError} otherwise. */
export function probability(where: string, value: number): number {
  if (!(value >= 0 && value <= 1)) {
    throw new RetortError(`${where}: expected a number within [0, 1], got ${shown(value)}`);
  }
  return value;
}

/** `value` if it is one of `names`. @throws {RetortError} otherwise, with the nearest name. */
export function oneOf<T extends string>(where: string, value: T, names: readonly string[]): T {
  if (!names.includes(value)) {
    throw new RetortError(`${where}: unknown value ${shown(value)}; ${didYouMean(String(value), names)}`, {
      code: 'unknown-name',
    });
  }
  return value;
}

/** What `toString` shows of a layer: its sizes, then the options that are not at their defaults. */
export function listed(sizes: readonly unknown[], options: object = {}, defaults: object = {}): string {
  const text = (value: unknown): string => {
    if (!Array.isArray(value)) return String(value);
    return value.every((item) => item === value[0]) ? String(value[0]) : `[${value.join(', ')}]`;
  };
  const usual = new Map(Object.entries(defaults));
  const named = Object.entries(options).map(([name, value]) => [name, text(value)] as const);
  const unusual = named.filter(([name, value]) => value !== text(usual.get(name)));
  return [...sizes.map(text), ...unusual.map(([name, value]) => `${name}=${value}`)].join(', ');
}
