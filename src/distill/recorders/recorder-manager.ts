// Several recorders by name, entered and left together.
import { didYouMean, RetortError } from '../../errors.ts';
import type { Module } from '../../nn/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { beginAll, within } from '../session.ts';
import type { Recorder, Recording } from './recorder.ts';
import { buildRecorder } from './registry.ts';

/** Recorders, or their configs, by name. */
export type RecorderConfigs = Readonly<Record<string, TypedConfig | Recorder>>;

/**
 * Several recorders by name, begun and ended together.
 *
 * @example
 * ```ts
 * const manager = new RecorderManager({ feat: { type: 'ModuleOutputs', source: 'backbone.layer4' } });
 * manager.initialize(model);
 * manager.record(() => model.forward(images));
 * const feat = manager.getRecorder('feat').getRecordData(); // (N, C, H, W)
 * ```
 */
export class RecorderManager {
  /** The recorders by name, in the order of the config. */
  readonly recorders: ReadonlyMap<string, Recorder>;

  constructor(recorders: RecorderConfigs = {}) {
    this.recorders = new Map(
      Object.entries(recorders).map(([name, config]) => [name, buildRecorder(config, `recorder "${name}"`)]),
    );
  }

  /** Finds every recorder's target in the model. Returns itself. */
  initialize(model?: Module): this {
    for (const recorder of this.recorders.values()) recorder.initialize(model);
    return this;
  }

  /** @throws {RetortError} when no recorder has this name. */
  getRecorder(name: string): Recorder {
    const found = this.recorders.get(name);
    if (found !== undefined) return found;
    throw new RetortError(`unknown recorder "${name}"; ${didYouMean(name, this.recorders.keys())}`, {
      code: 'unknown-name',
    });
  }

  /**
   * Records with all of them until the returned recording ends; with a function, while it runs (if it is asynchronous, until its
   * promise settles). When one cannot begin, those begun before are ended; they end in reverse.
   */
  record(): Recording;
  record<T>(body: () => T): T;
  record<T>(body?: () => T): T | Recording {
    const recording = beginAll([...this.recorders.values()].map((recorder) => () => recorder.record()));
    return body === undefined ? recording : within(recording, body);
  }

  /** Forgets all records: at the end of a step, so that nothing of it is referred to any more. */
  clear(): void {
    for (const recorder of this.recorders.values()) recorder.clear();
  }
}
