// What is asked of a teacher cache, the option, and what one says of itself, in the `cache.json` of its folder: of which teachers, recorders and transforms its rows are, and how
// they are laid out. Compared with what is asked for, and shown by `retort cache info`.
import { createHash } from 'node:crypto';

import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { RowStore } from '../../formats/index.ts';
import type { Column } from '../../formats/index.ts';
import type { Network } from '../../nn/index.ts';
import { pathTo } from '../../registry/index.ts';
import { tensorsIn } from '../../torch/index.ts';
import { columnOf, partsOf, recordLayout, shownFormat, storedFormat } from './stored-records.ts';
import type { Part, RecordLayout, StoredFormat } from './stored-records.ts';

/** The schema of the option. */
export const teacherCacheOption = z.strictObject({
  /** The folder, which is made; a relative path begins at the config. Runs, seeds and recipes with the same teacher and data share it. */
  dir: pathTo('new-folder'),
  /**
   * So many augmentations of each sample, seen one after the other over epochs: from epoch `views` on the teacher is not run any more.
   * Default: each epoch has its own, and a run finds those that a run before stored.
   */
  views: z.number().int().min(1).exactOptional(),
  /** Seed of the augmentation, whatever the run's own seed is. Default 0. */
  seed: z.number().int().min(0).default(0),
  /**
   * How records are stored: `'float32'`, `'float16'`, `'int8'` (a scale for each channel), or `{ topk: k }` for scores `(N, K)` (the share of
   * all others is spread evenly among them). Default: scores and other `(N, K)` as float32, what is larger as float16.
   */
  format: storedFormat.exactOptional(),
  /** The same for single recorders, by name. */
  formats: z.record(z.string(), storedFormat).default({}),
  /**
   * Whether the teacher's weights are here. False: all comes from the cache, and what it lacks is an error. Configs find that out by
   * themselves, where the cache is complete and the teacher's checkpoint is not there. Default true.
   */
  weights: z.boolean().default(true),
});
/** Where and how what a teacher gives is kept. */
export type TeacherCacheOption = z.input<typeof teacherCacheOption>;

/** So many numbers of what a teacher was shown are kept of each sample. */
export const probes = 16;

const count = z.number().int().min(0);
const aboutSchema = z.object({
  /** SHA-256 of the weights, by the teacher's name. */
  teachers: z.record(z.string(), z.string()),
  /** Names and sources. */
  recorders: z.array(z.string()),
  /** What is done to what a teacher sees, a line for each transform. */
  preparation: z.record(z.string(), z.array(z.string()).readonly()),
  /** How many samples the data set has. */
  samples: count.max(2 ** 28),
  seed: count,
  views: count.min(1).nullable(),
  layout: recordLayout,
});
/** What a store says of itself: all that what is in it depends on. */
export type About = z.output<typeof aboutSchema>;
/** What is asked for. */
export type WantedCache = Omit<About, 'layout'>;

/** @throws {RetortError} `invalid-file` for a store of something else. */
export function aboutOf({ folder, about, columns }: RowStore): About {
  const found = aboutSchema.safeParse(about);
  const fits = found.success && JSON.stringify(columnsIn(found.data)) === JSON.stringify(columns);
  if (fits) return found.data;
  throw new RetortError(`teacherCache: ${folder} holds rows that are not of a teacher`, {
    code: 'invalid-file',
    help: 'choose another dir',
  });
}

const columnsIn = ({ layout, preparation }: About): Column[] => columnsOf(layout, Object.keys(preparation));

/** What of each sample is in a row: its records, and some numbers of what each teacher was shown. */
export function columnsOf(layout: RecordLayout, teachers: readonly string[]): Column[] {
  return [...partsOf(layout), ...probeParts(teachers)].map(columnOf);
}

export function probeParts(teachers: readonly string[]): Part[] {
  return teachers.map((name) => ({ name: `seen.${name}`, dtype: 'float16', shape: [probes] }));
}

/** What differs between a store and what is asked for, in words. */
export function differencesOf(
  there: About,
  wanted: WantedCache,
  formatOf: (recorder: string, dimensions: number) => StoredFormat,
): string[] {
  const found: string[] = [];
  const compare = (what: string, one: unknown, other: unknown): void => {
    if (JSON.stringify(one) !== JSON.stringify(other))
      found.push(`${what}: ${shown(one)} there, ${shown(other)} asked for`);
  };
  compare('views', there.views, wanted.views);
  compare('seed', there.seed, wanted.seed);
  compare('samples of the data set', there.samples, wanted.samples);
  compare('recorders', there.recorders, wanted.recorders);
  for (const [name, hash] of Object.entries(wanted.teachers)) {
    compare(`weights of ${name}`, there.teachers[name]?.slice(0, 12), hash.slice(0, 12));
  }
  compare('teachers', Object.keys(there.preparation), Object.keys(wanted.preparation));
  for (const [name, list] of Object.entries(wanted.preparation)) {
    const others = there.preparation[name] ?? [];
    for (let i = 0; i < Math.max(list.length, others.length); i++) {
      compare(`transform ${i + 1} of what ${name} sees`, others[i], list[i]);
    }
  }
  for (const { recorder, format, shape } of there.layout.fields) {
    if (format !== 'raw') compare(`format of ${recorder}`, format, formatOf(recorder, shape.length + 1));
  }
  return found;
}

const shown = (value: unknown): string =>
  value === undefined || value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);

/** Whether a cache has all that training so many epochs asks for, as far as its folder says. @throws {RetortError} for a damaged one. */
export function isCacheComplete({ dir, views }: Pick<TeacherCacheOption, 'dir' | 'views'>, epochs: number): boolean {
  if (!RowStore.isAt(dir)) return false;
  const store = RowStore.open(dir);
  const { samples } = aboutOf(store);
  return Array.from({ length: views ?? epochs }, (_, view) => store.countOf(view)).every((found) => found === samples);
}

/** What a cache is of, and what it has. */
export interface CacheInfo {
  readonly dir: string;
  /** SHA-256 of the weights, by the teacher's name. */
  readonly teachers: Readonly<Record<string, string>>;
  /** Names and sources, such as `fc: ModuleOutputsRecorder("head.fc")`. */
  readonly recorders: readonly string[];
  /** What is done to what each teacher sees, a line for each transform. */
  readonly transforms: Readonly<Record<string, readonly string[]>>;
  /** Seed of the augmentation. */
  readonly seed: number;
  /** How many samples the data set has. */
  readonly samples: number;
  /** How many augmentations of each are stored; null where each epoch has its own. */
  readonly views: number | null;
  /** What is stored of each sample: shapes without the samples, and formats such as `float16`. */
  readonly records: readonly {
    readonly recorder: string;
    readonly shape: readonly number[];
    readonly format: string;
  }[];
  /** How many samples there are of each view (or epoch, counted from 0). */
  readonly rows: Readonly<Record<number, number>>;
  /** Whether all views have all samples; undefined where each epoch has its own. */
  readonly complete: boolean | undefined;
  /** Bytes of a row. */
  readonly rowBytes: number;
  /** Bytes on the disk. */
  readonly bytes: number;
}

/** What is in a folder. @throws {RetortError} where it is no teacher cache, or damaged. */
export function cacheInfo(dir: string, store: RowStore = RowStore.open(dir)): CacheInfo {
  const { teachers, recorders, preparation, seed, samples, views, layout } = aboutOf(store);
  const rows = Object.fromEntries(store.views.map((view) => [view, store.countOf(view)]));
  const all = views === null ? undefined : Array.from({ length: views }, (_, view) => rows[view] ?? 0);
  return {
    ...{ dir, teachers, recorders, transforms: preparation, seed, samples, views, rows },
    records: layout.fields.map(({ recorder, rows: first, shape, format }) => ({
      recorder,
      shape: first === 1 ? shape : [first, ...shape],
      format: shownFormat(format),
    })),
    complete: all?.every((found) => found === samples),
    rowBytes: store.rowBytes,
    bytes: store.bytes,
  };
}

/** SHA-256 of a network's weights and buffers, by name. */
export function hashOf(network: Network): string {
  const hash = createHash('sha256');
  for (const [name, value] of Object.entries(network.stateDict())) {
    for (const one of tensorsIn(value)) hash.update(`${name} ${one.dtype} ${one.shape.join()}\n`).update(one.bytes());
  }
  return hash.digest('hex');
}
