// What every recorder does: attach to its target while recording, collect one record a call, hand records out.
// A record is what the target took or gave, by reference. Its tensors live in the scope in which recording began: what a training
// step records is freed when the step ends, whatever the recorder still refers to. Recorded outside any scope they live until the
// next recording or `clear()`.
import { didYouMean, RetortError } from '../../errors.ts';
import type { MethodReference } from '../../intercept/taps.ts';
import type { Module, Parameter } from '../../nn/index.ts';
import { isPlain } from '../../check.ts';
import { currentScope } from '../../torch/internal.ts';
import { makeSession, within } from '../session.ts';
import type { Session } from '../session.ts';
import { conditionOf } from '../held.ts';
import type { Held } from '../held.ts';
import { Call } from './call.ts';

/** A recording under way; ending it (`using`, or `end()`) detaches the recorder and leaves the records readable. */
export type Recording = Session;

/** What is recorded: a name, or the thing itself. */
export type RecorderSource = string | Module | Parameter | MethodReference | ((...args: never[]) => unknown);

/**
 * What every recorder does: it attaches to its target while recording, takes one record a call, and hands records out. A record is what the
 * target took or returned, by reference. Its tensors live in the scope in which recording began: what a training step records is freed when
 * the step ends. Recorded outside any scope they live until the next recording or {@link clear}.
 */
export abstract class Recorder {
  readonly source: RecorderSource;
  /** How errors call this recorder, such as `ModuleOutputsRecorder("conv1")`. */
  readonly label: string;
  /** The records (and calls that may become some), in the order in which the calls began. */
  #calls: Call[] = [];
  /** Why there are no records, as far as the recorder itself knows. */
  #empty: 'never recorded' | 'not called' | 'cleared' = 'never recorded';
  #initialized = false;
  #depth = 0;
  #tap: Disposable | undefined;
  /** @internal Told of each record, when it is one. What it throws ends the call that was recorded, and those around it. */
  whenRecorded: (() => void) | undefined;

  constructor(source: RecorderSource, label: string) {
    this.source = source;
    this.label = label;
  }

  /**
   * Finds the target; again finds it again. Functions and methods need no model.
   * @throws {RetortError} when nothing has this name (with the nearest names), or while recording. Returns itself.
   */
  initialize(model?: Module): this {
    if (this.#depth > 0) {
      throw new RetortError(`${this.label}.initialize: it is recording`, {
        code: 'invalid-state',
        help: 'end the recording first',
      });
    }
    this.prepare(model);
    this.#initialized = true;
    return this;
  }

  /** Finds the target. */
  protected abstract prepare(model: Module | undefined): void;
  /** Attaches to the target; what it returns detaches. `begin` is to be called at the start of each call. */
  protected abstract attach(begin: () => Call): Disposable;

  /**
   * Forgets earlier records and records until the returned recording ends: `using recording = recorder.record();`.
   * With a function, records while it runs (if it is asynchronous, until its promise settles) and returns its result.
   * Inside itself it goes on with the same records.
   * @throws {RetortError} before {@link initialize}.
   */
  record(): Recording;
  record<T>(body: () => T): T;
  record<T>(body?: () => T): T | Recording {
    const recording = this.#begin();
    return body === undefined ? recording : within(recording, body);
  }

  #begin(): Recording {
    if (!this.#initialized) {
      throw new RetortError(`${this.label} was not initialized`, {
        code: 'invalid-state',
        help: 'call initialize(model) first; a RecorderManager does it for its recorders',
      });
    }
    if (this.#depth === 0) {
      this.forget();
      this.#empty = 'not called';
      const scope = currentScope();
      this.#tap = this.attach(() => {
        const call = new Call(scope, () => this.whenRecorded?.());
        this.#calls.push(call);
        return call;
      });
    }
    this.#depth++;
    return makeSession(() => {
      if (--this.#depth > 0) return;
      this.#calls = this.#records(); // what still runs has thrown
      this.#tap?.[Symbol.dispose]();
      this.#tap = undefined;
    });
  }

  /** How many records there are. */
  get length(): number {
    return this.#records().length;
  }

  #records(): Call[] {
    return this.#calls.filter(({ state }) => state === 'done' || state === 'waiting');
  }

  /** Forgets all records, at the end of a step for example: nothing of them is referred to any more. */
  clear(): void {
    if (this.#calls.length > 0) this.#empty = 'cleared';
    this.forget();
  }

  /** Drops the records. */
  protected forget(): void {
    for (const call of this.#calls) call.drop();
    this.#calls = [];
  }

  /** @internal Puts other values in place of those recorded, such as wider ones; those that were overwritten since stay. */
  changeRecords(change: (leaf: unknown) => unknown): void {
    for (const call of this.#records()) call.change(change);
  }

  /** @internal Makes `data` the records, as if calls of now had left them: they live in the scope of the caller. */
  replay(data: readonly unknown[]): void {
    this.forget();
    this.#empty = 'not called';
    this.#calls = data.map((item) => {
      const call = new Call(currentScope());
      call.take(item);
      call.done();
      return call;
    });
  }

  /** Makes `data` the records, outside of any recording. */
  protected fill(data: readonly unknown[]): void {
    this.#calls = data.map((item) => {
      const call = new Call(0);
      call.held = { data: item, versions: new Map() };
      call.done();
      return call;
    });
  }

  /** @internal The modules and parameters that it looks at, as far as it has found them; none of functions and methods. */
  get targets(): readonly (Module | Parameter)[] {
    return [];
  }

  /** What is handed out of what was taken: usually the same. */
  protected resolve(held: Held): Held {
    return held;
  }

  /** Why the target was not called, when that can be told. */
  protected whyNotCalled(): string | undefined {
    return undefined;
  }

  /**
   * One record, or one part of it.
   * @param recordIdx which call, in the order in which they began; negative counts from the end. Default 0.
   * @param dataIdx which part: a position in an array (negative counts from the end), a key of a plain object or a Map.
   *   Default: all of it.
   * @throws {RetortError} when there is no such record or part, when it is not there yet (an asynchronous call), when its scope
   *   has ended, or when it was overwritten in place since.
   */
  getRecordData(recordIdx = 0, dataIdx?: number | string): unknown {
    const records = this.#records();
    const record = Number.isInteger(recordIdx) ? records.at(recordIdx) : undefined;
    if (record === undefined) {
      const count = records.length;
      throw new RetortError(
        `${this.label}: recordIdx ${recordIdx} does not exist, there ${count === 1 ? 'is' : 'are'} ${counted(count, 'record')}`,
        {
          code: count === 0 ? 'invalid-state' : 'invalid-argument',
          help: count === 0 ? this.#whyEmpty() : `use 0 to ${count - 1}, or -1 for the last`,
        },
      );
    }
    if (record.held === undefined || record.state !== 'done') {
      throw new RetortError(`${this.label}: record ${recordIdx} is of an asynchronous call that has not ended`, {
        code: 'invalid-state',
        help: 'await the call before reading the record',
      });
    }
    const held = this.resolve(record.held);
    const data = dataIdx === undefined ? held.data : partOf(held.data, dataIdx, this.label);
    const condition = conditionOf(held, data);
    if (condition === 'freed') {
      throw new RetortError(`${this.label}: record ${recordIdx} was freed with the scope in which recording began`, {
        code: 'invalid-state',
        help: 'read records before that scope (a training step, tidy, the forward of a module) ends, or begin recording outside of it',
      });
    }
    if (condition === 'overwritten') {
      throw new RetortError(`${this.label}: record ${recordIdx} was overwritten in place after it was recorded`, {
        code: 'invalid-state',
        help: 'set `inplace` to false on the activation that follows, or record that one',
      });
    }
    return data;
  }

  #whyEmpty(): string {
    if (this.#empty === 'never recorded') return 'nothing was recorded yet: run the forward inside record()';
    if (this.#empty === 'cleared') return 'they were cleared: read them before clear(), which ends a step';
    return this.whyNotCalled() ?? 'the target was not called while recording: does this forward call it?';
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * One part of a record: an element of an array, a value of a plain object or of a Map.
 * @throws {RetortError} which names `asker`, what the record is and which parts it has.
 */
function partOf(data: unknown, key: number | string, asker: string): unknown {
  const asked = `${asker}: dataIdx ${JSON.stringify(key)}`;
  if (Array.isArray(data)) {
    const parts: readonly unknown[] = data;
    if (typeof key === 'number' && Number.isInteger(key) && key < parts.length && key >= -parts.length) {
      return parts.at(key);
    }
    throw new RetortError(`${asked} does not exist, the record is an array of ${parts.length}`, {
      help: parts.length === 0 ? 'leave dataIdx out' : `use 0 to ${parts.length - 1}, or -1 for the last`,
    });
  }
  const entries = data instanceof Map ? data : isPlain(data) ? new Map(Object.entries(data)) : undefined;
  if (entries === undefined) {
    throw new RetortError(`${asked} asks for a part, but the record is ${nameOf(data)}, which has none`, {
      help: 'leave dataIdx out',
    });
  }
  const name = data instanceof Map ? key : String(key);
  if (entries.has(name)) return entries.get(name);
  const keys = Array.from(entries.keys(), String);
  throw new RetortError(`${asked} does not exist; ${didYouMean(String(key), keys)}`, { code: 'unknown-name' });
}

function nameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return `a ${value.constructor.name}`;
}
