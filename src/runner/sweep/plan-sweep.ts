// The whole plan of a sweep: its runs, with the teacher caches that cells share where their methods allow it.
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';

import { isPlain } from '../../check.ts';
import { isFor } from '../../config/index.ts';
import { RetortError } from '../../errors.ts';
import { check } from '../check.ts';
import { groupKey } from './baseline.ts';
import { cellOf, lookedAt, planCell, planRuns, portable } from './plan.ts';
import type { PlanContext, PlannedRun, PlanOptions, SweepPlan, SweepSource } from './plan.ts';

/**
 * The plan of a sweep, with the config of every cell merged and checked as far as it is written.
 * @throws {ConfigError} with all that is wrong, each mistake once, with the cells that have it.
 */
export async function planSweep(sweep: SweepSource, options: PlanOptions = {}): Promise<SweepPlan> {
  const plan = await planRuns(sweep, options);
  if (plan.loaded.cache === undefined) return plan;
  const shared = new SharedCaches(plan);
  const cells: PlannedRun[] = [];
  for (const run of plan.cells) cells.push(await shared.of(run));
  return { ...plan, cells };
}

/** Teacher caches that cells share: those whose teacher, recorders and training data are the same have one folder. */
class SharedCaches {
  readonly #context: PlanContext;
  /** Why cells that differ in their seeds alone cannot have one; `''` where they can. */
  readonly #known = new Map<string, string>();

  constructor(context: PlanContext) {
    this.#context = context;
  }

  /** The run with its cache, where the sweep wants one and its method allows it. */
  async of(run: PlannedRun): Promise<PlannedRun> {
    const { loaded, folder } = this.#context;
    const { cache } = loaded;
    if (cache === undefined) return run;
    const key = groupKey(run.values);
    const cell = cellOf(this.#context, run);
    const { model, trainData, stages } = await loaded.plain(cell);
    const { teacher, teachers, teacherCache, distiller } = (model ?? {}) as Record<string, unknown>;
    const without = (plain: string): PlannedRun => ({ ...run, plain });
    if (stages !== undefined) return without('it has several stages');
    if ((teacher ?? teachers) === undefined) return without('it has no teacher');
    if (!isFor(cache, run)) return without('the sweep keeps it out of the cache');
    if (teacherCache !== undefined) return without('it has a cache of its own');
    const recorders = isPlain(distiller) ? distiller['teacherRecorders'] : undefined;
    const { batchSize: _, ...data } = isPlain(trainData) ? trainData : {};
    const own: Readonly<Record<string, unknown>> = run.experiment.stages[0]!.config.model; // with the weights of the sweep's teachers
    const taught = [teacher, own['teachers'], own['teacherCkpt'], run.after];
    const shared = portable(this.#context, JSON.stringify([taught, recorders, data, cache.views]));
    const name = createHash('sha256').update(shared).digest('hex').slice(0, 12);
    const value = { dir: resolve(folder, 'cache', name), ...(cache.views === undefined ? {} : { views: cache.views }) };
    const cached = (): Promise<PlannedRun> =>
      planCell(this.#context, cell, { changes: [{ path: ['model', 'teacherCache'], value }], plain: '' });
    let why = this.#known.get(key);
    if (why === undefined) {
      why = (await this.#refused(run, cached)) ?? '';
      this.#known.set(key, why);
    }
    return why === '' ? cached() : without(why);
  }

  /** Why a run cannot have the cache. What is wrong with it anyway is said elsewhere. */
  async #refused(run: PlannedRun, cached: () => Promise<PlannedRun>): Promise<string | undefined> {
    const { trainData } = run.experiment.stages[0]!.config;
    const lists = [trainData.transforms, trainData.studentTransforms, ...Object.values(trainData.views ?? {})];
    const mixing = lists.flatMap((list) => list ?? []).find(({ type }) => type === 'Mixup' || type === 'CutMix');
    if (mixing !== undefined) return `${mixing.type} mixes samples`;
    const looked = async (one: PlannedRun): Promise<string | undefined> =>
      (await check(await lookedAt(this.#context, one))).error?.what.split('\n')[0];
    try {
      const [error, plainly] = [await looked(await cached()), await looked(run)];
      return plainly === undefined ? error : undefined;
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      return error.what.split('\n').at(-1)!.trim();
    }
  }
}
