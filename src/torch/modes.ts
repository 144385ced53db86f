// Modes: process-wide state that is one way while a function runs, and as before afterwards.
import { RetortError } from '../errors.ts';

/** How a mode is entered and left. */
export interface Mode<State> {
  /** Sets the mode, all of it or (by throwing) nothing of it. What it returns is handed to `leave`. */
  enter: () => State;
  /** Puts back what was before. */
  leave: (before: State) => void;
  /** What to use for an asynchronous function. Default: to call it around the synchronous parts. */
  help?: string;
}

/**
 * Runs `fn` in a mode, which is left whatever happens.
 * @param name of the function that users call, for the error.
 * @throws {RetortError} when `fn` is asynchronous or a generator: what runs after its first pause would be outside.
 */
export function during<T, State>(name: string, fn: () => T, mode: Mode<State>): T {
  const { enter, leave, help = `call ${name} around the synchronous parts` } = mode;
  const before = enter();
  try {
    return requireEnded(name, fn(), help);
  } finally {
    leave(before);
  }
}

/** What a function returned. @throws {RetortError} when it has not come to its end yet: it returned a promise or a generator. */
export function requireEnded<T>(name: string, result: T, help: string): T {
  const paused = pausedKind(result);
  if (paused === undefined) return result;
  throw new RetortError(`${name}: the function returned ${paused}, and what it does later would run outside`, {
    code: 'async-function',
    help,
  });
}

/** `a promise` or `a generator` where a function has not come to its end yet; a promise's failure is then nobody's. */
function pausedKind(result: unknown): string | undefined {
  if (typeof result !== 'object' || result === null) return undefined;
  const { then } = result as { then?: unknown };
  if (typeof then === 'function') {
    if (result instanceof Promise) result.catch(() => {});
    return 'a promise';
  }
  return /^\[object (?:Async)?Generator\]$/.test(Object.prototype.toString.call(result)) ? 'a generator' : undefined;
}
