// Batches of images that are made ahead: files are read and decoded on other threads while a training step computes. Only so many
// images are under way at once and only the batches asked for are kept, so memory is bounded; no tensor outlives a call.
import { RetortError } from '../errors.ts';
import type { DType } from '../torch/index.ts';

/** One image ready for a batch. */
export interface PreparedImage {
  bytes: Uint8Array;
  dtype: DType;
  /** `(C, H, W)` */
  shape: readonly number[];
  /** The file it comes from. */
  source: string;
}

export interface BatchRequest {
  epoch: number;
  index: number;
  /** The samples' numbers in the data set. */
  samples: readonly number[];
}

interface Batch {
  readonly samples: readonly number[];
  readonly epoch: number;
  dropped: boolean;
  images?: readonly PreparedImage[];
}

export class PreparedBatches {
  readonly #make: (epoch: number, sample: number) => Promise<PreparedImage>;
  readonly #batches = new Map<string, { batch: Batch; done: Promise<void> }>();
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param concurrency how many images are under way at once. */
  constructor(make: (epoch: number, sample: number) => Promise<PreparedImage>, concurrency: number) {
    this.#make = make;
    this.#free = concurrency;
  }

  /** Waits for the first of the batches, begins the others, and forgets all but these. */
  async prepare(wanted: readonly BatchRequest[]): Promise<void> {
    const keys = wanted.map(keyOf);
    for (const [key, { batch }] of this.#batches) {
      if (keys.includes(key)) continue;
      batch.dropped = true;
      this.#batches.delete(key);
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

  /** @throws {RetortError} when the batch was not prepared. */
  take(request: BatchRequest): readonly PreparedImage[] {
    const images = this.#batches.get(keyOf(request))?.batch.images;
    if (images !== undefined) return images;
    const { epoch, index } = request;
    throw new RetortError(`DataLoader.load: the images of batch ${index} of epoch ${epoch} are not decoded yet`, {
      help: `await loader.prepare(${epoch}, ${index}) first`,
    });
  }

  #begin(request: BatchRequest): void {
    const key = keyOf(request);
    if (this.#batches.has(key)) return;
    const batch = { ...request, dropped: false };
    const done = this.#fill(batch);
    done.catch(() => undefined); // reported when it is this batch's turn
    this.#batches.set(key, { batch, done });
  }

  async #fill(batch: Batch): Promise<void> {
    const images = await Promise.all(batch.samples.map((sample) => this.#one(batch, sample)));
    batch.images = images;
  }

  async #one(batch: Batch, sample: number): Promise<PreparedImage> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (batch.dropped) {
        throw new RetortError('DataLoader.prepare: another batch was asked for before this one was ready');
      }
      return await this.#make(batch.epoch, sample);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

function keyOf({ epoch, index }: BatchRequest): string {
  return `${epoch}/${index}`;
}
