// The call buffer: an array of doubles shared with the addon, on which arguments travel down and results come back.
//
// What a user's code may see while it is written (getters, proxies, elements of arrays) is read first: only plain numbers that
// are known already go onto the call buffer, and the call follows at once. See encode.ts.
import { native } from './native.ts';
import type { SharedCallBuffer } from './native.ts';

/** What stands in front of a value; the same numbers as in native/dispatch.cc. */
export const Tag = {
  Default: 0,
  None: 1,
  Handle: 2,
  Integer: 3,
  Double: 4,
  Boolean: 5,
  /** A 64-bit integer that no double holds: its upper 32 bits, then its lower ones. */
  Halves: 6,
  Text: 7,
  Numbers: 8,
  Handles: 9,
  Booleans: 10,
  Device: 11,
  Generator: 12,
  /** A list of integers, each in halves. */
  Longs: 13,
  /** A list of numbers, each with a tag. */
  Scalars: 14,
} as const;

/** Free room that every caller may rely on without asking. */
const slack = 256;

let shared: SharedCallBuffer | undefined;

/**
 * The call buffer with room for `length` values from `at` on (and some more); growing keeps what is there. It grows in the addon too, for
 * long results: ask again after a call.
 */
export function callBufferFor(at: number, length: number): Float64Array {
  shared ??= native().callBuffer();
  const { numbers } = shared;
  if (at + length + slack <= numbers.length) return numbers;
  native().reserveCallBuffer(at + length + slack);
  return shared.numbers;
}

/** The same memory as 64-bit integers. */
export function callBufferBits(): BigInt64Array {
  shared ??= native().callBuffer();
  return shared.bits;
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
