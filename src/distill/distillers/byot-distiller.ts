// Be Your Own Teacher: the deepest part of a network teaches its shallower parts, and is not moved by them.
import { ConfigurableDistiller } from './configurable-distiller.ts';
import type { DistillerOptions, LossesByName } from './distiller-types.ts';

/**
 * A {@link ConfigurableDistiller} whose teacher records are constants: no gradient flows into what teaches, although it is a
 * part of the network that learns.
 *
 * Zhang et al.: Be Your Own Teacher, arXiv 1905.08094.
 */
export class BYOTDistiller<
  const S extends string = string,
  const T extends string = string,
  const K extends string = string,
  const L extends LossesByName = LossesByName,
> extends ConfigurableDistiller<S, T, K, L> {
  constructor(options: DistillerOptions<S, T, K, L> = {}) {
    super({ ...options, detachTeacher: true });
  }
}
