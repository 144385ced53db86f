// How much work reading one config may be, its bases included. Every step of evaluation, every item made by `*`, `+` or a slice
// and every value taken from a base costs one.
import { errorAt } from './node.ts';
import type { Origin } from './node.ts';

const maxWork = 3_000_000;
/** Items of one list, or characters of one string, that an operator may make. */
const maxItems = 100_000;

export class Budget {
  #left = maxWork;

  /** @throws {RetortError} when all is spent. */
  spend(cost: number, origin: Origin): void {
    this.#left -= cost;
    if (this.#left < 0)
      throw errorAt(origin, `this config takes more than ${maxWork.toLocaleString('en')} steps to read`);
  }

  /** For `count` items that an operator is about to make. @throws {RetortError} for more than 100,000 of them. */
  makeItems(count: number, origin: Origin): void {
    if (count > maxItems) {
      throw errorAt(
        origin,
        `the result has ${count.toLocaleString('en')} items; at most ${maxItems.toLocaleString('en')}`,
      );
    }
    this.spend(count, origin);
  }
}
