// One call of what is recorded, from its beginning to the record it leaves. Calls keep their place: records stand in the order
// in which the calls began. A call that throws, or whose promise rejects, leaves no record.
import { isThenable } from '../../check.ts';
import { hold } from '../held.ts';
import type { Held } from '../held.ts';

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

  constructor(scope: number) {
    this.scope = scope;
  }

  /** Takes what will be the record; again replaces it. */
  take(data: unknown): void {
    if (this.state !== 'dropped') this.held = hold(data, this.scope);
  }

  /** The call ended well: what it took is a record now. */
  done(): void {
    if (this.state !== 'dropped') this.state = 'done';
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
