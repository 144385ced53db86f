// The tape: an array of doubles shared with the addon, on which arguments travel down and results come back.
import { native } from './native.ts';

/** What stands in front of a value; the same numbers as in native/dispatch.cc. */
export const Tag = {
  Default: 0,
  None: 1,
  Handle: 2,
  Integer: 3,
  Double: 4,
  Boolean: 5,
  Bits: 6,
  Text: 7,
  Numbers: 8,
  Handles: 9,
  Booleans: 10,
  Place: 11,
  Generator: 12,
} as const;

/** Free room that every caller may rely on without asking. */
const slack = 256;

let numbers: Float64Array | undefined;
let bits: BigInt64Array | undefined;

/** The tape with room for `length` values from `at` on (and some more); growing keeps what is there. */
export function tapeFor(at: number, length: number): Float64Array {
  if (numbers !== undefined && at + length + slack <= numbers.length) return numbers;
  const grown = new Float64Array(Math.max(4096, 2 * (at + length + slack)));
  if (numbers !== undefined) grown.set(numbers);
  native().setTape(grown.buffer);
  numbers = grown;
  bits = new BigInt64Array(grown.buffer);
  return grown;
}

/** The same memory as 64-bit integers. */
export function tapeBits(): BigInt64Array {
  if (bits === undefined) tapeFor(0, 0);
  return bits!;
}

const texts = new Map<string, number>();

/** The number by which the addon knows a string. */
export function textNumber(text: string): number {
  let number = texts.get(text);
  if (number === undefined) {
    number = native().intern(text);
    texts.set(text, number);
  }
  return number;
}
