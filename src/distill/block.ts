// A block: something that was begun and will be ended, by `using`, by hand, or when a function returns. Recording and delivering
// are blocks. Several are begun in order and ended in reverse, whatever fails on the way.

/** Something under way; ending it (`using`, or `end()`) undoes it. Ending it again is harmless. */
export interface Block extends Disposable {
  end(): void;
}

/** A block that `undo` ends, once. */
export function makeBlock(undo: () => void): Block {
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    undo();
  };
  return { end, [Symbol.dispose]: end };
}

/** Begins all in order; when one cannot begin, those begun before are ended. The block ends them in reverse. */
export function beginAll(begins: Iterable<() => Block>): Block {
  const open: Block[] = [];
  const all = makeBlock(() => endAll(open));
  try {
    for (const begin of begins) open.push(begin());
  } catch (error) {
    all.end();
    throw error;
  }
  return all;
}

/** Ends all in reverse, also when one of them throws; the first error goes on. */
function endAll(open: Block[]): void {
  const block = open.pop();
  if (block === undefined) return;
  try {
    block.end();
  } finally {
    endAll(open);
  }
}

/** Runs `body` and ends the block: when it returns or throws or, where it returns a promise, when that settles. */
export function within<T>(block: Block, body: () => T): T {
  let result: T;
  try {
    result = body();
  } catch (error) {
    block.end();
    throw error;
  }
  if (result instanceof Promise) return result.finally(() => block.end()) as T;
  block.end();
  return result;
}
