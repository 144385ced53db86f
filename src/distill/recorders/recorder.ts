// What every recorder does: attach to its target while recording, collect one record a call, hand records out.
// A record is what the target produced, by reference. It lives in the scope in which recording began, so that what a training
// step records is freed when the step ends; recorded outside any scope, it lives until the garbage collector finds it unused.
import { RetortError } from '../../errors.ts';
import type { Module } from '../../nn/index.ts';
import { callOperator, currentScope, moveToScope, tensorsIn } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** A recording under way; ending it (`using`, or `end()`) detaches the recorder and leaves the records readable. */
export interface Recording extends Disposable {
  end(): void;
}

interface Record {
  data: unknown;
  /** The version counter of each tensor when it was recorded: it moves when someone writes into the tensor. */
  versions: [Tensor, unknown][];
}

export abstract class Recorder {
  /** What is recorded: a module's path, `''` for the whole model. */
  readonly source: string;
  #records: Record[] = [];
  #initialized = false;
  #depth = 0;

  constructor(source: string) {
    if (typeof source !== 'string') {
      throw new RetortError(`${new.target.name}: source must be a string, got ${String(source)}`, {
        help: "name what to record, such as 'backbone.layer4.1.conv2'",
      });
    }
    this.source = source;
  }

  /** How errors call this recorder. */
  get label(): string {
    return `${this.constructor.name}("${this.source}")`;
  }

  /** Finds the target. @throws {RetortError} when the model has none of this name (with the nearest names). Returns itself. */
  initialize(model: Module): this {
    this.prepare(model);
    this.#initialized = true;
    return this;
  }

  protected abstract prepare(model: Module): void;
  /** Attaches to the target; what it returns detaches. `add` takes one record. */
  protected abstract attach(add: (data: unknown) => void): Disposable;

  /**
   * Forgets earlier records and records until the returned recording ends: `using recording = recorder.record();`.
   * With a function, records while it runs and returns its result.
   * @throws {RetortError} before {@link initialize}.
   */
  record(): Recording;
  record<T>(body: () => T): T;
  record<T>(body?: () => T): T | Recording {
    const recording = this.#begin();
    if (body === undefined) return recording;
    try {
      return body();
    } finally {
      recording.end();
    }
  }

  #begin(): Recording {
    if (!this.#initialized) {
      throw new RetortError(`${this.label} was not initialised`, {
        help: 'call initialize(model) first; a RecorderManager does it for its recorders',
      });
    }
    // Re-entered, it goes on recording into the same buffer: the inner block's records are the outer one's too.
    if (this.#depth === 0) this.#records = [];
    const scope = currentScope();
    const tap = this.#depth === 0 ? this.attach((data) => this.#add(data, scope)) : undefined;
    this.#depth++;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#depth--;
      tap?.[Symbol.dispose]();
    };
    return { end, [Symbol.dispose]: end };
  }

  #add(data: unknown, scope: number): void {
    const versions: [Tensor, unknown][] = [];
    for (const tensor of tensorsIn(data)) {
      moveToScope(tensor, scope);
      versions.push([tensor, callOperator('_version', [tensor])]);
    }
    this.#records.push({ data, versions });
  }

  /** How many records there are. */
  get length(): number {
    return this.#records.length;
  }

  /** Forgets all records. */
  clear(): void {
    this.#records = [];
  }

  /**
   * One record, or one part of it.
   * @param recordIdx which call, in the order of calls; negative counts from the end. Default 0.
   * @param dataIdx which part of a record that is an array; negative counts from the end. Default: all of it.
   * @throws {RetortError} when there is no such record or part, or when it was overwritten in place since.
   */
  getRecordData(recordIdx = 0, dataIdx?: number): unknown {
    const record = this.#records.at(recordIdx);
    if (record === undefined) {
      const count = this.#records.length;
      throw new RetortError(`${this.label}: recordIdx ${recordIdx} does not exist, there are ${count} records`, {
        help:
          count === 0
            ? 'the target was not called while recording: is it on the way of this forward?'
            : `use 0 to ${count - 1}, or -1 for the last`,
      });
    }
    for (const [tensor, version] of record.versions) {
      if (!tensor.isDisposed && callOperator('_version', [tensor]) !== version) {
        throw new RetortError(`${this.label}: record ${recordIdx} was overwritten in place after it was recorded`, {
          help: 'set `inplace` to false on the activation that follows, or record that one',
        });
      }
    }
    if (dataIdx === undefined) return record.data;
    if (!Array.isArray(record.data)) {
      throw new RetortError(`${this.label}: dataIdx ${dataIdx} asks for a part, but the record is no array`, {
        help: 'leave dataIdx out',
      });
    }
    const parts: readonly unknown[] = record.data;
    if (dataIdx >= parts.length || dataIdx < -parts.length) {
      throw new RetortError(`${this.label}: dataIdx ${dataIdx} does not exist, the record has ${parts.length} parts`);
    }
    return parts.at(dataIdx);
  }
}
