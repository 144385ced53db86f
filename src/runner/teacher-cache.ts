// What a config with `teacherCache` asks of the rest: the augmentation of its data, and to do without weights that nobody needs.
import { isPlain } from '../check.ts';
import type { CheckedConfig } from '../config/index.ts';
import type { DataLoaderOptions } from '../data/index.ts';
import { isCacheComplete } from '../distill/algorithms/index.ts';
import type { TeacherCacheOption } from '../distill/algorithms/index.ts';
import { exists } from '../files.ts';

/** The option of a config's algorithm. */
export function teacherCacheOf({ model }: Pick<CheckedConfig, 'model'>): TeacherCacheOption | undefined {
  return (model as { teacherCache?: TeacherCacheOption }).teacherCache;
}

/** How the training data is augmented: as the cache has it, where there is one. */
export function augmentationOf(
  config: Pick<CheckedConfig, 'model' | 'trainData'>,
): Pick<DataLoaderOptions, 'augmentSeed' | 'augmentViews'> {
  const cache = teacherCacheOf(config);
  const { augmentSeed = cache?.seed ?? (cache && 0), augmentViews = cache?.views } = config.trainData;
  return {
    ...(augmentSeed === undefined ? {} : { augmentSeed }),
    ...(augmentViews === undefined ? {} : { augmentViews }),
  };
}

/**
 * The algorithm of a config, without teachers' files of weights that are not there, where its cache has all that the teachers give.
 * @returns `missing`: the modules whose weights are not there
 */
export function withoutMissingTeacher(config: CheckedConfig): { model: CheckedConfig['model']; missing: string[] } {
  const { model, epochs } = config;
  const cache = teacherCacheOf(config);
  if (cache === undefined || cache.weights === false) return { model, missing: [] };
  const { teacher, teachers, teacherCkpt } = model as Record<string, unknown>;
  const missing: string[] = [];
  const without = (name: string, value: unknown): unknown => {
    const found = withoutMissing(value);
    if (found !== value) missing.push(name);
    return found;
  };
  const changed = {
    ...(teacher === undefined ? {} : { teacher: without('teacher', teacher) }),
    ...(isPlain(teachers)
      ? {
          teachers: Object.fromEntries(
            Object.entries(teachers).map(([name, one]) => [name, without(`teachers.${name}`, one)]),
          ),
        }
      : {}),
  };
  const noFile = isMissing(teacherCkpt);
  if (noFile && !missing.includes('teacher')) missing.push('teacher');
  if (missing.length === 0 || !isCacheComplete(cache, epochs)) return { model, missing: [] };
  const own = { ...model, ...changed, teacherCache: { ...cache, weights: false } };
  if (noFile) delete (own as { teacherCkpt?: unknown }).teacherCkpt;
  return { model: own, missing };
}

/** A network's config without what names a file of weights that is not there: `ckptPath`, `pretrained`, `initCfg`. */
function withoutMissing(value: unknown): unknown {
  if (!isPlain(value)) return value;
  const entries = Object.entries(value).flatMap(([key, one]): [string, unknown][] => {
    const file = key === 'initCfg' && isPlain(one) ? one['checkpoint'] : one;
    if (['ckptPath', 'pretrained', 'initCfg'].includes(key) && isMissing(file)) return [];
    return [[key, withoutMissing(one)]];
  });
  const same = entries.length === Object.keys(value).length && entries.every(([key, one]) => one === value[key]);
  return same ? value : Object.fromEntries(entries);
}

const isMissing = (file: unknown): boolean => typeof file === 'string' && file !== '' && !exists(file);
