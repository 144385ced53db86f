// Several deliveries by name, entered and left together, all on the teacher's or all on the student's side.
import { didYouMean, RetortError } from '../../errors.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { beginAll, within } from '../session.ts';
import type { Session } from '../session.ts';
import type { DistillDelivery } from './delivery.ts';
import { buildDelivery } from './registry.ts';

/** Deliveries, or their configs, by name. */
export type DeliveryConfigs = Readonly<Record<string, TypedConfig | DistillDelivery>>;

/**
 * Several deliveries by name, begun and ended together, all on the teacher's or all on the student's side.
 *
 * @example
 * ```ts
 * const deliveries = new DistillDeliveryManager({
 *   targets: { type: 'MethodOutputs', source: { class: Head, method: 'getTargets' } },
 * });
 * deliveries.overrideData = false;
 * deliveries.deliver(() => teacher.forward(images));
 * deliveries.overrideData = true;
 * deliveries.deliver(() => student.forward(images)); // with the teacher's targets
 * deliveries.endStep();
 * ```
 */
export class DistillDeliveryManager {
  /** The deliveries by name, in the order of the config. */
  readonly deliveries: ReadonlyMap<string, DistillDelivery>;
  #overrideData = false;

  constructor(deliveries: DeliveryConfigs = {}) {
    this.deliveries = new Map(
      Object.entries(deliveries).map(([name, config]) => [name, buildDelivery(config, `delivery "${name}"`)]),
    );
  }

  get size(): number {
    return this.deliveries.size;
  }

  /** Set to all deliveries: false while the teacher runs, true while the student does. */
  get overrideData(): boolean {
    return this.#overrideData;
  }
  set overrideData(value: boolean) {
    this.#overrideData = value;
    for (const delivery of this.deliveries.values()) delivery.overrideData = value;
  }

  /** @throws {RetortError} when no delivery has this name. */
  getDelivery(name: string): DistillDelivery {
    const found = this.deliveries.get(name);
    if (found !== undefined) return found;
    throw new RetortError(`unknown delivery "${name}"; ${didYouMean(name, this.deliveries.keys())}`, {
      code: 'unknown-name',
    });
  }

  /**
   * Delivers with all of them until the returned session ends; with a function, while it runs (if it is asynchronous, until its
   * promise settles). When one cannot begin, those begun before are ended; they end in reverse.
   */
  deliver(): Session;
  deliver<T>(body: () => T): T;
  deliver<T>(body?: () => T): T | Session {
    const session = beginAll([...this.deliveries.values()].map((delivery) => () => delivery.deliver()));
    return body === undefined ? session : within(session, body);
  }

  /** Ends a step: every queue is cleared. @throws {RetortError} which lists the deliveries with something left over. */
  endStep(): void {
    const failures: string[] = [];
    let help: string | undefined;
    for (const [name, delivery] of this.deliveries) {
      try {
        delivery.endStep();
      } catch (error) {
        if (!(error instanceof RetortError)) throw error;
        failures.push(`delivery "${name}": ${error.what}`);
        help = error.help;
      }
    }
    if (failures.length > 0)
      throw new RetortError(failures.join('\n'), { code: 'invalid-state', ...(help === undefined ? {} : { help }) });
  }

  /** Empties all queues, whatever is in them: for a step that was abandoned. */
  clear(): void {
    for (const delivery of this.deliveries.values()) delivery.clear();
  }
}
