// The one error class of Retort, the codes that tell its errors apart, and the "did you mean" that goes into its messages. Every
// folder may import this file.
import type { FormatErrorCode } from './formats/format-error.ts';

/**
 * What an error is about. Codes are stable: programs and tests act on them, while messages may be improved in any version.
 *
 * | code | meaning | what to do |
 * |---|---|---|
 * | `invalid-argument` | an argument or option has a wrong type, value, shape or dtype | correct the call |
 * | `unknown-option` | an option that there is not | the message names the nearest |
 * | `unknown-name` | a loss, module path, recorder, dtype, ... that there is not | the message names the nearest |
 * | `invalid-config` | a config with one or more mistakes | the message lists all of them |
 * | `invalid-state` | called at a wrong time: a tensor that was disposed, a record that was not taken | change the order of calls |
 * | `async-function` | a promise or a generator where a synchronous function was expected | await it outside |
 * | `not-finite` | a loss, gradient, weight or statistic is NaN or infinite | lower the learning rate; the message names the place |
 * | `not-found` | no such file, folder, package or export | correct the path |
 * | `file-system` | a file that cannot be read, written, listed or made for another reason | permission, room, limits |
 * | `invalid-file` | a file that cannot be used as what it should be; damaged ones have the codes of `FormatError`, which say how | get it again |
 * | `mismatch` | a checkpoint, data set or teacher that does not fit the network or config it is given to | bring both together |
 * | `run-exists` | the folder holds a run already | resume, another folder, or overwrite |
 * | `run-in-use` | another process trains in the folder | wait for it |
 * | `resume-mismatch` | a run cannot go on as it is asked to | the message has both values of each |
 * | `script-refused` | data that names code to run, which was not allowed | `--allow-scripts`, if you trust it |
 * | `script-failed` | a user's config or module that throws, or does not parse | correct it; `cause` is its error |
 * | `engine` | libtorch refused a call | the help says what is usual |
 * | `engine-missing` | the addon or libtorch is not there, or does not load | run the setup |
 * | `out-of-memory` | no memory for a tensor or its values | smaller batches |
 * | `process-group` | processes that train together do not find each other, disagree, or have ended | see what the others printed |
 * | `unsupported` | something real that Retort does not do | the help names what it does |
 */
export type RetortErrorCode =
  | 'invalid-argument'
  | 'unknown-option'
  | 'unknown-name'
  | 'invalid-config'
  | 'invalid-state'
  | 'async-function'
  | 'not-finite'
  | 'not-found'
  | 'file-system'
  | 'invalid-file'
  | 'mismatch'
  | 'run-exists'
  | 'run-in-use'
  | 'resume-mismatch'
  | 'script-refused'
  | 'script-failed'
  | 'engine'
  | 'engine-missing'
  | 'out-of-memory'
  | 'process-group'
  | 'unsupported';

export interface RetortErrorOptions {
  /** What the error is about. Default `'invalid-argument'`, which most are. */
  code?: RetortErrorCode | FormatErrorCode;
  /** The way out, printed on a line of its own after `help:`. */
  help?: string;
  /** The error this one was made from. */
  cause?: unknown;
}

/**
 * An error raised on purpose: a mistake of the caller, of the data or of the machine, never a defect of Retort.
 * The message names the function and the argument, what was expected and what came; `help` is the way out, `code` what to act on.
 *
 * @example
 * ```ts
 * try {
 *   await run(config, { workDir });
 * } catch (error) {
 *   if (!(error instanceof RetortError) || error.code !== 'run-exists') throw error;
 *   await run(config, { workDir, resume: true });
 * }
 * ```
 */
export class RetortError extends Error {
  override readonly name: string = 'RetortError';
  /** What the error is about; see {@link RetortErrorCode}, and for damaged files {@link FormatErrorCode}. */
  readonly code: RetortErrorCode | FormatErrorCode;
  /** The way out, which ends the message too. */
  readonly help: string | undefined;
  #what: string;
  #where: string | undefined;

  constructor(message: string, options: RetortErrorOptions = {}) {
    super(
      withLines(message, undefined, options.help),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = options.code ?? 'invalid-argument';
    this.help = options.help;
    this.#what = message;
  }

  /** The message without its lines `in:` and `help:`. */
  get what(): string {
    return this.#what;
  }

  /** Adds (or replaces) a line `in:` that says where it happened, such as the path of a module. */
  locate(where: string): void {
    this.#where = where;
    this.#reword();
  }

  /** Names first what the error is about, such as `teacher "a"`: `name: message`. Code, help, place and cause stay what they are. */
  prefix(name: string): void {
    this.#what = `${name}: ${this.#what}`;
    this.#reword();
  }

  #reword(): void {
    const before = this.message;
    this.message = withLines(this.#what, this.#where, this.help);
    if (this.stack !== undefined) this.stack = this.stack.replace(before, () => this.message);
  }
}

function withLines(what: string, where: string | undefined, help: string | undefined): string {
  const lines = [what];
  if (where !== undefined) lines.push(`  in: ${where}`);
  if (help !== undefined) lines.push(`  help: ${help}`);
  return lines.join('\n');
}

/** A value as a message names it: `the number 3`, `"text"`, `a promise`, `an array of 2`; short, whatever it is. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${String(value)}`;
  if (typeof value === 'bigint')
    return `the bigint ${value > 10n ** 40n || value < -(10n ** 40n) ? 'beyond 1e40' : value}`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof (value as { then?: unknown }).then === 'function') return 'a promise (is an await missing?)';
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object';
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** Names beyond this length are not compared: the time goes with the product of two lengths. */
const longestCompared = 200;

/**
 * The names nearest to `name` by edit distance, best first, at most three; none that differs in more than a third of its letters.
 */
export function nearest(name: string, candidates: Iterable<string>): string[] {
  if (name.length > longestCompared) return [];
  const wanted = name.toLowerCase();
  const limit = Math.max(1, Math.floor(name.length / 3));
  const scored: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > limit) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance <= limit) scored.push({ candidate, distance });
  }
  scored.sort((a, b) => a.distance - b.distance);
  return scored.slice(0, 3).map((entry) => entry.candidate);
}

/** `did you mean "a" or "b"?`, or the (shortened) list of all names where nothing is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const all = [...candidates];
  const near = nearest(name, all);
  if (near.length > 0) return `did you mean ${near.map((n) => `"${n}"`).join(' or ')}?`;
  if (all.length === 0) return 'there are none';
  const shown = all
    .slice(0, 12)
    .map((n) => `"${n}"`)
    .join(', ');
  return all.length > 12 ? `there are ${all.length}: ${shown}, ...` : `there are: ${shown}`;
}

/** Levenshtein distance with adjacent transpositions counted as one edit. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, beforePrevious[j - 2]! + 1);
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
