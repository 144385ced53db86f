// What a frozen teacher gives of a sample is always the same, so it is computed once: what its recorders took is kept on disk by
// sample and augmentation, and read in place of running the teacher. What is kept is checked against what is asked for: by description
// (weights, recorders, transforms), by what the teacher was shown, and by running it on two samples, where it is there.
import { bytesInWords } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import { freeBytes } from '../../files.ts';
import { RowStore } from '../../formats/index.ts';
import type { RowPlace } from '../../formats/index.ts';
import { firstSamples, integers, samplesAt } from '../../nn/index.ts';
import type { BatchOrigin, Inputs, LearnedBatch, Module, Network } from '../../nn/index.ts';
import { noGrad, Tensor, tidy, withoutAutocast } from '../../torch/index.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';
import { ModuleGradientsRecorder, ParameterRecorder } from '../recorders/index.ts';
import type { Recorder } from '../recorders/index.ts';
import { aboutOf, columnsOf, differencesOf, hashOf, probeParts, probes } from './cache-about.ts';
import type { About, TeacherCacheOption, WantedCache } from './cache-about.ts';
import {
  comparable,
  decoded,
  encoded,
  gathered,
  layoutOf,
  partsOf,
  recordsOf,
  requireHeld,
  requireSameLayout,
  shownFormat,
} from './stored-records.ts';
import type { RecordLayout, Records, StoredFormat } from './stored-records.ts';
import { distance, percent } from './teacher-trials.ts';
import { undisturbed } from './undisturbed.ts';

/** What a {@link TeacherCache} is made for. */
export interface TeacherCacheParts {
  option: TeacherCacheOption;
  distiller: ConfigurableDistiller;
  /** By name, as views of batches call them. */
  teachers: Readonly<Record<string, Network>>;
  /** Runs the teachers inside their recorders. */
  run: (batch: LearnedBatch) => void;
  /** The algorithm. */
  root: Module;
}

/** How far what the teacher was shown may be from it: float16, and resizing on another processor. */
const sameInputs = 0.02;
/** How far records may be from what the teacher gives now, in parts of their size. */
const sameRecords = 0.03;

/** See the head of this file. @internal */
export class TeacherCache {
  readonly #parts: TeacherCacheParts;
  #store: RowStore | undefined;
  /** What is asked for, without the layout. */
  #wanted: WantedCache | undefined;
  /** What the store says of itself. */
  #about: About | undefined;
  #checked = false;
  /** While teachers are run without looking at the cache. */
  #bypassed = false;
  /** Whether it was said that something is not finite. */
  #saidInfinite = false;
  /** Why nothing is stored any more. */
  #full: string | undefined;
  #notes: string[] = [];

  /** @throws {RetortError} where what is recorded cannot be kept. */
  constructor(parts: TeacherCacheParts) {
    this.#parts = parts;
    const { distiller, option } = parts;
    const refuse = (why: string, help: string): never => {
      throw new RetortError(`teacherCache: ${why}`, { code: 'unsupported', help });
    };
    if (distiller.deliveries.size > 0) {
      refuse('what is delivered to the student is not kept', 'leave distillDeliveries or teacherCache out');
    }
    const recorders = distiller.teacherRecorders.recorders;
    for (const [name, recorder] of recorders) {
      if (recorder instanceof ModuleGradientsRecorder) {
        refuse(`recorder "${name}" takes gradients, which depend on the student`, 'leave it or teacherCache out');
      }
      if (recorder instanceof ParameterRecorder && !this.hasWeights) {
        refuse(`recorder "${name}" takes a weight of the teacher, and its weights are not here`, 'name its checkpoint');
      }
    }
    const unknown = Object.keys(option.formats ?? {}).find((name) => !recorders.has(name));
    if (unknown !== undefined) {
      throw new RetortError(`teacherCache: formats: there is no teacher recorder "${unknown}"`, {
        code: 'unknown-name',
        help: `there ${recorders.size === 1 ? 'is' : 'are'} ${[...recorders.keys()].join(', ')}`,
      });
    }
  }

  /** Whether the weights of the teachers are here. */
  get hasWeights(): boolean {
    return this.#parts.option.weights ?? true;
  }

  /** Lines to be printed, since they were asked for last. */
  notes(): string[] {
    return this.#notes.splice(0);
  }

  /**
   * Whether all of a batch is kept, so that the teacher is not run.
   * @throws {RetortError} as {@link pass} does for a batch or a cache that is not what is asked for.
   */
  holds(batch: LearnedBatch): boolean {
    return batch.origin !== undefined && !this.#find(this.#origin(batch)).includes(undefined);
  }

  /** Those samples that are not kept of the view of a batch, out of all. @throws {RetortError} as {@link pass} does. */
  lacks(batch: LearnedBatch): number[] {
    const origin = this.#origin(batch);
    const all = Array.from({ length: origin.length }, (_, sample) => sample);
    const places = this.#find({ ...origin, samples: all });
    return all.filter((sample) => places[sample] === undefined);
  }

  /** Runs teachers in `body` as if there was no cache. */
  bypassed<T>(body: () => T): T {
    const before = this.#bypassed;
    this.#bypassed = true;
    try {
      return body();
    } finally {
      this.#bypassed = before;
    }
  }

  /** Looks whether the cache is what is asked for, as far as it has a batch. Writes nothing. @throws {RetortError} where it is not. */
  look(batch: LearnedBatch): void {
    if (batch.origin === undefined) return;
    const origin = this.#origin(batch);
    const places = this.#find(origin);
    if (!places.includes(undefined))
      withoutAutocast(() => this.#replay(batch, { origin, places: places as RowPlace[] }));
  }

  /** Runs the teachers on a batch and stores what they give, as far as it is not there. @throws {RetortError} where it cannot be stored. */
  fill(batch: LearnedBatch): void {
    withoutAutocast(() => {
      const places = this.#find(this.#origin(batch));
      const missing = places.flatMap((place, i) => (place === undefined ? [i] : []));
      if (missing.length > 0) this.#compute(missing.length === places.length ? batch : samplesAt(batch, missing));
    });
    if (this.#full === undefined) return;
    throw new RetortError(`teacherCache: ${this.#full}`, {
      code: 'file-system',
      help: 'what is stored stays: call this again',
    });
  }

  /** Says that nothing more is stored by this process, until it is: so that others may tidy up. */
  close(): void {
    try {
      this.#store?.close();
    } catch (error) {
      // A full disk, or a folder that is gone: others wait until this process has ended.
      if (!(error instanceof RetortError)) throw error;
    }
  }

  /**
   * Gives recorders their records of a batch: from the store and, of samples that it lacks, by running the teachers: in float32,
   * whatever the run computes in, so that all runs find the same.
   */
  pass(batch: LearnedBatch): void {
    if (this.#bypassed) this.#parts.run(batch);
    else withoutAutocast(() => this.#pass(batch));
  }

  #pass(batch: LearnedBatch): void {
    const origin = this.#origin(batch);
    let places = this.#find(origin);
    const missing = places.flatMap((place, i) => (place === undefined ? [i] : []));
    if (missing.length > 0) {
      if (missing.length === places.length || this.#full !== undefined) return this.#compute(batch);
      this.#compute(samplesAt(batch, missing));
      places = this.#find(origin);
      if (places.includes(undefined)) return this.#compute(batch); // they could not be stored
    }
    this.#replay(batch, { origin, places: places as RowPlace[] });
  }

  /** @throws {RetortError} for a batch that does not say where it comes from, or whose augmentation is not the cache's. */
  #origin(batch: LearnedBatch): BatchOrigin {
    const { origin } = batch;
    const { seed = 0, views } = this.#parts.option;
    if (origin === undefined) {
      throw new RetortError('teacherCache: the batch does not say which samples it has', {
        code: 'invalid-state',
        help: 'train with a DataLoader and trainStep(batch), or leave teacherCache out',
      });
    }
    if (origin.seed !== seed || origin.views !== views) {
      const shown = (one: { seed: number; views?: number | undefined }): string =>
        `augmentSeed ${one.seed}${one.views === undefined ? '' : `, augmentViews ${one.views}`}`;
      throw new RetortError(`teacherCache: expected batches of ${shown({ seed, views })}, got ${shown(origin)}`, {
        code: 'mismatch',
        help: 'give the DataLoader these options, as configs do by themselves',
      });
    }
    this.#wanted ??= this.#describe(origin);
    return origin;
  }

  /** @throws {RetortError} for samples that are mixed. */
  #describe({ preparation, seed, views, length }: BatchOrigin): WantedCache {
    const { teachers, distiller, root } = this.#parts;
    const seen = Object.keys(teachers).map((name) => [name, preparation(name)] as const);
    const student = (root as { student?: Network }).student;
    if (student?.mixes === true || seen.some(([, list]) => list === undefined)) {
      throw new RetortError('teacherCache: samples are mixed (Mixup, CutMix): what a teacher gives depends on both', {
        code: 'unsupported',
        help: 'leave the mixing transform or teacherCache out',
      });
    }
    return {
      teachers: this.hasWeights
        ? Object.fromEntries(Object.entries(teachers).map(([name, one]) => [name, hashOf(one)]))
        : {},
      recorders: [...distiller.teacherRecorders.recorders].map(([name, { label }]) => `${name}: ${label}`),
      preparation: Object.fromEntries(seen as [string, readonly string[]][]),
      samples: length,
      seed,
      views: views ?? null,
    };
  }

  /** Where the rows of samples are, as far as they are stored. */
  #find({ view, samples }: BatchOrigin): readonly (RowPlace | undefined)[] {
    const store = (this.#store ??= this.#opened());
    if (store === undefined) return samples.map(() => undefined);
    const places = (): (RowPlace | undefined)[] => samples.map((sample) => store.find(view, sample));
    const found = places();
    if (!found.includes(undefined)) return found;
    store.refresh(); // another process may have stored them meanwhile
    return places();
  }

  /** The store, if there is one, and it is what is asked for. @throws {RetortError} `mismatch`, which says what differs. */
  #opened(): RowStore | undefined {
    const { dir } = this.#parts.option;
    if (this.#wanted === undefined || !RowStore.isAt(dir)) return undefined;
    const store = RowStore.open(dir);
    const about = aboutOf(store);
    const differences = differencesOf(about, this.#wanted, this.#formatOf);
    if (differences.length > 0) {
      throw new RetortError(`teacherCache: ${dir} was made otherwise\n  ${differences.join('\n  ')}`, {
        code: 'mismatch',
        help: 'name another dir, or remove this one to make it anew',
      });
    }
    this.#notes.push(this.#found(store, about));
    this.#about = about;
    return store;
  }

  #found(store: RowStore, { samples, views }: About): string {
    const { dir } = this.#parts.option;
    const [have, all] = [store.count, views === null ? undefined : samples * views];
    const counted = have.toLocaleString('en-US');
    if (all === undefined) return `teacher cache: ${dir} has ${counted} rows, of ${store.views.length} epochs`;
    const rest = have < all ? `; the teacher is run for the others` : `: the teacher is not run`;
    return `teacher cache: ${dir} has ${have < all ? `${counted} of ` : 'all '}${all.toLocaleString('en-US')} rows${rest}`;
  }

  readonly #formatOf = (recorder: string, dimensions: number): StoredFormat => {
    const { format, formats = {} } = this.#parts.option;
    return formats[recorder] ?? format ?? (dimensions > 2 ? 'float16' : 'float32');
  };

  /** Runs the teachers, and stores what they gave. Recorders have it as it is stored, as they will have it the next time. */
  #compute(batch: LearnedBatch): void {
    const { run, option } = this.#parts;
    const origin = batch.origin!;
    if (!this.hasWeights) {
      throw new RetortError(
        `teacherCache: ${option.dir} lacks samples of view ${origin.view}, and the teacher's weights are not here`,
        {
          code: 'not-found',
          help: 'name its checkpoint again, or complete the cache where it is (retort cache build)',
        },
      );
    }
    run(batch);
    const samples = origin.samples.length;
    noGrad(() => {
      const { layout, tensors } = layoutOf(this.#records(), {
        samples,
        formatOf: (recorder, { ndim }) => this.#formatOf(recorder, ndim),
      });
      if (this.#about !== undefined) requireSameLayout(option.dir, this.#about.layout, layout);
      const infinite = tensors.findIndex((one) => one.isfinite().all().item() === 0);
      if (infinite !== -1) return this.#leaveOut(layout.fields[infinite]!.recorder);
      if (this.#store === undefined) this.#check(batch, { layout, values: tensors, of: (now) => now.tensors });
      const stored = tidy(() => {
        const parts = encoded(layout, tensors, samples);
        const values = decoded(layout, parts, samples);
        requireHeld(layout, { values, tensors });
        const store = (this.#store ??= this.#created(layout, { tensors, values }));
        this.#append(store, origin, [...parts, ...this.#shown(batch)]);
        return values;
      });
      this.#fill(recordsOf(layout, stored));
    });
  }

  /** Records that are not finite stay as they are, and training says what it says of them. */
  #leaveOut(recorder: string): void {
    if (this.#saidInfinite) return;
    this.#saidInfinite = true;
    this.#notes.push(
      `note: teacher cache: what recorder "${recorder}" takes is not finite: such samples are not stored`,
    );
  }

  #records(): Records {
    return Object.fromEntries(
      this.#recorders().map(([name, recorder]) => [
        name,
        Array.from({ length: recorder.length }, (_, i) => recorder.getRecordData(i)),
      ]),
    );
  }

  /** Those whose records depend on samples: parameters are there without running anything. */
  #recorders(): (readonly [string, Recorder])[] {
    return [...this.#parts.distiller.teacherRecorders.recorders].filter(
      ([, recorder]) => !(recorder instanceof ParameterRecorder),
    );
  }

  #fill(records: Records): void {
    for (const [name, recorder] of this.#recorders()) recorder.replay(records[name] ?? []);
  }

  #created(layout: RecordLayout, { tensors, values }: Record<'tensors' | 'values', readonly Tensor[]>): RowStore {
    const { dir } = this.#parts.option;
    const columns = columnsOf(layout, this.#teacherNames());
    const about: About = { ...this.#wanted!, layout };
    const row = columns.reduce((sum, { bytes }) => sum + bytes, 0);
    const [rows, free] = [about.samples * (about.views ?? 1), freeBytes(dir)];
    if (free !== undefined && rows * row > free) {
      throw new RetortError(
        `teacherCache: ${dir}: ${rows.toLocaleString('en-US')} rows of ${bytesInWords(row)} take ${bytesInWords(rows * row)}, and ${bytesInWords(free)} are free`,
        { code: 'file-system', help: 'choose another disk, fewer views, or a smaller format (int8, { topk: 50 })' },
      );
    }
    const store = RowStore.create(dir, columns, about);
    const made = layout.fields.map(({ recorder, format }, i) => {
      const error = distance([values[i]!], [tensors[i]!]);
      return `${recorder} ${shownFormat(format)}${error === 0 ? '' : ` (off by ${percent(error)})`}`;
    });
    const total = `${bytesInWords(rows * row)} for ${about.samples.toLocaleString('en-US')} samples${about.views === null ? ' an epoch' : ` in ${about.views} views`}`;
    this.#notes.push(
      `teacher cache: ${dir} is made, ${bytesInWords(row)} a sample, ${total}: ${[...new Set(made)].join(', ')}`,
    );
    // Another process may have made it in the meantime, otherwise: then this says what differs.
    if (JSON.stringify(store.about) === JSON.stringify(about)) {
      this.#about = about;
      return store;
    }
    const other = this.#opened()!;
    requireSameLayout(dir, this.#about!.layout, layout);
    return other;
  }

  #append(store: RowStore, { view, samples }: BatchOrigin, parts: readonly Tensor[]): void {
    if (this.#full !== undefined) return;
    const fresh = samples.flatMap((sample, i) =>
      store.find(view, sample) === undefined && samples.indexOf(sample) === i ? [i] : [],
    );
    if (fresh.length === 0) return;
    const index = fresh.length === samples.length ? undefined : integers(fresh);
    try {
      const bytes = parts.map((part) => {
        const here = part.to({ device: 'cpu' });
        return (index === undefined ? here : here.indexSelect(0, index)).contiguous().bytes();
      });
      store.append(
        view,
        fresh.map((i) => samples[i]!),
        bytes,
      );
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      this.#full = error.what;
      this.#notes.push(
        `note: teacher cache: nothing more is stored (${error.what}); training goes on with the teacher`,
      );
    }
  }

  #replay(batch: LearnedBatch, { origin, places }: { origin: BatchOrigin; places: readonly RowPlace[] }): void {
    const store = this.#store!;
    const samples = origin.samples.length;
    const { layout } = this.#about!;
    // Of what is read, only what losses are to see outlives this.
    const replayed = noGrad(() =>
      tidy(() => {
        const all = [...partsOf(layout), ...probeParts(this.#teacherNames())];
        const { device } = Object.values(batch.inputs instanceof Tensor ? [batch.inputs] : batch.inputs)[0]!;
        const read = gathered(store, places).map((bytes, i) => {
          const { dtype, shape } = all[i]!;
          return (dtype === 'uint8' ? bytes : bytes.view(dtype)).reshape([samples, ...shape]).to({ device });
        });
        const parts = read.slice(0, partsOf(layout).length);
        this.#requireShown(batch, { origin, stored: read.slice(parts.length) });
        const values = decoded(layout, parts, samples);
        if (!this.#checked && this.hasWeights) {
          const kept = { layout, values: comparable(layout, parts, samples) };
          this.#check(batch, {
            ...kept,
            of: (now, count) => comparable(layout, encoded(layout, now.tensors, count), count),
          });
        }
        return values;
      }),
    );
    this.#fill(recordsOf(layout, replayed));
  }

  /** Some numbers of what each teacher sees, spread over the whole, `(N, 16)`. */
  #shown({ inputs, views = {} }: LearnedBatch): Tensor[] {
    return this.#teacherNames().map((name) => {
      const given: Inputs = views[name] ?? inputs;
      const first = given instanceof Tensor ? given : (given['images'] ?? Object.values(given)[0]!);
      const flat = first.reshape([first.shape[0]!, -1]);
      const at = Array.from({ length: probes }, (_, i) => Math.floor(((i + 0.5) * flat.shape[1]!) / probes));
      return flat
        .indexSelect(1, integers(at).to({ device: flat.device }))
        .to('float32')
        .clamp(-6e4, 6e4)
        .to('float16');
    });
  }

  #teacherNames(): string[] {
    return Object.keys(this.#parts.teachers);
  }

  /** @throws {RetortError} `mismatch` where a teacher was shown something else. */
  #requireShown(batch: LearnedBatch, { origin, stored }: { origin: BatchOrigin; stored: readonly Tensor[] }): void {
    for (const [i, now] of this.#shown(batch).entries()) {
      const [seen, before] = [now.to('float32'), stored[i]!.to('float32')];
      const apart = seen.sub(before).abs().sub(before.abs().mul(sameInputs)).amax(1);
      if (!(apart.max().item() > sameInputs)) continue;
      const sample = origin.samples[apart.argmax().item()]!;
      throw new RetortError(
        `teacherCache: ${this.#parts.option.dir} was made of other inputs: sample ${sample} of view ${origin.view} is not what teacher "${this.#teacherNames()[i]}" saw`,
        {
          code: 'mismatch',
          help: 'the data, a transform of yours or the preprocessing of the student has changed: name another dir',
        },
      );
    }
  }

  /**
   * Compares what is known of a batch with what the teachers give of its first two samples (of a batch of two, of the first): fewer than
   * it has, wherever it has more than one, so that records which depend on the others are found. @throws {RetortError} where it differs.
   */
  #check(batch: LearnedBatch, { layout: { fields }, values, of }: Comparison): void {
    const { run, root, option } = this.#parts;
    const count = Math.max(1, Math.min(2, batch.origin!.samples.length - 1));
    const { others, alone } = undisturbed(root, () => {
      run(firstSamples(batch, count));
      const now = layoutOf(this.#records(), {
        samples: count,
        formatOf: (recorder, { ndim }) => this.#formatOf(recorder, ndim),
      });
      const same = JSON.stringify(now.layout.fields) === JSON.stringify(fields);
      return { others: now.layout.fields, alone: same ? of(now, count).map((one) => one.clone()) : [] };
    });
    for (const [i, { recorder, rows }] of fields.entries()) {
      const one = alone[i];
      const same =
        one === undefined
          ? JSON.stringify(others[i]) === JSON.stringify(fields[i])
          : distance([one], [values[i]!.narrow(0, 0, count * rows)]) <= sameRecords;
      if (same) continue;
      throw new RetortError(
        `teacherCache: recorder "${recorder}": what the teacher gives of ${count === 1 ? 'a sample' : 'two samples'} is not what ${this.#store === undefined ? 'it gives of them in a batch' : `${option.dir} has of them`}`,
        this.#store === undefined
          ? {
              code: 'unsupported',
              help: 'its records depend on other samples of the batch, and cannot be kept for each',
            }
          : { code: 'mismatch', help: 'the cache was made with another teacher: name another dir' },
      );
    }
    this.#checked = true;
  }
}

/** @throws {RetortError} for a teacher that changes: what it gives cannot be kept. */
export function requireFrozen(algorithm: string, frozen: readonly Module[]): void {
  if (frozen.length > 0) return;
  throw new RetortError(
    `${algorithm}: teacherCache: expected a teacher that does not change, got one that is trained or measures`,
    {
      help: 'it goes with teacherTrainable false and teacherNormEval true, the defaults',
    },
  );
}

/** What is compared with the teachers' own. */
interface Comparison {
  readonly layout: RecordLayout;
  /** Of all samples of a batch, field by field. */
  readonly values: readonly Tensor[];
  /** The same of fewer samples. */
  readonly of: (now: { tensors: Tensor[] }, samples: number) => readonly Tensor[];
}
