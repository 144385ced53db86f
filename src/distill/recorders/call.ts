// One call of what is recorded, from its beginning to the record it leaves. Calls keep their place: records stand in the order
// in which the calls began. A call that throws, or whose promise rejects, leaves no record.
import { isThenable } from '../../check.ts';
import { conditionOf, hold } from '../held.ts';
import type { Held } from '../held.ts';
import { mapLeaves } from '../../torch/index.ts';

/**
 * One call of what is recorded, from its beginning to the record it leaves.
 * @internal
 */
export class Call {
  /** `waiting`: it returned a promise that has not settled. */
  state: 'running' | 'waiting' | 'done' | 'dropped' = 'running';
  held: Held | undefined;
  /** The scope that the record lives in. */
  readonly scope: number;
  readonly #whenDone: () => void;

  constructor(scope: number, whenDone: () => void = () => {}) {
    this.scope = scope;
    this.#whenDone = whenDone;
  }

  /** Takes what will be the record; again replaces it. */
  take(data: unknown): void {
    if (this.state !== 'dropped') this.held = hold(data, this.scope);
  }

  /** Puts other values in place of what was taken, where that is still what it was. */
  change(change: (leaf: unknown) => unknown): void {
    if (this.held === undefined || conditionOf(this.held) !== 'intact') return;
    const data = mapLeaves(this.held.data, change);
    if (data !== this.held.data) this.held = hold(data, this.scope);
  }

  /** The call ended well: what it took is a record now. */
  done(): void {
    if (this.state === 'dropped') return;
    this.state = 'done';
    this.#whenDone();
  }

  /** Never becomes a record. */
  drop(): void {
    this.state = 'dropped';
    this.held = undefined;
  }

  /** The call returned `result`: it is done now or, where that is a promise (or has a `then`), when it fulfils. Returns what the caller is to get. */
  settle(result: unknown, take: (value: unknown) => void): unknown {
    const finish = (value: unknown): unknown => {
      take(value);
      this.done();
      return value;
    };
    if (!isThenable(result)) return finish(result);
    if (this.state === 'running') this.state = 'waiting';
    return Promise.resolve(result).then(finish, (error: unknown) => {
      this.drop();
      throw error;
    });
  }
}
