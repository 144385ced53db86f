// What a fuzzer is. One file of this folder is one fuzzer, its default export: it makes cases at random, tries them one by one,
// and prints a case as lines that can be pasted. main.ts and driver.ts do the rest: processes, crashes, making a case smaller.

/** How a case ended that showed no fault: the input was taken, or refused with an error that says why. */
export type Outcome = 'taken' | 'refused';

/** Cases are plain data (JSON), so that a case can be handed to another process. */
export interface Fuzzer<Case = unknown> {
  /** One line on what is tried. */
  readonly summary: string;
  /** How many cases `npm run fuzz` tries by default. */
  readonly calls: number;
  /** Names of groups of cases, each with its own generator; the calls are divided among them. Default: ten numbered ones. */
  parts?(): readonly string[];
  /** Cases without end. Each `yield` gives back how the case ended, so that what was taken can be varied further. */
  cases(random: Random, part: string): Generator<Case, void, Outcome>;
  /** Tries a case. @throws {Fault} when something happened that must not; any other error is a fault as well. */
  attempt(tried: Case): Outcome | Promise<Outcome>;
  /** Smaller cases that may show the same fault, the smallest first. */
  simpler(tried: Case): Iterable<Case>;
  /** Lines to paste into a program that show what the case does. */
  source(tried: Case): string;
}

/** Something that must not happen. */
export class Fault extends Error {
  /** What kind, in a few words: cases made smaller must show the same kind. */
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Random numbers from a text: the same text gives the same numbers on every machine (xmur3 and mulberry32, public domain). */
export class Random {
  #state: number;

  constructor(seed: string) {
    let hash = 1_779_033_703 ^ seed.length;
    for (let i = 0; i < seed.length; i++) {
      hash = Math.imul(hash ^ seed.charCodeAt(i), 3_432_918_353);
      hash = (hash << 13) | (hash >>> 19);
    }
    this.#state = hash >>> 0;
  }

  /** Within [0, 1). */
  number(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `low` up to and with `high`. */
  int(low: number, high: number): number {
    return low + Math.floor(this.number() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.number() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  list<T>(length: number, make: (i: number) => T): T[] {
    return Array.from({ length }, (_, i) => make(i));
  }
}
