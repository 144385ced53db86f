// Be Your Own Teacher: the deepest part of a network teaches its shallower parts, and is not moved by them.
import { ConfigurableDistiller } from './configurable-distiller.ts';
import type { ConfigurableDistillerOptions } from './configurable-distiller.ts';

/**
 * A {@link ConfigurableDistiller} whose teacher records are constants: no gradient flows into what teaches, although it is a
 * part of the network that learns.
 *
 * Zhang et al.: Be Your Own Teacher, arXiv 1905.08094.
 */
export class BYOTDistiller extends ConfigurableDistiller {
  constructor(options: ConfigurableDistillerOptions = {}) {
    super({ ...options, detachTeacher: true });
  }
}
