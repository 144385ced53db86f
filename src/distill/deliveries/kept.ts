// One output of the teacher, waiting in the queue of a delivery for the student.
import { isThenable } from '../../check.ts';
import { detached } from '../../torch/index.ts';
import { hold } from '../held.ts';
import type { Held } from '../held.ts';

/** The teacher's call that runs now: calls kept meanwhile are made by it. */
let running: Kept | undefined;

/**
 * An output of the teacher in the queue of a delivery.
 * @internal
 */
export class Kept {
  /** What the teacher's call returned; undefined until it has. */
  held: Held | undefined;
  /** The teacher's call returned a promise, of this. */
  promise: Promise<Held> | undefined;
  /** What was kept of the calls that this one made. */
  readonly inner: Kept[] = [];
  /** Takes it out of its queue, as nobody will ask for it. */
  readonly remove: () => void;
  readonly #scope: number;
  readonly #detach: boolean;

  constructor(scope: number, detach: boolean, remove: (kept: Kept) => void) {
    this.#scope = scope;
    this.#detach = detach;
    this.remove = () => remove(this);
    running?.inner.push(this);
  }

  /** Runs the teacher's call and keeps what it returns. One that fails is not kept. */
  keepResult(call: () => unknown): unknown {
    const outer = running;
    running = this;
    let result: unknown;
    try {
      result = call();
    } catch (error) {
      this.#abandon();
      throw error;
    } finally {
      running = outer;
    }
    if (!isThenable(result)) {
      this.held = this.#hold(result);
      return result;
    }
    const settled = Promise.resolve(result).then(
      (value: unknown) => ({ value, held: (this.held = this.#hold(value)) }),
      (error: unknown) => {
        this.#abandon();
        throw error;
      },
    );
    this.promise = settled.then(({ held }) => held);
    this.promise.catch(() => {}); // the teacher's caller gets the error, from the promise below
    return settled.then(({ value }) => value);
  }

  /** Drops what was kept of the calls that this one made: whoever takes its result does not make them. */
  dropInner(): void {
    for (const kept of this.inner) {
      kept.remove();
      kept.dropInner();
    }
  }

  #abandon(): void {
    this.remove();
    this.dropInner();
  }

  #hold(result: unknown): Held {
    return hold(this.#detach ? detached(result) : result, this.#scope);
  }
}
