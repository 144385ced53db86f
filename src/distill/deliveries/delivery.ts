// What every delivery does: while the teacher runs, what its function or method returns is kept in a queue; while the student
// runs, the same function is not executed and the kept outputs are handed out, the oldest first.
// Kept tensors live in the scope in which the delivery began for the teacher, the training step as a rule.
import { z } from 'zod';

import { isThenable } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import type { TapTarget } from '../../intercept/taps.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { currentScope } from '../../torch/internal.ts';
import { makeSession, within } from '../session.ts';
import type { Session } from '../session.ts';
import { conditionOf } from '../held.ts';
import type { Held } from '../held.ts';
import { addressOptions } from '../sources.ts';
import { Kept } from './kept.ts';
import { overlay } from './overlay.ts';
import type { PartKey } from './overlay.ts';

const key = z.union([z.int(), z.string()]);
const own = {
  /** How many outputs may wait at once: how often the teacher calls the target in one step, at most. Default 1. */
  maxKeepData: z.int().positive().default(1),
  /** Outputs that the student did not ask for are dropped at the end of a step, instead of being an error. Default false. */
  allowRemainder: z.boolean().default(false),
  /**
   * Replaces only these elements of the result (positions in an array, keys of a plain object or Map): the student's own function
   * runs too. Default: the whole result is replaced, and the student's function does not run.
   */
  dataIdx: z.union([key, z.array(key).min(1).readonly()]).optional(),
  /** Hands out tensors outside the teacher's graph. Default true. */
  detach: z.boolean().default(true),
};

export interface DeliveryOptions extends OptionsFrom<typeof own> {}

/** The schema of a delivery's options, those of its address among them. */
export const deliverySchema = z.strictObject({ ...own, ...addressOptions });

/**
 * What every delivery does: while the teacher runs ({@link overrideData} false) what the target returns is kept in a queue, while the student
 * runs (true) the target is not executed and gets the kept outputs, the oldest first. Kept tensors live in the scope in which the delivery
 * began for the teacher, the training step as a rule.
 */
export abstract class DistillDelivery {
  /** False while the teacher runs, whose outputs are kept; true while the student runs, who gets them. */
  overrideData = false;
  readonly maxKeepData: number;
  readonly allowRemainder: boolean;
  readonly #target: TapTarget;
  readonly #keys: readonly PartKey[] | undefined;
  readonly #detach: boolean;
  /** What errors call it: its class and the address of its target. */
  readonly label: string;
  #queue: Kept[] = [];
  #pushed = 0;
  #taken = 0;
  #depth = 0;
  #tap: Disposable | undefined;
  /** @internal Told of each output that is kept. What it throws ends the call of the teacher, and those around it. */
  whenKept: (() => void) | undefined;

  constructor(target: TapTarget, options: DeliveryOptions = {}) {
    this.label = `${new.target.name}("${target.address}")`;
    const { maxKeepData, allowRemainder, dataIdx, detach } = checkOptions(deliverySchema, options, this.label);
    this.maxKeepData = maxKeepData;
    this.allowRemainder = allowRemainder;
    this.#target = target;
    this.#keys = dataIdx === undefined ? undefined : [dataIdx].flat();
    this.#detach = detach;
  }

  /** How many outputs wait. */
  get length(): number {
    return this.#queue.length;
  }

  /** @internal How many of the outputs that wait are there: of calls that have ended. */
  get ready(): number {
    return this.#queue.filter(({ held }) => held !== undefined).length;
  }

  /**
   * Keeps or hands out (see {@link overrideData}) until the returned session ends: `using session = delivery.deliver();`.
   * With a function, while it runs (if it is asynchronous, until its promise settles); returns its result.
   */
  deliver(): Session;
  deliver<T>(body: () => T): T;
  deliver<T>(body?: () => T): T | Session {
    const session = this.#begin();
    return body === undefined ? session : within(session, body);
  }

  #begin(): Session {
    if (this.#depth === 0) {
      const scope = currentScope();
      this.#tap = this.#target.tap(
        (_call, next) => (this.overrideData ? this.#handOut(next) : this.#keep(next, scope)),
        'replace',
      );
    }
    this.#depth++;
    return makeSession(() => {
      if (--this.#depth > 0) return;
      this.#tap?.[Symbol.dispose]();
      this.#tap = undefined;
    });
  }

  #keep(next: () => unknown, scope: number): unknown {
    if (this.#queue.length >= this.maxKeepData) {
      throw new RetortError(`${this.label}: the queue is full, ${this.#counts()}`, {
        code: 'invalid-state',
        help:
          this.#taken === 0 && this.#pushed === this.maxKeepData
            ? 'give maxKeepData as how often the teacher calls the target in one step'
            : 'the student takes fewer than the teacher keeps; end each step with endStep(), or clear() when it was abandoned',
      });
    }
    const kept = new Kept(scope, this.#detach, (one) => this.#remove(one));
    this.#queue.push(kept);
    this.#pushed++;
    const result = kept.keepResult(next);
    if (kept.held !== undefined) this.whenKept?.();
    return result;
  }

  #remove(kept: Kept): void {
    const at = this.#queue.indexOf(kept);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    this.#pushed--;
  }

  #handOut(next: () => unknown): unknown {
    const kept = this.#queue.shift();
    if (kept === undefined) {
      throw new RetortError(`${this.label}: the queue is empty, ${this.#counts()}`, {
        code: 'invalid-state',
        help: 'the student calls the target more often than the teacher did, or the teacher did not run with overrideData false',
      });
    }
    this.#taken++;
    const keys = this.#keys;
    if (keys === undefined) {
      kept.dropInner();
      return this.#when(kept, (held) => this.#intact(held));
    }
    const own = next();
    const merge = (mine: unknown, held: Held): unknown => overlay(mine, this.#intact(held), keys, this.label);
    if (!isThenable(own)) return this.#when(kept, (held) => merge(own, held));
    return Promise.resolve(own).then((mine: unknown) => this.#when(kept, (held) => merge(mine, held)));
  }

  /** What `take` makes of a kept output: at once or, where the teacher's call was asynchronous, a promise of it. */
  #when(kept: Kept, take: (held: Held) => unknown): unknown {
    if (kept.promise !== undefined) return kept.promise.then(take);
    if (kept.held !== undefined) return take(kept.held);
    throw new RetortError(`${this.label}: output ${this.#taken} is of a call of the teacher that is still running`, {
      code: 'invalid-state',
    });
  }

  #intact(held: Held): unknown {
    const condition = conditionOf(held);
    if (condition === 'intact') return held.data;
    const what =
      condition === 'freed'
        ? 'was freed with the scope in which it was kept'
        : 'was overwritten in place after it was kept';
    throw new RetortError(`${this.label}: output ${this.#taken} of the teacher ${what}`, {
      code: 'invalid-state',
      help:
        condition === 'freed'
          ? 'teacher and student run in one step (one scope); call clear() when a step was abandoned'
          : 'the teacher writes into what it returned: turn `inplace` off there, or return a copy',
    });
  }

  /**
   * Ends a step: the queue is cleared in any case.
   * @throws {RetortError} when outputs are left over and {@link DeliveryOptions.allowRemainder} is false.
   */
  endStep(): void {
    const left = this.#queue.length;
    const counts = this.#counts();
    this.clear();
    if (left === 0 || this.allowRemainder) return;
    throw new RetortError(
      `${this.label}: ${left} of the teacher's outputs were left over at the end of the step, ${counts}`,
      {
        code: 'invalid-state',
        help: 'the student calls the target less often than the teacher; with allowRemainder: true the rest is dropped',
      },
    );
  }

  /** Empties the queue, whatever is in it: for a step that was abandoned. */
  clear(): void {
    this.#queue = [];
    this.#pushed = 0;
    this.#taken = 0;
  }

  #counts(): string {
    return `${this.#pushed} kept and ${this.#taken} handed out in this step (maxKeepData ${this.maxKeepData})`;
  }
}
