// A session: something that was begun and will be ended, by `using`, by `end()`, or when a function returns. Recording and delivering
// are sessions. Several are begun in order and ended in reverse, whatever fails on the way.
import { isThenable } from '../check.ts';

/** Something under way; ending it (`using`, or `end()`) undoes it. Ending it again is harmless. */
export interface Session extends Disposable {
  end(): void;
}

/** A session that `undo` ends, once. */
export function makeSession(undo: () => void): Session {
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    undo();
  };
  return { end, [Symbol.dispose]: end };
}

/** Begins all in order; when one cannot begin, those begun before are ended. The session ends them in reverse. */
export function beginAll(begins: Iterable<() => Session>): Session {
  const open: Session[] = [];
  const all = makeSession(() => endAll(open));
  try {
    for (const begin of begins) open.push(begin());
  } catch (error) {
    all.end();
    throw error;
  }
  return all;
}

/** Ends all in reverse, also when one of them throws; the first error goes on. */
function endAll(open: Session[]): void {
  const session = open.pop();
  if (session === undefined) return;
  try {
    session.end();
  } finally {
    endAll(open);
  }
}

/** Runs `body` and ends the session: when it returns or throws or, where it returns a promise, when that settles. */
export function within<T>(session: Session, body: () => T): T {
  let result: T;
  try {
    result = body();
  } catch (error) {
    session.end();
    throw error;
  }
  if (isThenable(result)) return Promise.resolve(result).finally(() => session.end()) as T;
  session.end();
  return result;
}
