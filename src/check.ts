// Small checks and words that every folder needs: what a value is, how an error shows it, how names are spelled. Every folder may import
// this file; it imports nothing but errors.ts.
import { didYouMean, RetortError } from './errors.ts';

/** Whether a value is an object as configs write them: made by `{}`, in whatever realm, or without a prototype; no class, no list. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  // That of another realm: the only prototype that has none itself and does what objects do.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

/** Whether a value is an object, of whatever class; lists are. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Whether a value is a promise, of whatever class: it has a `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (isObject(value) || typeof value === 'function') && typeof (value as { then?: unknown }).then === 'function';
}

/** `value` if it is an integer of at least `least` (default 1). @throws {RetortError} otherwise; `where` names caller and argument. */
export function integer(where: string, value: number, least = 1): number {
  if (Number.isInteger(value) && value >= least) return value;
  const given = value === undefined ? 'nothing' : shown(value);
  throw new RetortError(`${where}: expected an integer of at least ${least}, got ${given}`);
}

/** `log_softmax` -> `logSoftmax`; leading and trailing underscores stay. */
export function camelCase(name: string): string {
  return name.replaceAll(/(?<=[^_])_+(\p{L}|\d)/gu, (_, letter: string) => letter.toUpperCase());
}

/** `[2, 3, 4]`, shortened when it is absurdly long. */
export function showShape(shape: readonly number[]): string {
  return shape.length > 16 ? `[${shape.slice(0, 16).join(', ')}, ... ${shape.length} in all]` : `[${shape.join(', ')}]`;
}

/** A value in few characters, whatever it is. */
export function shown(value: unknown, depth = 0): string {
  if (isObject(value) && !Array.isArray(value) && !isPlain(value)) {
    return `a ${value.constructor?.name ?? 'value'}`;
  }
  return cut(written(value, depth));
}

/** Some items of a list, some keys of an object: no more is looked at than is shown. */
function written(value: unknown, depth: number): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (depth > 3) return '...';
  if (Array.isArray(value)) {
    return `[${value
      .slice(0, 40)
      .map((one) => shown(one, depth + 1))
      .join(',')}]`;
  }
  if (!isPlain(value)) return JSON.stringify(value) ?? String(value);
  const entries = Object.entries(value).slice(0, 40);
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${shown(one, depth + 1)}`).join(',')}}`;
}

/** A text of at most 80 characters. */
export function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Where something can be computed. */
export type ComputeDevice = 'cpu' | 'cuda' | `cuda:${number}`;

/** Why a value is no device's name; undefined where it is one. It may still name a device that this machine does not have. */
export function deviceMistake(value: unknown, kinds: readonly string[] = ['cpu', 'cuda']): string | undefined {
  const known = typeof value === 'string' && /^(?:[a-z]+|cuda:(?:0|[1-9]\d{0,2}))$/.test(value);
  if (known && kinds.includes(value.split(':')[0]!)) return undefined;
  const names = kinds.flatMap((kind) => (kind === 'cuda' ? ['"cuda"', '"cuda:1"'] : [`"${kind}"`])).join(', ');
  const expected = `expected a device (${names}), got ${shown(value)}`;
  if (typeof value !== 'string') return expected;
  // What other libraries and languages call a graphics card.
  if (!/^(?:gpu|nvidia|hip|rocm|cuda)/i.test(value)) return `${expected}; ${didYouMean(value, kinds)}`;
  const number = /\d+$/.exec(value)?.[0];
  return `${expected}; did you mean "${number === undefined ? 'cuda' : `cuda:${Number(number)}`}"?`;
}

/** `1.5 MiB` */
export const bytesInWords = (bytes: number): string =>
  bytes < 2 ** 20
    ? `${(bytes / 1024).toFixed(1)} KiB`
    : bytes < 2 ** 30
      ? `${(bytes / 2 ** 20).toFixed(1)} MiB`
      : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
