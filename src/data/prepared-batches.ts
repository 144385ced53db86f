// Batches that are made ahead: samples are read and decoded on other threads while a training step computes. Only so many samples are
// under way at once and only the batches asked for are kept, so memory is bounded; what is not asked for any more is freed at once.
import { RetortError } from '../errors.ts';

export interface BatchRequest {
  epoch: number;
  index: number;
  /** The samples' numbers in the data set. */
  samples: readonly number[];
}

/** A batch that is being made, or is made. */
interface Pending<T> {
  readonly samples: readonly number[];
  readonly epoch: number;
  dropped: boolean;
  ready?: readonly T[];
}

/** How samples are made ahead. */
export interface PreparedBatchesOptions<T> {
  make: (epoch: number, sample: number) => Promise<T>;
  /** Frees a sample that is not wanted any more. */
  free: (sample: T) => void;
  /** How many samples are under way at once. */
  concurrency: number;
}

export class PreparedBatches<T> {
  readonly #options: PreparedBatchesOptions<T>;
  readonly #batches = new Map<string, { batch: Pending<T>; done: Promise<void> }>();
  readonly #waiting: (() => void)[] = [];
  #slots: number;

  constructor(options: PreparedBatchesOptions<T>) {
    this.#options = options;
    this.#slots = options.concurrency;
  }

  /** Waits for the first of the batches, begins the others, and forgets all but these. */
  async prepare(wanted: readonly BatchRequest[]): Promise<void> {
    const keys = wanted.map(keyOf);
    for (const [key, { batch }] of this.#batches) {
      if (!keys.includes(key)) this.#drop(key, batch);
    }
    for (const request of wanted) this.#begin(request);
    const first = this.#batches.get(keys[0]!)!;
    try {
      await first.done;
    } catch (error) {
      if (this.#batches.get(keys[0]!) === first) this.#batches.delete(keys[0]!); // so that it can be tried again
      throw error;
    }
  }

  /** The samples of a batch; they stay here. @throws {RetortError} when the batch was not prepared. */
  take(request: BatchRequest): readonly T[] {
    const ready = this.#batches.get(keyOf(request))?.batch.ready;
    if (ready !== undefined) return ready;
    const { epoch, index } = request;
    throw new RetortError(`DataLoader.load: the images of batch ${index} of epoch ${epoch} are not decoded yet`, {
      code: 'invalid-state',
      help: `await loader.prepare(${epoch}, ${index}) first`,
    });
  }

  /** Forgets all batches, also those under way. */
  clear(): void {
    for (const [key, { batch }] of this.#batches) this.#drop(key, batch);
  }

  #drop(key: string, batch: Pending<T>): void {
    batch.dropped = true;
    this.#batches.delete(key);
    for (const sample of batch.ready ?? []) this.#options.free(sample);
  }

  #begin(request: BatchRequest): void {
    const key = keyOf(request);
    if (this.#batches.has(key)) return;
    const batch: Pending<T> = { ...request, dropped: false };
    const done = this.#fill(batch);
    done.catch(() => undefined); // reported when it is this batch's turn
    this.#batches.set(key, { batch, done });
  }

  async #fill(batch: Pending<T>): Promise<void> {
    const made: T[] = [];
    let lost = false;
    const abandon = (): void => {
      lost = true;
      for (const sample of made.splice(0)) this.#options.free(sample);
    };
    const samples = batch.samples.map(async (number) => {
      const sample = await this.#one(batch, number);
      if (lost || batch.dropped) this.#options.free(sample); // nobody waits for it any more
      else made.push(sample);
      return sample;
    });
    try {
      const ready = await Promise.all(samples);
      if (batch.dropped) abandon();
      else batch.ready = ready;
    } catch (error) {
      abandon();
      throw error;
    }
  }

  async #one(batch: Pending<T>, sample: number): Promise<T> {
    if (this.#slots > 0) this.#slots--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (batch.dropped) {
        throw new RetortError('DataLoader.prepare: another batch was requested before this one was ready', {
          code: 'invalid-state',
        });
      }
      return await this.#options.make(batch.epoch, sample);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#slots++;
      else next();
    }
  }
}

function keyOf({ epoch, index }: BatchRequest): string {
  return `${epoch}/${index}`;
}
